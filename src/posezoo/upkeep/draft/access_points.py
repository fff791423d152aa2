"""Find where decompression of an npm tarball can start for a member that a model uses.

indexed_gzip (https://github.com/pauldmccarthy/indexed_gzip) finds these points.
"""

from __future__ import annotations

import base64
import json
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

from posezoo.core.declarations.sources import NpmPackageSource
from posezoo.core.download.archive import translate_archive_errors
from posezoo.core.download.transfer import ACCESS_POINTS, WINDOW_BYTES
from posezoo.core.files.verified_files import write_atomically
from posezoo.core.regular_files import read_regular_bytes

#: Contents between two points, which indexed_gzip allows from 32 KiB on. Each finds others.
_SPACINGS = range(33_500, 80_000, 7_750)


def write_access_point(source: NpmPackageSource, tarball: Path, registry: Path) -> None:
    """Add the point for a member of a tarball, if there is one, to the file of a registry; needs
    indexed_gzip, which its user installs.

    Raises:
        ArchiveError: the tarball or the file of the registry cannot be read.
        OutputError: the file cannot be written.
    """
    import indexed_gzip

    assert source.integrity
    key = f"{source.integrity.algorithm}:{source.integrity.value}"
    path = registry / ACCESS_POINTS
    with (
        translate_archive_errors(f"{path}, {tarball.name}"),
        indexed_gzip.IndexedGzipFile(tarball) as contents,
    ):
        points = json.loads(read_regular_bytes(path)) if path.exists() else {}
        described = points.setdefault(key, {"members": {}, "windows": {}})
        archive = tarfile.open(fileobj=contents)  # noqa: SIM115 nothing to close
        member = next(member for member in archive if member.name == source.member)
        body = contents.pread(member.size, member.offset_data)
        compressed = memoryview(read_regular_bytes(tarball))
        points_of_contents = set()  # where blocks of deflate start there, and in the tarball
        for spacing in _SPACINGS:
            with indexed_gzip.IndexedGzipFile(tarball, spacing=spacing) as spaced:
                spaced.seek(member.offset_data)
                points_of_contents.update(spaced.seek_points())
        for contents_start, start in sorted(points_of_contents, reverse=True):
            if contents_start > member.offset_data:
                continue
            before = max(0, contents_start - WINDOW_BYTES)
            window = contents.pread(contents_start - before, before)
            skip = member.offset_data - contents_start
            size = _find_size(compressed[start:], window, skip, body)
            if size:
                point = {"start": start, "stop": start + size, "skip": skip}
                described["members"][member.name] = point
                packed = base64.b64encode(zlib.compress(window, 9))
                described["windows"][f"{start}"] = packed.decode()
                break
    write_atomically(path, (json.dumps(points, indent=1, sort_keys=True) + "\n").encode())


def _find_size(compressed: memoryview, window: bytes, skip: int, body: bytes) -> int:
    """How many bytes contain a member; 0 if decompression cannot start here, as where a block does
    not start with a whole byte.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=window)
    with suppress(zlib.error):
        contents = inflater.decompress(compressed, skip + len(body))
        if contents[skip:] == body:
            return len(compressed) - len(inflater.unconsumed_tail)
    return 0
