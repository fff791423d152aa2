"""Files are known by their digest, and written whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from posezoo.core.declarations.model import Digest
from posezoo.core.errors import OutputError
from posezoo.core.files import file_record, verified_files
from posezoo.core.files.file_record import FileRecord, fingerprint, read_record, record_path
from posezoo.core.files.user_key import user_key
from posezoo.core.files.verified_files import (
    compute_digest,
    compute_digests,
    is_verified,
    remember_written,
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


def test_several_digests_take_one_pass():
    reader, writer = os.pipe()  # its bytes can be read only once
    os.write(writer, b"weights")
    os.close(writer)
    try:
        digests = compute_digests(Path(f"/dev/fd/{reader}"), ("sha256", "sha384"))
    finally:
        os.close(reader)
    assert [digest.value for digest in digests] == [
        hashlib.sha256(b"weights").hexdigest(),
        hashlib.sha384(b"weights").hexdigest(),
    ]


def test_a_good_file_is_hashed_once_while_it_does_not_change(file):
    assert is_good(file)
    file.write_bytes(bytes(len(CONTENT)))
    remember_written(
        file, GOOD, written=fingerprint(file)
    )  # the record is wrong: that nobody notices shows that nobody read
    assert is_good(file)
    assert not is_verified(file, len(CONTENT), GOOD, trust_record=False)


def test_a_file_that_changed_after_its_record_is_hashed_again(file):
    assert is_good(file)
    before = file.stat()
    file.write_bytes(bytes(len(CONTENT)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` and archives do
    assert not is_good(file)


def test_a_file_that_changes_while_it_is_hashed_is_not_recorded_as_good(tmp_path, monkeypatch):
    path = tmp_path / "net.bin"
    good = bytes(9 << 20)  # read in three pieces
    path.write_bytes(good)

    class Meddler(verified_files.Hasher):
        """After each piece, somebody changes a byte that was read already."""

        def update(self, piece):
            super().update(piece)
            with open(path, "r+b") as stream:
                stream.write(b"X")

    monkeypatch.setattr(verified_files, "Hasher", Meddler)
    digest = Digest("sha384", hashlib.sha384(good).hexdigest())
    assert not is_verified(path, len(good), digest)
    monkeypatch.undo()
    assert not read_record(path).verified
    assert not is_verified(path, len(good), digest)


def test_bytes_that_change_after_they_were_hashed_are_not_recorded_as_good(file, monkeypatch):
    flush = verified_files.sync

    def change_then_flush(each):
        file.write_bytes(CONTENT[::-1])
        flush(each)

    monkeypatch.setattr(verified_files, "sync", change_then_flush)
    is_good(file)
    assert not is_good(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFOs")
@pytest.mark.parametrize("kind", ["fifo", "zeros", "large"])
def test_a_record_that_is_no_small_file_counts_as_missing(file, kind):
    record = record_path(file)
    record.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(record)
    elif kind == "zeros":
        record.symlink_to("/dev/zero")
    else:
        record.write_bytes(b'{"a": "' + bytes(2 << 20) + b'"}')
    assert read_record(file) == FileRecord()
    assert is_good(file)


def test_the_record_of_another_user_is_not_believed(file, tmp_path, monkeypatch):
    file.write_bytes(bytes(len(CONTENT)))
    remember_written(file, GOOD, written=fingerprint(file))
    assert is_good(file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of another user"))
    assert read_record(file).known_digests
    assert not is_good(file)


@pytest.mark.parametrize("code", [None, "", 7, [], "\udc80", "0" * 64])
@pytest.mark.parametrize("changed", ["code", "size", "sha384"])
def test_a_record_that_anybody_changed_is_not_believed(file, code, changed):
    file.write_bytes(bytes(len(CONTENT)))
    remember_written(file, GOOD, written=fingerprint(file))
    stored = json.loads(record_path(file).read_bytes())
    if changed == "code":
        stored["code"] = code
    else:
        stored["verified"][changed] = code
    record_path(file).write_text(json.dumps(stored))
    assert not is_good(file)


def test_a_copied_file_is_hashed_again_though_its_record_came_along(file, tmp_path):
    file.write_bytes(bytes(len(CONTENT)))
    remember_written(file, GOOD, written=fingerprint(file))
    copied = shutil.copytree(file.parent, tmp_path / "copied") / file.name
    assert read_record(copied).verified
    assert not is_verified(copied, len(CONTENT), GOOD)


def test_windows_does_not_tell_whether_a_file_changed_so_it_is_hashed(file, monkeypatch):
    assert is_good(file)
    file.write_bytes(bytes(len(CONTENT)))
    remember_written(file, GOOD, written=fingerprint(file))
    monkeypatch.setattr(file_record, "IS_WINDOWS", True)
    assert not is_good(file)


def test_a_record_of_one_digest_says_nothing_of_another(file):
    assert is_good(file)
    assert not is_verified(file, len(CONTENT), Digest("sha384", "0" * 96))
    assert is_verified(file, len(CONTENT), Digest("sha256", hashlib.sha256(CONTENT).hexdigest()))


def test_all_digests_of_a_file_are_checked(file):
    sha256 = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
    assert is_good(file)
    assert not is_verified(file, len(CONTENT), GOOD, Digest("sha256", "0" * 64))
    assert is_verified(file, len(CONTENT), GOOD, sha256)
    assert read_record(file).describes(file.stat(), [GOOD, sha256])


@pytest.mark.parametrize(
    "record",
    [b"", b"{", b"[]", b"\xff", b'{"verified": 1}', b'{"verified": {"sha384": 1}}', b"[" * 100_000],
)
def test_a_damaged_record_costs_a_hash_not_a_crash(file, record):
    is_good(file)
    record_path(file).write_bytes(record)
    assert is_good(file)


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


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is of"
)
def test_bytes_reach_the_disk_before_the_record_that_they_are_good(file, steps):
    # Else a file of the right size and zeros, as a power failure may leave it, would count as verified.
    user_key()
    steps.clear()
    assert is_good(file)
    assert steps == [
        ("flushed", file.name),
        ("renamed", f".{file.name}.json.part", f"{file.name}.json"),
    ]


def test_a_disk_that_fails_at_the_last_moment_leaves_the_old_file(file, monkeypatch):
    def fail(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"net\.bin: cannot be written: Input/output error"):
        write_atomically(file, b"new")
    assert file.read_bytes() == CONTENT
    assert [path.name for path in file.parent.iterdir()] == ["net.bin"]


def test_a_file_system_that_knows_no_flush_is_no_obstacle(file, monkeypatch):
    def refuse(handle):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


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
