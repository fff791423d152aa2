"""A large file by several connections: right, whole, and no worse than by one."""

import random
import threading
from contextlib import nullcontext

import pytest

from fakes.files import declared
from fakes.waiting import wait_until
from posezoo.core.download.parallel_ranges import RANGE_BYTES
from posezoo.core.errors import DigestError, SourceError

ETAG = '"v1"'
WEIGHTS = random.Random(7).randbytes(5 * RANGE_BYTES + 12345)


def ranges(server):
    return [request.headers["Range"] for request in server.requests]


def test_a_slow_host_is_asked_for_parts_at_once(server, fetch):
    slow = {"bytes_per_s": 8 << 20, "etag": ETAG}
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, **slow))
    assert fetch(file, connections=6).read_bytes() == WEIGHTS
    assert server.peak >= 4
    requested = sorted(ranges(server), key=lambda said: int(said[6:].split("-")[0]))
    assert requested[0] == f"bytes=0-{RANGE_BYTES - 1}"
    assert requested[-1] == f"bytes={5 * RANGE_BYTES}-{len(WEIGHTS) - 1}"
    assert len(requested) == 6


def working_threads():
    """The threads of pools; the server's may wait for another request."""
    return {thread for thread in threading.enumerate() if "_work_loop" in thread.name}


@pytest.mark.parametrize("damage", [{}, {"wrong_byte": 4 * RANGE_BYTES}])
def test_no_thread_of_a_download_is_left(server, fetch, damage):
    before = working_threads()
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, etag=ETAG, **damage))
    with pytest.raises(DigestError) if damage else nullcontext():
        fetch(file, connections=4, attempts=1)
    wait_until(lambda: working_threads() <= before)


def test_a_server_without_ranges_gives_it_by_one(server, fetch):
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS))
    assert fetch(file, connections=4).read_bytes() == WEIGHTS
    assert len(server.requests) == 1


def test_what_broke_off_is_resumed(server, fetch):
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, cut_at=3000, etag=ETAG))
    with pytest.raises(SourceError):
        fetch(file, attempts=1)
    server.requests.clear()
    server.serve("net", WEIGHTS, etag=ETAG)
    assert fetch(file, connections=3).read_bytes() == WEIGHTS
    assert f"bytes=3000-{3000 + RANGE_BYTES - 1}" in ranges(server)
    assert "starting again from the beginning" not in fetch.warnings
    assert fetch.left() == ["net.tflite"]


def test_a_part_that_breaks_off_is_asked_for_again(server, fetch):
    file = declared(
        "net.tflite", WEIGHTS, server.serve("net", WEIGHTS, cut_at=100_000, times=2, etag=ETAG)
    )
    assert fetch(file, connections=3).read_bytes() == WEIGHTS
    assert "the connection broke" in fetch.warnings


def test_a_host_that_refuses_so_many_gives_it_by_one(server, fetch):
    server.most_at_once = 1
    slow = {"bytes_per_s": 40 << 20, "etag": ETAG}
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, **slow))
    assert fetch(file, connections=4).read_bytes() == WEIGHTS
    assert "HTTP 429" in fetch.warnings
    assert ranges(server)[-1] in (
        None,
        *(f"bytes={at}-" for at in range(0, len(WEIGHTS), RANGE_BYTES)),
    )


def test_a_file_that_changes_meanwhile_is_not_glued_together(server, fetch):
    url = server.serve("net", WEIGHTS, etag=ETAG, bytes_per_s=1 << 20)

    def change():
        wait_until(lambda: server.requests)
        with server.lock:  # the first request has its answer
            server.serve("net", bytes(len(WEIGHTS)), etag='"v2"')

    threading.Thread(target=change).start()
    with pytest.raises(DigestError):
        fetch(declared("net.tflite", WEIGHTS, url), connections=2)
    assert (
        "has a different version of the file now; starting again from the beginning"
        in fetch.warnings
    )
    assert fetch.left() == []


@pytest.mark.parametrize(
    "faults", [{"content_range": "bytes 0-9/10"}, {"content_range": "nonsense"}]
)
def test_parts_that_are_others_than_asked_for_cost_one_more_request(server, fetch, faults):
    file = declared("net.tflite", WEIGHTS, server.serve("net", WEIGHTS, etag=ETAG, **faults))
    assert fetch(file, connections=4).read_bytes() == WEIGHTS
