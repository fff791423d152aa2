"""Read one member of a zip file from its central directory and the member's own bytes.

The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3)
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posezoo.download.archive import open_member, translate_archive_errors
from posezoo.download.candidates import ByteStream, ResumeState
from posezoo.download.context import DownloadContext
from posezoo.download.package_parts import OpenRange, open_part, refuse_whole_file
from posezoo.download.small_answers import join_pieces
from posezoo.errors import ArchiveError
from posezoo.files.verified_files import writing
from posezoo.spec.model import SourceFile
from posezoo.values import frozen

# The directory of a wheel with 760 members has 75 kB.
_TAIL = 96 << 10

# A zip file with 100,000 members has a directory of about 10 MB.
_MAX_DIRECTORY = 16 << 20

_END = b"PK\5\6"


@frozen
class ZipEnd:
    """The end of a zip file, from its central directory on."""

    start: int  # the position of its first byte in the file
    content: bytes


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
        key = (ZipEnd, package.checksum)
        end = context.pool.once(key, lambda: _read_end(open_range, size, context))
    path = context.temp_dir() / package.name
    with writing(path):
        # The bytes between the parts are holes, which take no space on most disks.
        sparse = tempfile.NamedTemporaryFile(dir=path.parent)  # noqa: SIM115 closed below
    with sparse:
        with writing(path):
            sparse.truncate(size)
            sparse.seek(end.start)
            sparse.write(end.content)
            sparse.flush()
        with translate_archive_errors(package.name):
            part = _find_part(Path(sparse.name), member, end.start)
        with open_part(package, part, open_range, context) as received:
            with writing(path), open(received, "rb") as compressed:
                sparse.seek(part.start)
                shutil.copyfileobj(compressed, sparse)
                sparse.flush()
            with open_member(Path(sparse.name), "zip", package.name, member, file) as stream:
                yield stream


def _read_end(open_range: OpenRange, size: int, context: DownloadContext) -> ZipEnd:
    """The central directory, in one request if it has at most 96 KiB, else in two."""
    start = max(0, size - _TAIL)
    content = _read(open_range, start, size, context)
    record = content.rindex(_END)
    (directory,) = struct.unpack_from("<I", content, record + 16)
    if size - directory > _MAX_DIRECTORY:
        raise ArchiveError("its directory is too large")
    if directory < start:
        content = _read(open_range, directory, start, context) + content
        start = directory
    return ZipEnd(start, content)


def _read(open_range: OpenRange, start: int, stop: int, context: DownloadContext) -> bytes:
    with open_range(ResumeState(start), stop) as stream:
        refuse_whole_file(stream, start)
        limit_s = context.options.timeout_s
        return join_pieces(stream.pieces, stop - start, limit_s, "the directory")


def _find_part(path: Path, member: str, end: int) -> range:
    """The positions of a member with its header; the next member, or the directory, follows."""
    with zipfile.ZipFile(path) as archive:
        starts = {each.header_offset for each in archive.infolist()}
        try:
            start = archive.getinfo(member).header_offset
        except KeyError as error:
            raise ArchiveError(f"has no member {member}") from error
    return range(start, min((each for each in starts if each > start), default=end))
