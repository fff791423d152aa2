import hashlib
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.command import assert_success
from fakes.files import WEIGHTS, declared, net_at, served
from fakes.running import start_child
from fakes.waiting import HANG_S, wait_until
from posezoo.core.declarations.model import Digest
from posezoo.core.declarations.sources import FileSource
from posezoo.core.errors import DigestError, DownloadError, OutputError, SourceError
from posezoo.core.events import (
    FileDownloadFinished,
    FileUpToDate,
)


def test_a_good_file_is_left_alone_without_a_request(server, fetch):
    file = served(server, status=[500] * 99)
    fetch.folder.mkdir()
    target = fetch.folder / "net.tflite"
    target.write_bytes(WEIGHTS)
    before = target.stat()
    fetch(file)
    assert fetch.events == [FileUpToDate("pose", "net.tflite")]
    assert server.requests == []
    assert (target.stat().st_mtime_ns, target.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_each_digest_that_is_declared_is_checked(server, fetch):
    file = served(server)
    right = Digest("sha256", hashlib.sha256(WEIGHTS).hexdigest())
    with pytest.raises(DigestError, match="SHA-256 0000"):
        fetch(replace(file, also=(right, Digest("sha256", "0" * 64))))
    assert not (fetch.folder / "net.tflite").exists()
    fetch(replace(file, also=(right, Digest("md5", hashlib.md5(WEIGHTS).hexdigest()))))
    assert (fetch.folder / "net.tflite").read_bytes() == WEIGHTS
    server.requests.clear()
    fetch(replace(file, also=(right,)))
    assert server.requests == []


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="reads a descriptor's file from /proc"
)
def test_bytes_are_synced_once_before_the_rename(server, fetch, monkeypatch):
    file = served(server)
    steps = []
    fsync, rename = os.fsync, os.replace

    def sync(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append("sync the folder" if path.is_dir() else "sync the bytes")
        fsync(handle)

    def replace(old, new):
        if Path(new).name == "net.tflite":
            steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    fetch(file)
    assert steps == ["sync the bytes", "rename", "sync the folder"]


def test_a_good_file_costs_no_import_of_requests(server, tmp_path):
    file = served(server)
    (tmp_path / "net.tflite").write_bytes(WEIGHTS)
    said, _ = start_child(file, tmp_path).communicate(timeout=HANG_S)
    assert said.splitlines()[-1] == "False"


def test_sources_are_asked_in_their_order(server, fetch):
    failed = server.serve("moved", WEIGHTS, status=[404])
    wrong = server.serve("changed", WEIGHTS, wrong_byte=0)
    good, spare = server.serve("good", WEIGHTS), server.serve("spare", WEIGHTS)
    fetch(net_at(failed, wrong, good, spare))
    assert [request.path for request in server.requests] == ["/moved", "/changed", "/good"]
    assert f"net.tflite: {failed}: HTTP 404 Not Found" in fetch.warnings
    assert f"net.tflite: {wrong}: the digest of the download is SHA-384" in fetch.warnings
    assert [event.successful for event in fetch.told(FileDownloadFinished)] == [False, False, True]


def test_when_all_fail_each_is_named_with_its_reason(server, fetch, tmp_path):
    moved = server.serve("moved", b"", status=[404])
    changed = server.serve("changed", WEIGHTS, wrong_byte=0)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with pytest.raises(DownloadError) as caught:
        file = net_at(moved, changed)
        fetch(file, cache=tmp_path / "cache", mirrors=(str(mirror),))
    problem = caught.value.problem
    assert problem.startswith(
        f"net.tflite: every source failed: {mirror}: does not have the file; {moved}: HTTP 404"
    )
    assert f"{changed}: the digest of the download is SHA-384" in problem
    assert "cache" not in problem
    assert "\n" not in problem


def test_a_file_without_sources_says_so(fetch):
    with pytest.raises(
        SourceError, match=r"net\.tflite: there is no source to download it from"
    ) as caught:
        fetch(net_at())
    assert "--mirror DIR" in caught.value.hint


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(server, fetch, tmp_path, mask, mode):
    file = served(server)
    before = os.umask(mask)
    try:
        target = fetch(file, cache=tmp_path / "cache")
    finally:
        os.umask(before)
    kept = next((tmp_path / "cache" / "1").glob("??/*"))
    assert target.stat().st_mode & 0o777 == mode
    assert kept.stat().st_mode & 0o777 == mode


def test_a_file_source_that_is_not_there_is_named(fetch, tmp_path):
    source = FileSource(tmp_path / "gone.bin")
    with pytest.raises(SourceError, match=r"gone\.bin: does not exist"):
        fetch(net_at(source))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_file_source_that_is_no_file_is_not_waited_for(fetch, tmp_path, make):
    make(tmp_path / "pipe")
    with pytest.raises(SourceError, match="pipe: is not a file"):
        fetch(net_at(FileSource(tmp_path / "pipe")))


def test_a_file_that_has_grown_is_refused(fetch, tmp_path):
    (tmp_path / "original.bin").write_bytes(WEIGHTS + b"!")
    with pytest.raises(DownloadError, match="more than the declared 4096 bytes"):
        fetch(net_at(FileSource(tmp_path / "original.bin")))


def test_a_second_attempt_starts_with_an_empty_part(server, fetch):
    longer = server.serve("longer", WEIGHTS + b"!", chunked=True)
    file = declared("net.tflite", WEIGHTS[:1000], longer, server.serve("right", WEIGHTS[:1000]))
    assert fetch(file).read_bytes() == WEIGHTS[:1000]


def test_bytes_that_are_written_but_not_counted_when_a_run_is_interrupted_are_kept(
    server, fetch, monkeypatch
):
    write = os.write

    def write_and_interrupt(handle, data):
        write(handle, data)
        raise KeyboardInterrupt

    file = served(server, hang_at=1000)
    monkeypatch.setattr(
        "posezoo.core.download.partial.os",
        SimpleNamespace(**vars(os) | {"write": write_and_interrupt}),
    )
    with pytest.raises(KeyboardInterrupt):
        fetch(file)
    assert (fetch.folder / ".net.tflite.part").read_bytes() == WEIGHTS[:1000]


def test_two_processes_fetch_a_file_once(server, fetch):
    answers = threading.Event()
    file = served(server, answers=answers)
    first = start_child(file, fetch.folder)
    wait_until(lambda: server.requests != [])
    second = start_child(file, fetch.folder)
    assert second.stdout is not None
    assert "waiting for another process" in second.stdout.readline()
    answers.set()
    said, also_said = (child.communicate(timeout=HANG_S)[0] for child in (first, second))
    assert (first.returncode, second.returncode) == (0, 0)
    assert server.asked("net.tflite") == 1
    assert "FileDownloadFinished" in said
    assert "FileUpToDate" in also_said
    assert fetch.left() == ["net.tflite"]


def test_who_waited_goes_on_where_the_first_one_failed(server, fetch):
    file = served(server, hang_at=1000, times=1)
    first = start_child(file, fetch.folder)
    wait_until(lambda: server.requests != [])
    second = start_child(file, fetch.folder)
    assert second.stdout is not None
    assert "waiting for another process" in second.stdout.readline()
    first.kill()
    first.communicate(timeout=HANG_S)
    second.communicate(timeout=HANG_S)
    assert_success(second)
    assert (fetch.folder / "net.tflite").read_bytes() == WEIGHTS
    assert fetch.left() == ["net.tflite"]


def test_a_folder_in_the_way_is_named(server, fetch):
    (fetch.folder / "net.tflite").mkdir(parents=True)
    with pytest.raises(
        OutputError, match=r"net\.tflite: cannot be written: Is a directory"
    ) as caught:
        fetch(net_at(server.serve("n", WEIGHTS)))
    assert caught.value.hint == "move that folder away"
    assert server.requests == []


def test_a_file_where_a_folder_is_needed_is_named(server, fetch):
    fetch.folder.mkdir()
    (fetch.folder / "FP16").write_bytes(b"")
    with pytest.raises(OutputError, match=r"FP16: cannot be written") as caught:
        fetch(declared("FP16/net.xml", WEIGHTS, server.serve("n", WEIGHTS)))
    assert "stands where a folder is needed" in caught.value.hint


def test_nothing_is_written_through_a_symbolic_link_at_the_target(server, fetch, tmp_path):
    fetch.folder.mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    (fetch.folder / "net.tflite").symlink_to(tmp_path / "precious")
    target = fetch(served(server))
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not target.is_symlink()


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_nothing_is_written_through_a_link_at_the_part(server, fetch, tmp_path, link):
    fetch.folder.mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    link(fetch.folder / ".net.tflite.part", tmp_path / "precious")
    fetch(served(server))
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert fetch.left() == ["net.tflite"]


def test_without_locks_parts_have_names_of_their_own(server, fetch, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # a system without it
    file = served(server, hang_at=1000, times=1)
    thread = threading.Thread(target=fetch, args=(file,), kwargs={"timeout_s": 0.3})
    thread.start()
    wait_until(lambda: server.requests != [])
    assert [name for name in fetch.left() if name.startswith(f".net.tflite.{os.getpid()}-")] != []
    assert fetch(file).read_bytes() == WEIGHTS
    thread.join()
    assert fetch.left() == ["net.tflite"]


def test_a_full_disk_is_named_and_asks_no_further_source(server, fetch, disk):
    weights = WEIGHTS * 64
    (disk / "net.tflite").write_bytes(b"of last year")
    fetch.folder = disk
    urls = [server.serve(name, weights) for name in ("one", "two")]
    with pytest.raises(
        OutputError, match=r"net\.tflite: cannot be written: No space left"
    ) as caught:
        fetch(declared("net.tflite", weights, *urls))
    assert "free some space" in caught.value.hint
    assert (disk / "net.tflite").read_bytes() == b"of last year"
    assert fetch.left() == ["net.tflite"]
    assert server.asked("two") == 0
    assert fetch.events[-1] == FileDownloadFinished(
        "pose", "net.tflite", False, caught.value.problem
    )


def test_a_read_only_folder_is_named(server, fetch, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    fetch.folder = disk
    with pytest.raises(OutputError, match="cannot be written: Read-only file system") as caught:
        fetch(net_at(server.serve("n", WEIGHTS)))
    assert "can be written" in caught.value.hint
    assert server.requests == []


def test_a_good_file_in_a_read_only_folder_is_good(server, fetch, disk):
    (disk / "net.tflite").write_bytes(WEIGHTS)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    fetch.folder = disk
    fetch(net_at())
    assert fetch.told(FileUpToDate) != []
