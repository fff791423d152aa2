"""How many bytes a download transfers: of a package only a part, if a part is enough.

This module imports little: lists of all models state what a download transfers.
"""

from __future__ import annotations

from collections.abc import Iterable

from posezoo.download.access_points import find_access_point
from posezoo.registry import registry_root
from posezoo.spec.model import ModelSpec, SourceFile
from posezoo.spec.sources import NpmPackageSource, PackageSource, PythonPackageSource

#: Of a package up to this size, the requests for a part take longer than all of it.
SMALL_PACKAGE_BYTES = 1 << 20


def transfer_bytes(files: Iterable[tuple[ModelSpec, SourceFile]]) -> int | None:
    """The bytes that the download of models' files transfers, each from its first source.

    Of a package, it is the part with the file (of a wheel counted as large as the unpacked file),
    or all of it, once for all its files. None if a publisher does not state a size.
    """
    sizes: dict[str, int | None] = {}
    for spec, file in files:
        source = file.sources[0] if file.sources else None
        size = file.size
        key = f"{spec.full_name}/{file.name}"
        if isinstance(source, PackageSource):
            size = _part_bytes(spec, file, source)
            if size is None:
                size = source.package_file.size
                key = f"{source.package}/{source.package_file.name}"
        sizes[key] = size
    total = 0
    for size in sizes.values():
        if size is None:
            return None
        total += size
    return total


def _part_bytes(spec: ModelSpec, file: SourceFile, source: PackageSource) -> int | None:
    """The size of the part of a package that contains a file; None if the whole package is
    needed.
    """
    package = source.package_file
    if not can_be_in_part(package, file):
        return None
    if isinstance(source, PythonPackageSource):
        return file.size
    if isinstance(source, NpmPackageSource):
        point = find_access_point(registry_root(spec), package.checksum, source.member)
        return len(point.part) if point is not None else None
    return None


def can_be_in_part(package: SourceFile, file: SourceFile) -> bool:
    """Whether a file may be read from a part of its package.

    Without a digest of its own, it could only be verified with the whole package.
    """
    is_small = package.size is not None and package.size <= SMALL_PACKAGE_BYTES
    return file.checksum is not None and package.checksum is not None and not is_small
