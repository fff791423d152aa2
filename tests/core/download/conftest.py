"""A misbehaving server, and one file fetched as ``download`` fetches it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.server import Server
from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.events import Event, WarningIssued


class Fetch:
    """``fetch(file)`` brings one file to ``fetch.folder`` and keeps what was told and how long was slept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.naps: list[float] = []

    def __call__(
        self,
        file: SourceFile,
        *,
        cache: Path | None = None,
        mirrors: tuple[str, ...] = (),
        attempts: int = 5,
        timeout_s: float = 5.0,
        **more: Any,
    ) -> Path:
        download_options = DownloadOptions(
            cache, mirrors, attempts, timeout_s, sleep=self.naps.append, **more
        )
        target = self.folder / file.name
        with DownloadContext("pose", download_options, self.events.append) as errand:
            errand.base = self.folder
            download_file(file, target, errand)
        return target

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def warnings(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, WarningIssued))

    def left(self) -> list[str]:
        """What lies in the folder, but for our stamps."""
        if not self.folder.exists():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.name != ".posezoo")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path / "files")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A disk whose files can share their bytes."""
    where, image = tmp_path / "btrfs", tmp_path / "image"
    where.mkdir()
    with open(image, "wb") as stream:
        stream.truncate(120 << 20)
    made = shutil.which("mkfs.btrfs") and os.geteuid() == 0
    for command in (
        ["mkfs.btrfs", "-q", str(image)],
        ["mount", "-o", "loop", str(image), str(where)],
    ):
        made = made and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not made:
        pytest.skip("cannot mount a btrfs here")
    yield where
    subprocess.run(["umount", str(where)], check=True)
