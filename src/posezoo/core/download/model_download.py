"""Download all published files of a model, verify them, and unpack them."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec, RegexReplace, SourceFile, UnpackArchive
from posezoo.core.declarations.safe_names import case_folded
from posezoo.core.download.context import ConnectionPool, DownloadContext
from posezoo.core.download.digest_store import remove_stale_staging
from posezoo.core.download.download_manifest import DownloadManifest
from posezoo.core.download.file_download import download_file, list_candidates, unpinned_error
from posezoo.core.download.made_files import (
    group_replacements,
    is_replaced_by_members,
    list_archive,
    text_recipe,
)
from posezoo.core.download.options import DownloadOptions, refuse_license
from posezoo.core.download.origins import FileOrigin, select_files
from posezoo.core.errors import DownloadError, PosezooError
from posezoo.core.events import (
    DownloadFinished,
    DownloadStarted,
    FilePostprocessingStarted,
    FileUpToDate,
    LicenseNoted,
    Listener,
    PostprocessingFinished,
    PostprocessingStarted,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files.manifest import NAME, read_manifest, settle, write_listed
from posezoo.core.files.staging import remove_stale_staging_dirs
from posezoo.core.files.verified_files import (
    Hasher,
    has_digest,
    has_size,
    is_verified_file,
    writing,
)
from posezoo.core.layout import ModelLayout, find_link_out, require_inside
from posezoo.core.regular_files import read_regular_bytes, read_regular_text
from posezoo.core.values import frozen
from posezoo.core.workers.program import find_interpreter

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
    """Download the published files of a model, and unpack them; verified files are kept. Returns
    the paths in model.yml's order.

    Args:
        precisions: skip files whose top-level folder names another precision (also FP16-INT1 and
            other names of Open Model Zoo); None for all files.
        pool: as in ``DownloadContext``.

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
    is_new = not all(map(Path.exists, targets))
    license = spec.license.spdx or "license undeclared"
    if spec.license_note:
        license += ", with a note in its card"
    listener(DownloadStarted(spec.full_name, len(files), spec.revision, license))
    folder = layout.model_download_dir(spec)
    try:
        with DownloadContext(
            spec, download_options, listener, pool=pool, roots=layout.roots
        ) as context:
            # Nothing is written through a link that leads out of the folder.
            is_inside = not find_link_out(folder / NAME, layout.roots)
            if is_inside and not layout.custom_checkpoint(spec):
                context.manifest = DownloadManifest(
                    folder, spec.full_name, files_and_targets, context.emit
                )
            try:
                _download_missing(spec, files_and_targets, layout, context)
            finally:
                if context.manifest:
                    context.manifest.settle()
    except PosezooError as error:
        listener(DownloadFinished(spec.full_name, False, error.problem))
        raise
    if spec.license_note and is_new:  # of files that are here, and will be used
        listener(LicenseNoted(spec.full_name, spec.license_note))
    listener(DownloadFinished(spec.full_name, True))
    if spec.postprocessing:
        left_out = set(spec.file_names) - {file.name for file in files}
        postprocess(spec, layout, left_out=left_out, listener=listener)
    return targets


def _download_missing(
    spec: ModelSpec, files_and_targets: Places, layout: ModelLayout, context: DownloadContext
) -> None:
    needed = []
    for file, target in files_and_targets:
        if is_replaced_by_members(file, spec, layout):
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
) -> tuple[PlannedFile, ...]:
    """What ``download_model`` would do; a LicenseError if the license is not allowed.

    The files that are here are read; no source is asked, and nothing is written.
    """
    refuse_license(spec, download_options.allow_licenses)
    context = DownloadContext(spec, download_options)
    plan = []
    for file in select_files(spec, precisions):
        target = layout.file_path(spec, file)
        if file.is_pinned and is_replaced_by_members(file, spec, layout):
            plan.append(PlannedFile(file, target, FileOrigin.HERE, ()))
        else:
            plan.append(plan_file(file, target, context))
    return tuple(plan)


def plan_file(file: SourceFile, target: Path, context: DownloadContext) -> PlannedFile:
    """What ``download_file`` would do about one file."""
    if not file.is_pinned and context.first_use is None:
        return PlannedFile(file, target, FileOrigin.SOURCE, (), is_unpinned=True)
    if is_verified_file(target, file):
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


#: The texts of Open Model Zoo have at most 0.3 MB, and replacing takes milliseconds.
TIMEOUT_S = 10.0
MAX_BYTES = 16 << 20


# A pattern from a model.yml may never end on a downloaded text, and ``re`` cannot be interrupted,
# so a child process runs it. ``problem`` is empty if all replacements succeeded.
_CHILD = """
import json, re, sys
job = json.load(sys.stdin)
text, problem = job["text"], ""
for pattern, replacement, count in job["steps"]:
    try:
        text, done = re.subn(pattern, replacement, text, count)
    except (re.error, IndexError) as error:
        problem = f"{pattern!a} cannot be replaced by {replacement!a}: {error}"
        break
    if done == 0 or count not in (0, done):
        problem = f"{pattern!a} was found {done} times, expected {count or 'at least 1'}"
        break
    if len(text) > job["limit"]:
        problem = f"replacing {pattern!a} makes it longer than {job['limit']} characters"
        break
json.dump({"text": text, "problem": problem}, sys.stdout)
"""


def postprocess(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    left_out: Collection[str],
    listener: Listener,
) -> None:
    """Run the postprocessing steps that are not up to date, except those of files ``left_out`` of
    the download.

    Raises:
        ArchiveError: an archive cannot be read, or has members that must not be unpacked.
        DownloadError: a text does not match a pattern.
        OutputError: a file cannot be written.
    """
    steps = [step for step in spec.postprocessing if step.file not in left_out]
    if not steps:
        return
    listener(PostprocessingStarted(spec.full_name))
    try:
        for step in steps:
            if isinstance(step, UnpackArchive):
                # Another process may have been killed while it unpacked the same archive.
                remove_stale_staging_dirs(layout.download_path(spec, step.file).parent)
                if not list_archive(step, spec, layout).is_up_to_date():
                    listener(FilePostprocessingStarted(spec.full_name, step.file, "unpack"))
                    _unpack(step, spec, layout, listener)
        for file, replacements in group_replacements(steps).items():
            _replace_text(file, replacements, spec, layout, listener)
        folder = layout.model_download_dir(spec)
        staged = read_manifest(folder).staged
        if staged:  # by a run that was killed, and others have made the files since
            with writing(folder / NAME):
                settle(folder, {}, ended=[*staged])
    except PosezooError as error:
        listener(PostprocessingFinished(spec.full_name, False, error.problem))
        raise
    listener(PostprocessingFinished(spec.full_name, True))


class _Placement:
    """Decides where the members of an archive are written; a text that a later step changes is
    written as .orig.

    If only some members of the archive have a checksum, the others are skipped, since nothing
    verifies them.
    """

    def __init__(self, step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> None:
        self._archive = step.file
        self._above = step.file.rpartition("/")[0]
        self._spec = spec
        self._layout = layout
        self._declared = {case_folded(str(layout.file_path(spec, file))) for file in spec.files}
        self._contained: Collection[str] = ()
        self._verified: Collection[str] = ()
        for file in spec.files:
            if file.name == step.file:
                self._contained = file.contains
                if file.checksum is None or file.first_use:
                    self._verified = file.contains
        self.skipped: list[str] = []

    def place(self, member: str) -> Path | None:
        """The path of a member; None to skip it.

        A member that model.yml names without a folder, also as the file to convert, loses its
        folder.
        """
        bare = member.rpartition("/")[2]
        if bare in (*self._contained, self._spec.checkpoint):
            member = bare
        if self._verified and member not in self._verified:
            self.skipped.append(member)
            return None
        name = f"{self._above}/{member}".lstrip("/")
        path = self._layout.published_path(self._spec, name)
        if case_folded(str(path)) in self._declared:
            problem = f"contains {member}, which model.yml declares as a file of its own"
            raise DownloadError(f"{self._archive}: {problem}")
        require_inside(path, self._layout.roots)
        return path


def find_changed_file(spec: ModelSpec, layout: ModelLayout) -> tuple[Path, str] | None:
    """The first file that is not as an archive contains it, or as model.yml changes a text, and
    what it is made from; None if all are. What it is made from may be missing.

    Raises:
        ArchiveError: an archive cannot be read.
        DownloadError: a text does not match a pattern.
    """
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive) and layout.download_path(spec, step.file).is_file():
            changed = _find_changed_member(step, spec, layout)
            if changed:
                return changed, step.file
    for name, steps in group_replacements(spec.postprocessing).items():
        published = layout.published_path(spec, name)
        text = layout.download_path(spec, name)
        if published.is_file() and text.is_file():
            made = replace_text(name, published, steps).encode()
            if read_regular_bytes(text) != made:
                return text, published.name
    return None


def _find_changed_member(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> Path | None:
    from posezoo.core.download.archive import open_archive, translate_archive_errors, walk_members

    archive = layout.download_path(spec, step.file)
    index = layout.published_path(spec, step.index) if step.index else None
    place = _Placement(step, spec, layout).place
    with translate_archive_errors(archive.name):
        members = open_archive(archive, step.format, index)
        for target, pieces in walk_members(archive, members, place):
            hasher = Hasher(["sha384"])
            for piece in pieces:
                hasher.update(piece)
            if not has_digest(target, hasher.digests):
                return target
    return None


def _unpack(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout, listener: Listener) -> None:
    from posezoo.core.download.archive import unpack_archive

    archive = layout.download_path(spec, step.file)
    index = layout.published_path(spec, step.index) if step.index else None
    placement = _Placement(step, spec, layout)
    unpack_archive(
        archive,
        step.format,
        placement.place,
        index=index,
        listing=list_archive(step, spec, layout),
        listener=listener,
    )
    if skipped := placement.skipped:
        more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        problem = "not named in model.yml, and not unpacked, since it has no checksum"
        text = f"{problem}: {', '.join(skipped[:3])}{more}"
        listener(WarningIssued(f"{spec.full_name}: {step.file}: {text}"))


def _replace_text(
    name: str,
    steps: Sequence[RegexReplace],
    spec: ModelSpec,
    layout: ModelLayout,
    listener: Listener,
) -> None:
    """Change a text, unless that was done."""
    folder = layout.model_download_dir(spec)
    published = layout.published_path(spec, name)
    recipe = text_recipe(steps, published) if published.is_file() else {}
    manifest = read_manifest(folder)
    if recipe and manifest.says(name, recipe) and manifest.has_bytes(folder, name):
        return
    listener(FilePostprocessingStarted(spec.full_name, name, "replace_text"))
    require_inside(layout.download_path(spec, name), layout.roots)
    text = replace_text(name, published, steps).encode()
    write_listed(folder, {name: text}, recipe, listener, model=spec.full_name)


def replace_text(name: str, published: Path, steps: Sequence[RegexReplace]) -> str:
    """The text of a published file (UTF-8) after all replacements, in order; lines end with a
    newline.

    A DownloadError if it is not text, does not match a pattern, or replacing takes too long.
    """
    try:
        if published.stat().st_size > MAX_BYTES:
            raise DownloadError(
                f"{name}: is larger than {MAX_BYTES} bytes: too large to replace text in"
            )
        # This converts line ends to newlines, as Open Model Zoo does.
        text = io.StringIO(read_regular_text(published), newline=None).read()
    except FileNotFoundError as error:
        raise DownloadError(
            f"{name}: does not exist: neither published nor in an archive",
            hint="check the postprocessing in model.yml",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"{name}: cannot be read as UTF-8 text: {error}") from error
    parts = [[step.pattern, step.replacement, step.count] for step in steps]
    job = {"text": text, "steps": parts, "limit": MAX_BYTES}
    try:
        output = subprocess.check_output(
            [find_interpreter(), "-I", "-S", "-c", _CHILD],
            input=json.dumps(job).encode(),
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
        answer: dict[str, str] = json.loads(output)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(
            f"{name}: replacing text takes longer than {TIMEOUT_S:g} s",
            hint="simplify the pattern in model.yml",
        ) from error
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise DownloadError(f"{name}: text cannot be replaced: {error}") from error
    if answer["problem"]:
        raise DownloadError(
            f"{name}: {answer['problem']}", hint="check the postprocessing in model.yml"
        )
    return answer["text"]
