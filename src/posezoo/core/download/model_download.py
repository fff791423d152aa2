"""Download all published files of a model, verify them, and unpack them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.download.context import ConnectionPool, DownloadContext
from posezoo.core.download.digest_store import remove_stale_staging
from posezoo.core.download.file_download import download_file, list_candidates, unpinned_error
from posezoo.core.download.options import DownloadOptions, refuse_license
from posezoo.core.download.origins import FileOrigin, select_files
from posezoo.core.download.postprocess import postprocess
from posezoo.core.download.provenance_json import NAME, update_provenance_json
from posezoo.core.errors import PosezooError, os_reason
from posezoo.core.events import (
    DownloadFinished,
    DownloadStarted,
    FileUpToDate,
    LicenseNoted,
    Listener,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files.postprocess_state import is_unpacked
from posezoo.core.files.verified_files import has_size, is_verified_file
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen

# The files of a model, each with its path.
Places = Sequence[tuple[SourceFile, Path]]


@frozen
class PlannedFile:
    """What a download would do about one file."""

    file: SourceFile  # the expected file
    target: Path  # its path
    #: The probable origin. No server is asked, so a mirror at a URL may have a file that is planned
    #: from a source.
    origin: FileOrigin
    #: The candidates that would be asked, in this order; empty if the file exists and is verified.
    candidate_names: tuple[str, ...]
    #: Whether the file has no pin and its first use is not trusted; no candidate is asked then.
    is_unpinned: bool = False

    def __str__(self) -> str:
        if self.origin is FileOrigin.HERE:
            return f"{self.target} exists already"
        if self.is_unpinned:
            return f"{self.target} has no pin"
        return f"{self.target} <- {', else '.join(self.candidate_names) or 'no source'}"


def download_model(
    spec: ModelSpec,
    layout: ModelLayout,
    download_options: DownloadOptions,
    *,
    precisions: Collection[str] | None = None,
    listener: Listener = ignore_event,
    pool: ConnectionPool | None = None,
) -> tuple[Path, ...]:
    """Download the published files of a model, and unpack them; files that are verified already are
    kept. The paths of the files have the order of model.yml.

    Args:
        precisions: skip files whose top-level folder names another precision (also FP16-INT1 and
            other names of Open Model Zoo); None for all files.
        pool: the connections shared with parallel downloads; None for a new pool.

    Raises:
        DownloadError: no candidate provides a file; the error lists each candidate and the reason.
        UnpinnedFileError: a file has no checksum, so it cannot be verified; nothing was downloaded.
        ArchiveError: an archive cannot be unpacked.
        OutputError: a file cannot be written.
        LicenseError: the options do not allow the model's license; no server was asked.
    """
    files = select_files(spec, precisions)
    require_allowed(spec, files, download_options)
    targets = tuple(layout.file_path(spec, file) for file in files)
    files_and_targets = tuple(zip(files, targets, strict=True))
    if spec.deprecated:
        listener(WarningIssued(f"{spec.full_name}: {spec.deprecated}"))
    if spec.license_note and not all(map(Path.exists, targets)):
        listener(LicenseNoted(spec.full_name, spec.license_note))
    listener(DownloadStarted(spec.full_name, len(files), spec.revision))
    record = layout.model_download_dir(spec) / NAME
    try:
        with DownloadContext(
            spec, download_options, listener, pool=pool, records_origins=True, roots=layout.roots
        ) as context:
            try:
                _download_missing(spec, files_and_targets, layout, context)
            finally:
                try:
                    update_provenance_json(record, spec, files_and_targets, context)
                except OSError as error:  # the files are verified anyway
                    context.warn(f"{record}: cannot be written: {os_reason(error)}")
    except PosezooError as error:
        listener(DownloadFinished(spec.full_name, False, error.problem))
        raise
    listener(DownloadFinished(spec.full_name, True))
    if spec.postprocessing:
        left_out = set(spec.file_names) - {file.name for file in files}
        postprocess(
            spec, layout, left_out=left_out, rehash=download_options.verify, listener=listener
        )
    return targets


def _download_missing(
    spec: ModelSpec, files_and_targets: Places, layout: ModelLayout, context: DownloadContext
) -> None:
    needed = []
    for file, target in files_and_targets:
        if is_unpacked(file, spec, layout, rehash=context.options.verify):
            context.emit(FileUpToDate(spec.full_name, file.name))
        else:
            needed.append((file, target))
    if context.cache_dir:
        remove_stale = partial(remove_stale_staging, context.cache_dir)
        context.pool.once(("stale", context.cache_dir), remove_stale)
    context.pool.run_all(lambda place: download_file(*place, context), needed)


def plan_download(
    spec: ModelSpec,
    layout: ModelLayout,
    download_options: DownloadOptions,
    precisions: Collection[str] | None = None,
    *,
    is_dry_run: bool = True,
) -> tuple[PlannedFile, ...]:
    """What ``download_model`` would do. A LicenseError if the license is not allowed.

    No source is asked. Existing files are hashed, unless they were verified before and have not
    changed since. A dry run writes nothing. A real run records the verified files, so that the
    download need not hash them again.
    """
    refuse_license(spec, download_options.allow_licenses)
    context = DownloadContext(spec, download_options)
    rehash = download_options.verify and is_dry_run
    plan = []
    for file in select_files(spec, precisions):
        target = layout.file_path(spec, file)
        if file.is_pinned and is_unpacked(file, spec, layout, rehash=rehash):
            plan.append(PlannedFile(file, target, FileOrigin.HERE, ()))
        else:
            plan.append(plan_file(file, target, context, is_dry_run=is_dry_run))
    return tuple(plan)


def plan_file(
    file: SourceFile, target: Path, context: DownloadContext, *, is_dry_run: bool = True
) -> PlannedFile:
    """What ``download_file`` would do about one file; only a real run records that it was
    verified.
    """
    if not file.is_pinned and context.first_use is None:
        return PlannedFile(file, target, FileOrigin.SOURCE, (), is_unpinned=True)
    if is_verified_file(target, file, remember=not is_dry_run):
        return PlannedFile(file, target, FileOrigin.HERE, ())
    names = []
    for candidate in list_candidates(file, context):
        if candidate.path is None:
            names.append(candidate.name)
        elif has_size(candidate.path, file.size):
            return PlannedFile(
                file, target, FileOrigin(candidate.kind.value), (*names, candidate.name)
            )
    return PlannedFile(file, target, FileOrigin.SOURCE, tuple(names))


def require_allowed(spec: ModelSpec, files: Sequence[SourceFile], options: DownloadOptions) -> None:
    """Raise a LicenseError or UnpinnedFileError if files of a model may not be downloaded."""
    refuse_license(spec, options.allow_licenses)
    unpinned = [file for file in files if not file.is_pinned]
    if unpinned and options.first_use is None:
        raise unpinned_error(unpinned)
