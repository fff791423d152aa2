"""All published files of a model, verified and in their places."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from posezoo.download.candidates import Candidate
from posezoo.download.connection_pool import ConnectionPool
from posezoo.download.context import DownloadContext, Sleep, create_context
from posezoo.download.digest_store import remove_stale_staging
from posezoo.download.file_download import download_file, unpinned_error
from posezoo.download.journal import NAME, update_provenance_json
from posezoo.download.license_policy import refuse_license
from posezoo.download.options import DownloadOptions
from posezoo.download.postprocess import postprocess
from posezoo.download.source_types import list_candidates
from posezoo.errors import PosezooError
from posezoo.events import (
    DownloadFinished,
    DownloadStarted,
    FileUpToDate,
    Listener,
    WarningIssued,
    ignore_event,
)
from posezoo.files.postprocess_state import is_unpacked
from posezoo.files.verified_files import has_size, is_verified_file
from posezoo.layout import ModelLayout
from posezoo.spec.model import ModelSpec, Precision, SourceFile

# The first folders that Open Model Zoo's --precisions chooses among; we convert to fewer.
_PRECISION_FOLDERS = frozenset({*Precision, "FP16-INT1", "FP32-INT1", "FP32-INT8"})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A model whose published files are here and verified, in the order of its model.yml."""

    spec: ModelSpec
    files: tuple[Path, ...]


class FileOrigin(Enum):
    """Where a planned file comes from."""

    HERE = "here"
    CACHE = "cache"
    MIRROR = "mirror"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """What a download would do about one file.

    Attributes:
        file: what is promised.
        target: where it goes.
        origin: where it would come from, as far as that shows without asking anybody: a mirror behind
            an address might hold a file that is planned from a source.
        candidate_names: who would be asked, in this order; empty for a good file that is here.
        is_unpinned: whether it has no pin, and no source may be trusted so far: nobody would be asked.
    """

    file: SourceFile
    target: Path
    origin: FileOrigin
    candidate_names: tuple[str, ...]
    is_unpinned: bool = False

    def __str__(self) -> str:
        if self.origin is FileOrigin.HERE:
            return f"{self.target} is here already"
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
    sleep: Sleep = time.sleep,
    pool: ConnectionPool | None = None,
) -> Downloaded:
    """Bring the published files of a model to their places, and unpack them; good ones that are there stay.

    Args:
        spec: the model.
        layout: where its files belong.
        download_options: cache, mirrors and patience.
        precisions: leave out files whose first folder names another precision (FP16-INT1 and other words of
            Open Model Zoo among them); None for all files.
        listener: whom to tell what happens.
        sleep: how to wait between attempts, in seconds.
        pool: what it shares with downloads that run beside it; one of its own where None.

    Raises:
        FetchError: a file did not come from anywhere; its problem names every place and reason.
        NoPinError: nothing says what the bytes of a file must be; nothing was fetched.
        ArchiveError: an archive cannot be unpacked.
        OutputError: a file cannot be written.
        LicenseError: the means do not allow its terms; nobody was asked.
    """
    refuse_license(spec, download_options.allow_licenses)
    files = _selected(spec, precisions)
    if (loose := [file for file in files if not file.is_pinned]) and download_options.first_use is None:
        raise unpinned_error(loose)
    targets = tuple(layout.file_path(spec, file) for file in files)
    if spec.deprecated is not None:
        listener(WarningIssued(f"{spec.full_name}: {spec.deprecated}"))
    if spec.license_note and not all(target.exists() for target in targets):
        listener(WarningIssued(f"{spec.full_name}: licence: {spec.license_note}"))
    listener(DownloadStarted(spec.full_name, len(files), spec.revision))
    try:
        with create_context(
            spec, download_options, listener, sleep=sleep, pool=pool, writes_journal=True
        ) as context:
            places = []
            for file, target in zip(files, targets, strict=True):
                if is_unpacked(file, spec, layout, rehash=download_options.verify):
                    context.emit(FileUpToDate(spec.full_name, file.name))
                else:
                    places.append((file, target))
            if context.cache_dir is not None:
                remove_stale_staging(context.cache_dir)
            try:
                context.carrier.run_all(
                    lambda place: download_file(*place, list_candidates(place[0], context), context), places
                )
            finally:
                _record(
                    layout.model_download_dir(spec), spec, tuple(zip(files, targets, strict=True)), context
                )
    except PosezooError as error:
        listener(DownloadFinished(spec.full_name, False, error.problem))
        raise
    listener(DownloadFinished(spec.full_name, True))
    left_out = {file.name for file in spec.files} - {file.name for file in files}
    postprocess(spec, layout, left_out=left_out, rehash=download_options.verify, listener=listener)
    return Downloaded(spec, targets)


def plan_download(
    spec: ModelSpec,
    layout: ModelLayout,
    download_options: DownloadOptions,
    precisions: Collection[str] | None = None,
) -> tuple[PlannedFile, ...]:
    """What ``download`` would do; nothing is written and no server asked.

    Files that are here are hashed, unless they were found good before and not touched since.

    Raises:
        LicenseError: the means do not allow its terms.
    """
    refuse_license(spec, download_options.allow_licenses)
    context = create_context(spec, download_options)
    return tuple(
        PlannedFile(file, layout.file_path(spec, file), FileOrigin.SOURCE, (), is_unpinned=True)
        if not file.is_pinned and download_options.first_use is None
        else PlannedFile(file, layout.file_path(spec, file), FileOrigin.HERE, ())
        if is_unpacked(file, spec, layout, rehash=download_options.verify)
        else plan_file(file, layout.file_path(spec, file), list_candidates(file, context))
        for file in _selected(spec, precisions)
    )


def _record(
    folder: Path, spec: ModelSpec, places: Sequence[tuple[SourceFile, Path]], context: DownloadContext
) -> None:
    try:
        update_provenance_json(folder, spec, places)
    except (OSError, PosezooError) as error:  # the files are good, whoever gave them
        context.warn(f"{folder / NAME}: cannot be written: {error}")


def _selected(spec: ModelSpec, precisions: Collection[str] | None) -> tuple[SourceFile, ...]:
    """Open Model Zoo's rule: a file belongs to a precision when its first folder has that name."""
    if precisions is None:
        return spec.files
    requested = set(precisions)
    return tuple(file for file in spec.files if _precision_folder(file) in (None, *requested))


def _precision_folder(file: SourceFile) -> str | None:
    first, slash, _ = file.name.partition("/")
    return first if slash and first in _PRECISION_FOLDERS else None


def plan_file(file: SourceFile, target: Path, candidates: tuple[Candidate, ...]) -> PlannedFile:
    """What would be done about one file that may be fetched."""
    if is_verified_file(target, file, remember=False):
        return PlannedFile(file, target, FileOrigin.HERE, ())
    requested: list[str] = []
    for candidate in candidates:
        if candidate.path is not None and not has_size(candidate.path, file.size):
            continue
        requested.append(candidate.name)
        if candidate.path is not None:
            return PlannedFile(file, target, FileOrigin(candidate.kind.value), tuple(requested))
    return PlannedFile(file, target, FileOrigin.SOURCE, tuple(requested))
