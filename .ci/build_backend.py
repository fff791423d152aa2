"""The build backend of posezoo: setuptools, whose sdist here has the same bytes for the same
commit. Sdist and wheel state the commit in src/posezoo/commit.txt.

`python -m build` and pip call it; an sdist contains it, too. ``SOURCE_DATE_EPOCH`` sets another
time.
"""

from __future__ import annotations

import gzip
import io
import os
import runpy
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

ROOT = Path(__file__).resolve().parents[1]
#: 1980-01-01, the first time that a wheel can have: where git tells no time.
_EARLIEST = 315532800


def build_sdist(sdist_directory: str, config_settings: Mapping[str, str] | None = None) -> str:
    """Build the sdist, and return its file name."""
    with stating_commit():
        name: str = build_meta.build_sdist(sdist_directory, config_settings)
    path = Path(sdist_directory, name)
    path.write_bytes(pack_again(path.read_bytes(), read_time()))
    return name


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, str] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel, whose files have the time of the commit and usual modes, and return its file
    name.
    """
    os.environ["SOURCE_DATE_EPOCH"] = str(read_time())
    os.umask(0o022)  # the wheel has the files' permissions
    # setuptools would pack files that an earlier build left here.
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    with stating_commit():
        name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


@contextmanager
def stating_commit() -> Iterator[None]:
    """While it builds from a checkout: the commit in a file, which an unpacked sdist has."""
    commit = read_commit()
    if not commit:
        yield
        return
    path = ROOT / "src" / "posezoo" / "commit.txt"
    path.write_text(f"{commit}\n", "ascii")
    try:
        yield
    finally:
        path.unlink()


def read_commit() -> str:
    """The commit of a checkout, read without git as a checkout does that runs; else empty."""
    versions = runpy.run_path(str(ROOT / "src" / "posezoo" / "core" / "versions.py"))
    commit: str = versions["_checked_out_commit"](ROOT / ".git")
    return commit


def read_time() -> int:
    """The time of the commit, which an unpacked sdist has in PKG-INFO, in seconds since 1970."""
    if named := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(named)
    if (ROOT / ".git").exists():
        # There may be no git, and it refuses the folder of another user.
        with suppress(OSError, subprocess.CalledProcessError):
            command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
            return int(subprocess.check_output(command, stderr=subprocess.DEVNULL))
    info = ROOT / "PKG-INFO"
    return int(info.stat().st_mtime) if info.exists() else _EARLIEST


def pack_again(sdist: bytes, time: int) -> bytes:
    """The sdist without what setuptools says of its making: the time, the user and the umask."""
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(sdist)) as old,
        tarfile.open(fileobj=packed, mode="w") as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            if content := old.extractfile(member):
                entry = tarfile.TarInfo(member.name)
                entry.size, entry.mtime = member.size, time
                entry.mode = 0o755 if member.mode & 0o100 else 0o644
                new.addfile(entry, content)
    return gzip.compress(packed.getvalue(), mtime=time)
