"""Read one member of a package without the rest of the package, if its server has range requests.

The package's digest cannot be checked from a part, so the member's own digest is; if a part cannot
be used, the whole package is downloaded.

Of a zip file, the central directory and the member's own bytes are read:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3)

An npm tarball is one stream of deflate (RFC 1951), in blocks. At a block that starts with a whole
byte, zlib can start with the 32 KiB of contents before.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.archive import open_members, read_pieces, translate_archive_errors
from posezoo.core.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    RangeMismatchError,
    ResumeState,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.download.file_download import download_part
from posezoo.core.download.origins import entry_path
from posezoo.core.download.transfer import AccessPoint, can_be_in_part
from posezoo.core.errors import ArchiveError, DigestError, DownloadError, SizeError, SourceError
from posezoo.core.files.file_lock import discard
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import MAX_DIRECTORY, Hasher, writing
from posezoo.core.regular_files import open_regular
from posezoo.packages.small_answers import join_pieces

# The directory of a wheel with 760 members has 75 kB.
_TAIL = 96 << 10

_END = b"PK\5\6"

# Deflate makes at most 1032 bytes of one.
_PIECE = 1 << 16

#: Opens the bytes of a package after those of the state, up to a stop.
OpenRange = Callable[[ResumeState, int], AbstractContextManager[ByteStream]]


class NoRangesError(SourceError):
    """The server sends all of a file if only a part of it is requested."""


def package_path(package: SourceFile, context: DownloadContext) -> Path:
    """Where to download a package whose members are wanted: its entry in the cache, where an
    interrupted download resumes, or a temporary file.
    """
    if context.cache_dir and package.checksum:
        path = context.cache_dir / entry_path(package.checksum)
        with suppress(OSError):
            create_parent(path)
            if os.access(path.parent, os.W_OK):
                return path
    return context.temp_dir() / package.name


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
    """Write a member from a part of its package to a temporary file, and verify it; None, after a
    warning, if the part cannot be used.

    Raises:
        DownloadError: the part could not be downloaded; a TransientSourceError if another attempt
            may continue.
        OutputError: the temporary file cannot be written.
    """
    assert file.checksum
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
    package: SourceFile,
    part: range,
    file: SourceFile,
    open_range: OpenRange,
    context: DownloadContext,
) -> Iterator[Path]:
    """Download the bytes of a package at the positions of ``part``, which contain a file, for the
    time of a ``with``.

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

    assert package.checksum
    path = package_path(package, context)
    target = path.with_name(f"{path.name}.{part.start}-{part.stop}")
    wanted = SourceFile(package.name, len(part))
    candidate = Candidate(package.name, CandidateKind.SOURCE, open_rest)
    reporting = context.for_package(file, package.size or 0)
    with download_part(wanted, target, reporting, candidate, package=package.checksum) as received:
        yield received


def refuse_whole_file(stream: ByteStream, start: int) -> None:
    """Raise a NoRangesError if a server sends a whole file, and not its bytes from ``start`` on."""
    if stream.start != start or stream.stop is None:
        raise NoRangesError("its server sends only whole files")


@contextmanager
def open_zip_part(
    package: SourceFile,
    member: str,
    file: SourceFile,
    open_range: OpenRange,
    context: DownloadContext,
) -> Iterator[ByteStream]:
    """Read one member of a zip file over ranges, in one request if its directory is known.

    Raises:
        ArchiveError: it has no such member, or cannot be read.
        DownloadError: see ``open_part``.
    """
    size = package.size or 0
    with translate_archive_errors(package.name):
        key = ("the end of a zip file", package.checksum)
        end, content = context.pool.once(key, lambda: _read_end(open_range, size, context))
    path = context.temp_dir() / package.name
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent)
    # The bytes between the parts are holes, which take no space on most disks.
    sparse = Path(name)
    try:
        with writing(path), open(handle, "wb") as written:
            written.truncate(size)
            written.seek(end)
            written.write(content)
        with translate_archive_errors(package.name), zipfile.ZipFile(sparse) as archive:
            starts = {each.header_offset for each in archive.infolist()}
            try:
                start = archive.getinfo(member).header_offset
            except KeyError as error:
                raise ArchiveError(f"has no member {member}") from error
        # The next member, or the directory, follows.
        part = range(start, min((each for each in starts if each > start), default=end))
        with open_part(package, part, file, open_range, context) as received:
            with (
                writing(path),
                open_regular(received) as compressed,
                open(sparse, "r+b") as written,
            ):
                written.seek(part.start)
                shutil.copyfileobj(compressed, written)
            with open_member(sparse, "zip", package.name, member, file=file) as stream:
                yield stream
    finally:
        discard(sparse)


def _read_end(open_range: OpenRange, size: int, context: DownloadContext) -> tuple[int, bytes]:
    """The central directory and what follows it, and its position, in one request if it has at most
    96 KiB, else in two.
    """
    start = max(0, size - _TAIL)
    content = _read(open_range, start, size, context)
    record = content.rindex(_END)
    (directory,) = struct.unpack_from("<I", content, record + 16)
    if size - directory > MAX_DIRECTORY:
        raise ArchiveError("its directory is too large")
    if directory < start:
        content = _read(open_range, directory, start, context) + content
        start = directory
    return start, content


def _read(open_range: OpenRange, start: int, stop: int, context: DownloadContext) -> bytes:
    with open_range(ResumeState(start), stop) as stream:
        refuse_whole_file(stream, start)
        limit_s = context.options.timeout_s
        return join_pieces(stream.pieces, stop - start, limit_s, "the directory")


@contextmanager
def open_npm_part(
    package: SourceFile,
    point: AccessPoint,
    file: SourceFile,
    open_range: OpenRange,
    context: DownloadContext,
) -> Iterator[ByteStream]:
    """Read a member of a tarball from an access point, in one request.

    Raises:
        ArchiveError: decompression cannot start there; reading the pieces can raise it too.
        DownloadError: see ``open_part``.
    """
    with open_part(package, point.part, file, open_range, context) as path:
        yield ByteStream(_inflate(path, package.name, point, file.size or 0))


def _inflate(path: Path, label: str, point: AccessPoint, size: int) -> Iterator[bytes]:
    skip = point.skip
    with translate_archive_errors(label), open_regular(path) as compressed:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=point.window)
        while size and (block := compressed.read(_PIECE)):
            contents = inflater.decompress(block)
            piece = contents[skip : skip + size]
            skip = max(0, skip - len(contents))
            size -= len(piece)
            yield piece
    if size:
        raise ArchiveError(f"the part ends {size} bytes too early")


@contextmanager
def open_member(
    archive: Path, format: str, label: str, name: str, file: SourceFile, *, hint: str = ""
) -> Iterator[ByteStream]:
    """Read one member of an archive as a published file; errors call the archive by its label, and
    give the ``hint`` if there is no such member.

    Raises:
        ArchiveError: the member is missing, or the archive cannot be read or is not safe; reading
            the pieces can raise it too.
        SizeError: the member's size is not the file's.
    """
    with closing(open_members(archive, format, label, only=name)) as members:
        with translate_archive_errors(label):
            opened = next(members, None)
        if opened is None:
            raise ArchiveError(f"{label} has no member {name}", hint=hint)
        _, size, stream = opened
        if file.size not in (None, size):
            raise SizeError(f"{name} has {size} bytes, {file.size} are declared")
        yield ByteStream(read_pieces(label, stream))
