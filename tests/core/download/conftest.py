"""Small disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.small_disk import small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        yield disk


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
