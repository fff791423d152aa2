"""Files are known by their digest, and written whole or not at all."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from posezoo.core.declarations.model import Digest
from posezoo.core.errors import OutputError
from posezoo.core.files.verified_files import (
    compute_digest,
    is_verified,
    write_atomically,
)

CONTENT = b"weights" * 1000
GOOD = Digest("sha384", hashlib.sha384(CONTENT).hexdigest())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.bin"
    path.write_bytes(CONTENT)
    return path


def is_good(file):
    return is_verified(file, len(CONTENT), GOOD)


def test_a_file_is_known_by_its_digest(file):
    assert compute_digest(file) == GOOD
    assert is_good(file)
    assert not is_verified(file, len(CONTENT) + 1, GOOD)
    assert not is_verified(file.with_name("missing"), 0, GOOD)
    assert not is_verified(file.parent, 0, GOOD)


def test_all_digests_of_a_file_are_checked(file):
    sha256 = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
    assert is_good(file)
    assert not is_verified(file, len(CONTENT), GOOD, Digest("sha256", "0" * 64))
    assert is_verified(file, len(CONTENT), GOOD, sha256)


def test_a_whole_file_replaces_the_old_one_with_the_users_mode(file):
    mask = os.umask(0o027)
    try:
        write_atomically(file, b"new")
    finally:
        os.umask(mask)
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["net.bin"]


@pytest.fixture
def steps(monkeypatch):
    """What reaches the disk, and what gets its name, in this order."""
    seen = []
    flush, rename = os.fsync, os.replace

    def fsync(handle):
        seen.append(("flushed", Path(f"/proc/self/fd/{handle}").readlink().name))
        flush(handle)

    def replace(old, new):
        seen.append(("renamed", Path(old).name, Path(new).name))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return seen


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is of"
)
def test_bytes_reach_the_disk_before_their_name_and_then_the_name(tmp_path, steps):
    write_atomically(tmp_path / "new", b"new")
    (flushed, part), (renamed, old, new), folder = steps
    assert (flushed, renamed, old, new) == ("flushed", "renamed", part, "new")
    assert folder == ("flushed", tmp_path.name)


def test_a_disk_that_fails_at_the_last_moment_leaves_the_old_file(file, monkeypatch):
    def fail(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"net\.bin: cannot be written: Input/output error"):
        write_atomically(file, b"new")
    assert file.read_bytes() == CONTENT
    assert [path.name for path in file.parent.iterdir()] == ["net.bin"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's devices")
def test_what_is_open_already_is_written_into():
    read, write = os.pipe()
    write_atomically(Path(f"/dev/fd/{write}"), b"text")
    assert os.read(read, 99) == b"text"
    with open("/dev/full", "wb") as full:
        name = f"/dev/fd/{full.fileno()}"
        with pytest.raises(OutputError, match=f"^{name}: cannot be written: No space left"):
            write_atomically(Path(name), CONTENT)
    os.close(read)
    os.close(write)


def test_what_cannot_be_written_leaves_the_old_file_and_no_orphan(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "inside").write_bytes(b"old")
    with pytest.raises(OutputError, match="target: cannot be written"):
        write_atomically(tmp_path / "target", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_file_is_read_whatever_its_times_and_its_record_say(file):
    assert is_good(file)
    before = file.stat()
    file.write_bytes(bytes(len(CONTENT)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` and archives do
    assert not is_good(file)
