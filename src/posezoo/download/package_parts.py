"""Read one member of a package without the rest of the package, if its server has range requests.

The digest of the package cannot be checked from a part of it, so the member's own digest is. A
part that cannot be used is no error: the whole package is downloaded in its place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from posezoo.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    NoRangesError,
    RangeMismatchError,
    ResumeState,
)
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import package_path, store_candidates
from posezoo.download.file_download import download_part
from posezoo.download.transfer import can_be_in_part
from posezoo.errors import ArchiveError, DigestError, DownloadError, SizeError
from posezoo.files.verified_files import Hasher, writing
from posezoo.spec.model import SourceFile

#: Opens the bytes of a package after those of the state, up to a stop.
OpenRange = Callable[[ResumeState, int], AbstractContextManager[ByteStream]]


def needs_part(package: SourceFile, file: SourceFile, context: DownloadContext) -> bool:
    """Whether a part of a package is enough, and no cache or mirror has all of it."""
    if not can_be_in_part(package, file):
        return False
    for candidate in store_candidates(package, context.probing()):
        with suppress(DownloadError), candidate.open(ResumeState()):
            return False
    return True


def extract_member(
    package: SourceFile,
    file: SourceFile,
    opened: AbstractContextManager[ByteStream],
    context: DownloadContext,
) -> Path | None:
    """Write a member, which is read from a part of its package, to a temporary file, and verify it.

    Returns:
        The path; None, after a warning, if the part cannot be used.

    Raises:
        DownloadError: the part could not be downloaded. A TransientSourceError if another attempt
            may succeed, which continues where this one stopped.
        OutputError: the temporary file cannot be written.
    """
    assert file.checksum is not None
    hasher = Hasher([file.checksum.algorithm])
    path = context.temp_dir() / package.name
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with open(handle, "wb") as written, opened as stream:
            for piece in stream.pieces:
                hasher.update(piece)
                with writing(path):
                    written.write(piece)
            if hasher.digests != [file.checksum]:
                raise DigestError(f"its part does not contain {file.name} as declared")
    except (ArchiveError, DigestError, NoRangesError, RangeMismatchError, SizeError) as error:
        problem = error.problem.removeprefix(f"{package.name}: ")
        context.warn(f"{package.name}: {problem}; downloading the whole package")
        Path(name).unlink()
        return None
    return Path(name)


@contextmanager
def open_part(
    package: SourceFile, part: range, open_range: OpenRange, context: DownloadContext
) -> Iterator[Path]:
    """Download the bytes of a package at the positions of ``part``, for the time of a ``with``.

    Raises:
        NoRangesError: the server sends the whole package.
        DownloadError: see ``download_part``.
    """

    @contextmanager
    def open_rest(resume: ResumeState) -> Iterator[ByteStream]:
        state = replace(resume, size=part.start + resume.size)
        with open_range(state, part.stop) as stream:
            refuse_whole_file(stream, state.size)
            yield replace(stream, start=resume.size, stop=None)

    assert package.checksum is not None
    path = package_path(package, context)
    target = path.with_name(f"{path.name}.{part.start}-{part.stop}")
    wanted = SourceFile(package.name, len(part))
    candidate = Candidate(package.name, CandidateKind.SOURCE, open_rest)
    reporting = context.for_package(package.size or 0)
    with download_part(wanted, target, reporting, candidate, package.checksum) as received:
        yield received


def refuse_whole_file(stream: ByteStream, start: int) -> None:
    """Raise a NoRangesError if a server sends a whole file, and not its bytes from ``start`` on."""
    if stream.start != start or stream.stop is None:
        raise NoRangesError("its server sends only whole files")
