"""Hosts that hang, are slow or send something else, beside others that have the same file."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from fakes.files import declared
from fakes.server import Server
from fakes.waiting import HANG_S, once, wait_until
from posezoo.core.declarations.sources import NpmPackageSource
from posezoo.core.download.candidates import network_host
from posezoo.core.download.context import ConnectionPool, DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DownloadError
from posezoo.core.events import (
    FileDownloadFinished,
    FileDownloadProgress,
    FileDownloadStarted,
    WarningIssued,
)

WEIGHTS = random.Random(0).randbytes(100_000)
SILENCE_S = 0.3


@pytest.fixture
def other():
    """Another host."""
    with Server() as server:
        yield server


@pytest.fixture
def silent():
    """The address of a host that accepts a connection, and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/net.bin"


def fetched(fetch, *urls, body=WEIGHTS, **more):
    """Fetch the file from these addresses; it is right."""
    options = {"head_start_s": SILENCE_S, "timeout_s": 30.0, **more}
    target = fetch(declared("net.bin", body, *urls), **options)
    assert target.read_bytes() == body
    assert fetch.left() == ["net.bin"]


def was_overtaken(fetch, source):
    """Whether another source sent the file while this one was still being asked."""
    host = source.index if isinstance(source, NpmPackageSource) else network_host(source)
    reason = rf"(?m)^{re.escape(host)}: .*, another source was faster; it is asked last"
    return re.search(reason, fetch.warnings) is not None


@pytest.mark.parametrize(
    "hanging",
    [
        pytest.param({"silence_s": 60}, id="no answer"),
        pytest.param({"header_drip_s": 0.01}, id="endless headers"),
        pytest.param({"hang_at": 0}, id="headers"),
        pytest.param({"hang_at": 50_000}, id="half of the file"),
        pytest.param({"hang_at": 99_999, "ranges": True}, id="all but a byte"),
        pytest.param({"chunk_size_drip_s": 0.01}, id="an endless size of a chunk"),
        pytest.param({"bytes_per_s": 2000}, id="50 s for the file"),
    ],
)
def test_a_host_that_hangs_or_is_slow_is_overtaken(fetch, server, other, hanging):
    first = server.serve("a", WEIGHTS, **hanging)
    fetched(fetch, first, other.serve("b", WEIGHTS))
    assert was_overtaken(fetch, first)
    assert other.asked("b") == 1


def test_after_the_first_refused_connection_the_next_host_is_asked(fetch, other):
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        refused = f"http://127.0.0.1:{listening.getsockname()[1]}/net.bin"
    is_over = threading.Event()
    fetched(fetch, refused, other.serve("b", WEIGHTS), sleep=lambda _s: is_over.wait(HANG_S))
    is_over.set()
    assert "Connection refused, another source was faster" in fetch.warnings


def test_a_refused_connection_is_tried_again_if_no_other_host_has_the_file(fetch, server, other):
    first = server.serve("a", WEIGHTS, status=[503, 503])
    fetched(fetch, first, other.url("gone"))
    assert server.asked("a") == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param({"silence_s": 60}, "sent 0 bytes in 0.3 s", id="nothing"),
        pytest.param({"hang_at": 50_000}, "sent 0 bytes in 0.3 s", id="half of the file"),
        pytest.param({"status": [500] * 9}, "HTTP 500 Internal Server Error", id="an error"),
        pytest.param({"cut_at": 50_000}, "the connection broke", id="a cut"),
    ],
)
def test_the_reason_why_another_source_was_faster_is_what_happened(
    fetch, server, other, fault, reason
):
    first = server.serve("a", WEIGHTS, **fault)
    second = other.serve("b", WEIGHTS, silence_s=SILENCE_S)
    file = declared("net.bin", WEIGHTS, first, second)
    is_over = threading.Event()
    try:
        fetch(file, head_start_s=SILENCE_S, timeout_s=30, sleep=lambda _s: is_over.wait(HANG_S))
    finally:
        is_over.set()
    (warning,) = re.findall("(?m)^.*another source was faster;.*$", fetch.warnings)
    assert warning.startswith(f"{network_host(first)}: {reason}"), warning


def test_the_one_that_hangs_is_left_at_once(fetch, server, other):
    """Its connection is closed: the server sees that."""
    left = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def accept():
            connection, _ = listening.accept()
            connection.settimeout(HANG_S)
            while connection.recv(1 << 16):
                pass
            left.set()

        threading.Thread(target=accept, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/net.bin"
        fetched(fetch, address, other.serve("b", WEIGHTS))
        assert left.wait(HANG_S)


def test_a_host_that_wakes_up_wins_if_the_second_sends_other_bytes(fetch, server, other):
    has_failed = once(lambda: len(fetch.told(FileDownloadFinished)) == 2)
    first = server.serve("a", WEIGHTS, answers=has_failed)
    second = other.serve("b", WEIGHTS, wrong_byte=7)
    fetched(fetch, first, second)
    assert f"net.bin: {second}: the digest of the download is" in fetch.warnings
    told = [type(event) for event in fetch.events if not isinstance(event, WarningIssued)]
    at = len(told) - told[::-1].index(FileDownloadStarted)
    assert FileDownloadProgress in told[at:]


def test_sources_of_one_host_are_not_asked_at_once(fetch, server):
    slow = server.serve("a", WEIGHTS, silence_s=3 * SILENCE_S)
    fetched(fetch, slow, server.serve("b", WEIGHTS))
    assert [request.path for request in server.requests] == ["/a"]


def test_with_one_source_the_patience_is_that_of_the_settings(fetch, server):
    fetched(fetch, server.serve("a", WEIGHTS, silence_s=4 * SILENCE_S))
    assert server.asked("a") == 1


def test_if_all_hang_each_is_asked_as_often_as_before(fetch, silent, server):
    file = declared("net.bin", WEIGHTS, silent, server.serve("a", WEIGHTS, hang_at=0))
    with pytest.raises(DownloadError, match=r"every source failed: .*no answer within 0\.5 s"):
        fetch(file, head_start_s=SILENCE_S, timeout_s=0.5)
    assert server.asked("a") == 4
    assert fetch.left() == []


def test_what_is_reported_belongs_together(fetch, server, other):
    first = server.serve("a", WEIGHTS, hang_at=50_000)
    second = other.serve("b", WEIGHTS)
    fetched(fetch, first, second)
    told = [event for event in fetch.events if not isinstance(event, WarningIssued)]
    sizes = [event.size for event in told if isinstance(event, FileDownloadProgress)]
    assert sizes[-1] == len(WEIGHTS)
    assert [event for event in told if not isinstance(event, FileDownloadProgress)] == [
        FileDownloadStarted("pose", "net.bin", len(WEIGHTS), first),
        FileDownloadFinished("pose", "net.bin", False, "another source is asked, too"),
        FileDownloadStarted("pose", "net.bin", len(WEIGHTS), second),
        FileDownloadFinished("pose", "net.bin", True),
    ]


def test_a_registry_that_hangs_is_overtaken(fetch, silent, other, monkeypatch):
    monkeypatch.setenv("npm_config_registry", silent)
    package = NpmPackageSource("@poses/net", "1.0.0", "package/net.bin", None)
    fetched(fetch, package, other.serve("b", WEIGHTS))
    assert was_overtaken(fetch, package)


def files_in_a_run(tmp_path, *files, **more):
    """Fetch files one after the other in one run; the warnings."""
    events = []
    options = DownloadOptions(None, timeout_s=30, head_start_s=SILENCE_S, **more)
    with ConnectionPool(options) as pool:
        for file in files:
            with DownloadContext("pose", options, events.append, pool=pool) as context:
                download_file(file, tmp_path / file.name, context)
    return [event.message for event in events if isinstance(event, WarningIssued)]


@pytest.mark.parametrize("failing", [{"hang_at": 0}, {"status": [503] * 99}])
def test_a_host_that_failed_is_asked_last_for_the_rest_of_the_run(server, other, tmp_path, failing):
    names = ("one.bin", "two.bin", "three.bin")
    files = [
        declared(name, WEIGHTS, server.serve(name, WEIGHTS, **failing), other.serve(name, WEIGHTS))
        for name in names
    ]
    warnings = files_in_a_run(tmp_path, *files, sleep=lambda _s: None)
    host = server.url().split("/")[2]
    (told,) = (each for each in warnings if each.endswith("asked last for the rest of the run"))
    assert told.startswith(f"{host}: ")
    assert {request.path for request in server.requests} == {"/one.bin"}


def test_a_host_that_lacks_one_file_is_asked_for_the_next(server, other, tmp_path):
    files = [
        declared("one.bin", WEIGHTS, server.url("gone"), other.serve("one.bin", WEIGHTS)),
        declared("two.bin", WEIGHTS, server.serve("two", WEIGHTS), other.serve("two", WEIGHTS)),
    ]
    files_in_a_run(tmp_path, *files)
    assert server.asked("two") == 1


RUN = """
import signal, sys
from pathlib import Path
from fakes.files import declared
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.workers.signals import signals_raise

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
first, second, folder = sys.argv[1:]
file = declared("net.bin", Path(folder, "original").read_bytes(), first, second)
options = DownloadOptions(None, head_start_s=0.3)
with signals_raise("SIGINT", "SIGTERM"), DownloadContext("pose", options, print) as context:
    download_file(file, Path(folder, "net.bin"), context)
"""


def start_run(tmp_path, *urls):
    (tmp_path / "original").write_bytes(WEIGHTS)
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *urls, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_at_once_and_the_next_run_goes_on(
    fetch, silent, server, tmp_path, number
):
    second = server.serve("a", WEIGHTS, hang_at=50_000, ranges=True, times=1)
    fetch.folder.mkdir(exist_ok=True)
    child = start_run(fetch.folder, silent, second)
    parts = fetch.folder.glob
    wait_until(lambda: any(part.stat().st_size > 40_000 for part in parts(".*.part")))
    child.send_signal(number)
    child.wait(HANG_S)
    assert [path.name for path in parts(".*.part")] == [".net.bin.part"]
    (fetch.folder / "original").unlink()
    fetched(fetch, second)
    start = int(server.requests[-1].headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert start > 40_000


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_what_a_killed_run_leaves_is_removed_by_the_next_that_asks_two(
    fetch, silent, server, other
):
    slow = server.serve("a", WEIGHTS, hang_at=50_000, times=1)
    fetch.folder.mkdir(exist_ok=True)
    child = start_run(fetch.folder, silent, slow)
    parts = fetch.folder.glob
    wait_until(lambda: any(part.stat().st_size > 40_000 for part in parts(".*.part")))
    child.kill()
    child.wait(HANG_S)
    (fetch.folder / "original").unlink()
    fetched(fetch, silent, slow)
