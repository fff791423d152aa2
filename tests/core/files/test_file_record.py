"""One record a file: no process loses what another one writes."""

import signal
import subprocess
import sys
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.files.file_record import (
    FileRecord,
    read_record,
    record_path,
    update_json,
    update_record,
)

WRITE = """
import sys
from pathlib import Path
from posezoo.core.files.file_record import update_record
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    update_record(Path(sys.argv[1]), **{sys.argv[2]: {"number": number}})
"""


def start_writer(path, section, times):
    command = [sys.executable, "-c", WRITE, str(path), section, str(times)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    return writer


def begin(writer):
    assert writer.stdin is not None
    writer.stdin.write(b"\n")
    writer.stdin.flush()


@pytest.fixture
def path(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"weights")
    return tmp_path / "net.pth"


def left(path):
    return sorted(entry.name for entry in (path.parent / ".posezoo").iterdir())


def test_a_section_is_replaced_and_the_others_stay(path):
    update_record(path, verified={"sha384": "ab"}, partial={"etag": "1"})
    update_record(path, partial={"etag": "2"}, origin={"url": "x"})
    assert read_record(path) == FileRecord({"sha384": "ab"}, {"etag": "2"}, {"url": "x"})
    assert left(path) == ["net.pth.json"]


def test_a_section_of_an_earlier_version_changes_no_other(path):
    update_record(path, verified={"sha384": "ab"}, stored={"version": "1"})
    assert read_record(path) == FileRecord({"sha384": "ab"})
    update_record(path, partial={"etag": "1"})
    assert read_record(path) == FileRecord({"sha384": "ab"}, {"etag": "1"})


def test_a_record_without_a_section_is_removed(path):
    update_record(path, partial={"etag": "1"})
    update_record(path, partial={})
    assert left(path) == []
    assert read_record(path) == FileRecord()


def written(path):
    """What each write of the record changes; reading it may change the time of the last access."""
    status = record_path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def test_nothing_is_written_if_nothing_changes(path):
    update_record(path, partial={})
    assert not (path.parent / ".posezoo").exists()
    update_record(path, origin={"url": "x"})
    before = written(path)
    update_record(path, origin={"url": "x"})
    assert written(path) == before


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_record(path):
    (path.parent / ".posezoo").write_bytes(b"in the way")
    update_record(path, origin={"url": "x"})
    assert read_record(path) == FileRecord()


def test_two_processes_lose_nothing_of_each_other(path):
    writers = [start_writer(path, section, 200) for section in ("verified", "origin")]
    for writer in writers:
        begin(writer)
    assert [writer.wait(HANG_S) for writer in writers] == [0, 0]
    assert read_record(path) == FileRecord(verified={"number": 199}, origin={"number": 199})
    assert left(path) == ["net.pth.json"]


def test_the_next_run_removes_what_a_killed_writer_left_although_the_record_is_right(path):
    update_record(path, origin={"url": "x"})
    (path.parent / ".posezoo" / ".net.pth.json.part").write_bytes(b"{")
    update_record(path, origin={"url": "x"})
    assert left(path) == ["net.pth.json"]


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_record_and_no_lock(path):
    update_record(path, outputs={"files": {}})
    for moment in range(10):
        writer = start_writer(path, "verified", 1_000_000)
        begin(writer)
        time.sleep(0.002 * moment)
        writer.send_signal(signal.SIGKILL)
        writer.wait(HANG_S)
        assert read_record(path).outputs == {"files": {}}
        assert set(left(path)) <= {"net.pth.json", ".net.pth.json.part"}
        update_record(path, origin={"moment": moment})
        assert left(path) == ["net.pth.json"]
        assert read_record(path).origin == {"moment": moment}


def test_without_locks_a_record_is_written_all_the_same(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    update_record(path, verified={"sha384": "ab"})
    assert read_record(path).verified == {"sha384": "ab"}
    update_record(path, verified={})
    assert left(path) == []


def test_a_folder_in_its_place_is_an_error(tmp_path):
    (tmp_path / "provenance.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        update_json(tmp_path / "provenance.json", lambda stored: {**stored, "model": "net"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["provenance.json"]


def test_a_link_at_the_place_of_the_new_file_leads_nowhere(path):
    (path.parent / ".posezoo").mkdir()
    (path.parent / ".posezoo" / ".net.pth.json.part").symlink_to(path)
    update_record(path, origin={"url": "x"})
    assert path.read_bytes() == b"weights"
    assert read_record(path).origin == {"url": "x"}


@pytest.mark.parametrize(
    "record",
    [b"", b"{", b"[]", b"\xff", b'{"verified": 1}', b'{"verified": {"sha384": 1}}', b"[" * 100_000],
)
def test_a_damaged_record_names_no_digest(path, record):
    record_path(path).parent.mkdir()
    record_path(path).write_bytes(record)
    assert read_record(path).known_digests == {}
    update_record(path, verified={"sha384": "ab" * 48})
    assert read_record(path).known_digests == {"sha384": "ab" * 48}


def test_two_users_of_a_file_write_the_same_record(path, tmp_path, monkeypatch):
    update_record(path, verified={"sha384": "ab" * 48})
    before = record_path(path).stat()
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other" / "cache"))
    update_record(path, verified={"sha384": "ab" * 48})
    assert record_path(path).stat() == before
