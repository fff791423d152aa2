"""Wheels made on the spot, in a folder that pip can find links in or as a simple index."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from fakes.server import Server
from posezoo.core.declarations.sources import PythonPackageSource, Wheel

NAME = "skeletons-1.5-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def make_wheel(
    folder: Path,
    members: Mapping[str | zipfile.ZipInfo, bytes],
    name: str = NAME,
    *,
    metadata: str = "",
) -> Path:
    """A wheel of these members, with the metadata that pip looks at."""
    distribution, version = name.split("-")[:2]
    info = f"{distribution}-{version}.dist-info"
    tags = "".join(
        f"Tag: cp311-cp311-{platform}\n" for platform in name[:-4].split("-")[-1].split(".")
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{metadata}",
        )
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{tags}")
        archive.writestr(f"{info}/RECORD", "")
    return path


def member_of(path: Path, member: str, *, package: str = "") -> PythonPackageSource:
    """A wheel's member as a model.yml names it."""
    content = path.read_bytes()
    distribution, version = path.name.split("-")[:2]
    wheel = Wheel(path.name, len(content), hashlib.sha256(content).hexdigest())
    return PythonPackageSource(package or distribution, version, wheel, member)


def serve_index(server: Server, path: Path, **faults: object) -> str:
    """A simple index (PEP 503) of one wheel; returns the address for PIP_INDEX_URL. The file of the
    wheel has the faults.
    """
    content = path.read_bytes()
    link = server.serve(f"files/{path.name}", content, **faults)
    digest = hashlib.sha256(content).hexdigest()
    page = (
        f'<!DOCTYPE html><html><body><a href="{link}#sha256={digest}">{path.name}</a></body></html>'
    )
    package = path.name.split("-")[0].replace("_", "-")
    server.serve(f"simple/{package}/", page.encode(), headers={"Content-Type": "text/html"})
    return server.url("simple")
