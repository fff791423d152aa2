"""A package on a server, and the files of a model that are in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from fakes.files import declared, model
from fakes.npm import TARBALL, integrity, serve_registry
from fakes.npm import member as npm_member
from fakes.server import Server
from fakes.wheels import member_of, serve_index
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.sources import PythonPackageSource
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.transfer import ACCESS_POINTS
from posezoo.core.events import Event, WarningIssued
from posezoo.core.layout import ModelLayout

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Package:
    """A package of 1.9 MB on a server, and the two files of a model that are in it."""

    server: Server
    folder: Path
    path: str  # on the server
    content: bytes
    files: tuple[SourceFile, ...]

    def __post_init__(self) -> None:
        self.events: list[Event] = []

    @property
    def spec(self) -> ModelSpec:
        return model(*self.files, path=self.folder / "models" / "public" / "pose" / "model.yml")

    @property
    def asked_ranges(self) -> list[str | None]:
        paths = [each for each in self.server.requests if each.path == f"/{self.path}"]
        return [each.headers["Range"] for each in paths]

    @property
    def sent_bytes(self) -> int:
        """At most so many bytes were asked for."""
        total = 0
        for asked in self.asked_ranges:
            first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
            total += int(last or len(self.content) - 1) + 1 - int(first)
        return total

    @property
    def warnings(self) -> str:
        return "\n".join(each.message for each in self.events if isinstance(each, WarningIssued))

    def told(self, kind: type[Event]) -> list[Event]:
        return [each for each in self.events if isinstance(each, kind)]

    def serve(self, **faults: object) -> None:
        self.server.serve(self.path, self.content, **{"ranges": True, **faults})

    def start(self, cache: Path) -> subprocess.Popen[bytes]:
        """Another process that downloads net.bin to another folder."""
        self.write_model(self.files[0])
        command = [
            sys.executable,
            ROOT / "tools" / "downloader" / "downloader.py",
            "--name",
            "pose",
        ]
        command += ["--models_dir", self.folder / "models", "-o", self.folder / "other"]
        return subprocess.Popen([*command, "--cache_dir", cache], stdout=subprocess.DEVNULL)

    def write_model(self, *files: SourceFile, **changes: object) -> Path:
        """A registry with a model of these files, by default all; returns its folder."""
        declarations = [self._declare(file) for file in files or self.files]
        write_model(self.folder / "models", "pose", model_yml(files=declarations, **changes))
        return self.folder / "models"

    def _declare(self, file: SourceFile) -> dict[str, object]:
        (source,) = file.sources
        described = {"package": source.package, "version": source.version, "member": source.member}
        if isinstance(source, PythonPackageSource):
            described |= {"$type": "python_package", "wheel": asdict(source.wheel)}
        else:
            described |= {"$type": "npm_package", "integrity": integrity(self.content)}
        return {
            "name": file.name,
            "size": file.size,
            "checksum": file.checksum.value,
            "source": described,
        }

    def download(self, *names: str, folder: str = "out", **more: object) -> list[bytes]:
        """The contents of the model's files, or of those that are named."""
        files = [file for file in self.files if not names or file.name in names]
        options = DownloadOptions(**{"cache_dir": None, "sleep": lambda _: None, **more})  # type: ignore[arg-type]
        downloaded = download_model(
            replace(self.spec, files=tuple(files)),
            ModelLayout(self.folder / folder, self.folder / folder),
            options,
            listener=self.events.append,
        )
        return [path.read_bytes() for path in downloaded]


def serve_wheel(
    server: Server,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    bodies: Mapping[str, bytes],
) -> Package:
    """A wheel on pip's index, and a file for each of these members."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", serve_index(server, path, ranges=True))
    files = tuple(declared(name, body, member_of(path, name)) for name, body in bodies.items())
    return Package(server, folder, f"files/{path.name}", path.read_bytes(), files)


def serve_tarball(
    server: Server,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    points: Mapping[str, object],
    bodies: Mapping[str, bytes],
) -> Package:
    """A tarball on npm's registry, with its access points, and a file for each of these members."""
    monkeypatch.setenv("npm_config_registry", serve_registry(server, content))
    (folder / "models").mkdir()
    (folder / "models" / ACCESS_POINTS).write_text(json.dumps(points))
    files = []
    for name, body in bodies.items():
        source = replace(npm_member(name, content), tarball_size=len(content))
        files.append(declared(name, body, source))
    return Package(server, folder, TARBALL, content, tuple(files))
