"""Points in npm tarballs at which decompression can start, from a registry's access_points.json.

    {"sha512:<digest of a tarball>": {
        "windows": {"<start>": "<base64 of 32 KiB of contents, compressed by zlib>"},
        "members": {"package/net.bin": {"start": 104846826, "stop": 109236000, "skip": 39928}}}}

A tarball is one stream of deflate (RFC 1951), in blocks. At a block that starts with a whole byte,
zlib can start if it is given the 32 KiB of contents before. ``tools/access_points.py`` writes the
file.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from posezoo.download.archive import translate_archive_errors
from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.package_parts import OpenRange, open_part
from posezoo.errors import ArchiveError
from posezoo.files.foreign_json import parse_json
from posezoo.spec.model import SourceFile
from posezoo.spec.sources import NpmPackageSource

NAME = "access_points.json"

# Deflate makes at most 1032 bytes of one.
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """How to read a member of a tarball without what is before it."""

    part: range  # positions of compressed bytes in the tarball, from a block to the member's end
    skip: int  # bytes of contents between the start of the block and the member
    window: str  # the contents before the block, in base64


def find_access_point(source: NpmPackageSource, registry: Path | None) -> AccessPoint | None:
    """The point for a member, if the file of the registry has one.

    A file that cannot be read counts as none: it only saves bytes.
    """
    if source.integrity is None or registry is None:
        return None
    try:
        path = registry / NAME
        tarballs = _read(path, path.stat().st_mtime_ns)
        tarball = tarballs[f"{source.integrity.algorithm}:{source.integrity.value}"]
        member = tarball["members"][source.member]
        start, stop, skip = (int(member[key]) for key in ("start", "stop", "skip"))
        window = str(tarball["windows"][str(start)])
    except (OSError, LookupError, TypeError, ValueError):
        return None
    return AccessPoint(range(start, stop), skip, window)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Mapping[str, Any]:
    return parse_json(path.read_bytes())


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
