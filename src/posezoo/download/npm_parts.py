"""Read one member of an npm tarball from an access point.

A tarball is one stream of deflate (RFC 1951), in blocks. At a block that starts with a whole byte,
zlib can start if it is given the 32 KiB of contents before.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posezoo.download.archive import translate_archive_errors
from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.package_parts import OpenRange, open_part
from posezoo.download.transfer import AccessPoint
from posezoo.errors import ArchiveError
from posezoo.spec.model import SourceFile

# Deflate makes at most 1032 bytes of one.
_PIECE = 1 << 16


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
    with open_part(package, point.part, open_range, context) as path:
        yield ByteStream(_inflate(path, package.name, point, file.size or 0))


def _inflate(path: Path, label: str, point: AccessPoint, size: int) -> Iterator[bytes]:
    skip = point.skip
    with translate_archive_errors(label), open(path, "rb") as compressed:
        window = zlib.decompress(base64.b64decode(point.window))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=window)
        while size and (block := compressed.read(_PIECE)):
            contents = inflater.decompress(block)
            piece = contents[skip : skip + size]
            skip = max(0, skip - len(contents))
            size -= len(piece)
            yield piece
    if size:
        raise ArchiveError(f"the part ends {size} bytes too early")
