"""A file that broke off goes on where it stopped, in this run or the next, and never becomes another file."""

import json

import pytest

from fakes.files import WEIGHTS, declared, net_at, served
from fakes.running import start_child
from fakes.waiting import wait_until
from posezoo.core.errors import DigestError, DownloadError, SourceError
from posezoo.core.events import FileDownloadProgress

ETAG = '"v1"'


def ranges(server):
    return [request.headers["Range"] for request in server.requests]


def broken_off(server, fetch, *, at=3000, etag=ETAG):
    """A file of which a former run got the first bytes; its server has mended since."""
    file = served(server, cut_at=at, etag=etag)
    with pytest.raises(SourceError):
        fetch(file, attempts=1)
    server.serve("net.tflite", WEIGHTS, etag=etag)
    server.requests.clear()
    return file


def test_a_cut_connection_goes_on_where_it_stopped(server, fetch):
    file = served(server, cut_at=1000, times=1, etag=ETAG)
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server) == [None, "bytes=1000-"]
    assert server.requests[1].headers["If-Range"] == ETAG
    assert fetch.told(FileDownloadProgress)[-1].size == 4096


def test_only_an_error_that_may_pass_says_that_the_command_resumes(server, fetch):
    file = broken_off(server, fetch)
    server.serve("net.tflite", WEIGHTS, status=[503, 404])
    with pytest.raises(SourceError) as passing:
        fetch(file, attempts=1)
    assert "run the same command again: it resumes after the 3000 bytes" in passing.value.hint
    with pytest.raises(SourceError) as lasting:
        fetch(file, attempts=1)
    assert "check the address" in lasting.value.hint
    assert "again" not in lasting.value.hint
    server.serve("net.tflite", WEIGHTS, etag=ETAG)
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server)[-1] == "bytes=3000-"


def test_a_complete_file_that_a_killed_run_did_not_rename_is_not_downloaded_again(server, fetch):
    file = served(server, etag=ETAG)
    target = fetch(file)
    part = target.with_name(".net.tflite.part")
    target.rename(part)
    state = {"sha384": file.checksum.value, "url": "http://localhost"}
    target.with_name(".net.tflite.part.json").write_text(json.dumps(state))
    server.requests.clear()
    assert fetch(file).read_bytes() == WEIGHTS
    assert server.requests == []
    assert fetch.left() == ["net.tflite"]


@pytest.mark.parametrize("etag", ["", 'W/"v1"'], ids=["none", "weak"])
def test_a_server_that_promises_nothing_gives_all_of_it_again(server, fetch, etag):
    file = broken_off(server, fetch, etag=etag)
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server) == ["bytes=3000-"]
    assert server.requests[0].headers["If-Range"] is None


def test_a_file_that_changed_in_between_is_not_glued_together(server, fetch):
    file = broken_off(server, fetch)
    server.serve("net.tflite", bytes(4096), etag='"v2"')
    with pytest.raises(DigestError):
        fetch(file)
    assert ranges(server) == ["bytes=3000-"]
    assert fetch.left() == []


@pytest.mark.parametrize(
    "faults",
    [
        {"etag": '"v2"', "ignores_if_range": True},
        {"etag": ETAG, "content_range": "bytes 2999-4095/4096"},
        {"etag": ETAG, "content_range": "bytes 3000-4095/4097"},
        {"etag": ETAG, "content_range": "bytes 3000-3999/4096"},
        {"etag": ETAG, "content_range": "nonsense"},
        {"etag": ETAG, "status": [416]},
        {"etag": ETAG, "status": [206]},
        {"etag": ETAG, "length": 1097, "times": 1},
    ],
    ids=[
        "other-version",
        "one-before",
        "longer-file",
        "shorter",
        "nonsense",
        "416",
        "bare-206",
        "length",
    ],
)
def test_a_rest_that_does_not_fit_costs_one_more_request(server, fetch, faults):
    file = broken_off(server, fetch)
    server.serve("net.tflite", WEIGHTS, **faults)
    assert fetch(file, attempts=1).read_bytes() == WEIGHTS
    assert ranges(server) == ["bytes=3000-", None]
    assert "starting again from the beginning" in fetch.warnings


def test_the_record_is_of_the_source_that_went_on_last(server, fetch):
    url = server.serve("one", WEIGHTS, cut_at=1000, etag=ETAG)
    two = server.serve("two", WEIGHTS, cut_at=1000, etag='"its own"')
    with pytest.raises(SourceError):
        fetch(net_at(url), attempts=1)
    server.serve("one", WEIGHTS, status=404)
    with pytest.raises(DownloadError, match="the connection broke after 2000 of 4096 bytes"):
        fetch(net_at(url, two), attempts=1)
    server.serve("two", WEIGHTS, etag='"its own"')
    server.requests.clear()
    assert fetch(net_at(two), attempts=1).read_bytes() == WEIGHTS
    (request,) = server.requests
    assert (request.headers["Range"], request.headers["If-Range"]) == (
        "bytes=2000-",
        '"its own"',
    )


@pytest.mark.parametrize(
    ("left", "requested"),
    [
        (WEIGHTS, []),
        (WEIGHTS[:4095], ["bytes=4095-"]),
        (WEIGHTS + b"!", [None]),
        (bytes(4096), [None]),
        (bytes(3000), ["bytes=3000-", None]),
        (b"", [None]),
    ],
    ids=["whole", "short", "long", "wrong", "short and wrong", "empty"],
)
def test_whatever_a_former_run_left_the_file_is_right(server, fetch, left, requested):
    file = broken_off(server, fetch)
    (fetch.folder / ".net.tflite.part").write_bytes(left)
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server) == requested
    assert fetch.left() == ["net.tflite"]


def test_the_part_of_a_killed_run_is_not_taken_for_that_of_the_file_before(server, fetch):
    file = broken_off(server, fetch)
    newer = WEIGHTS[::-1]
    url = server.serve("newer", newer, hang_at=1000, etag=ETAG)
    child = start_child(declared("net.tflite", newer, url), fetch.folder)
    part = fetch.folder / ".net.tflite.part"
    wait_until(lambda: part.read_bytes() == newer[:1000])
    child.kill()
    child.communicate()
    server.requests.clear()
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server) == [None]


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b'{"sha384": 3}', b'{"sha384": "00"}', b"\xff", b"[" * 100_000],
)
def test_a_record_that_says_nothing_costs_a_download(server, fetch, record):
    file = broken_off(server, fetch)
    (fetch.folder / ".net.tflite.part.json").write_bytes(record)
    assert fetch(file).read_bytes() == WEIGHTS
    assert ranges(server) == [None]


def test_no_secret_is_recorded_or_shown(server, fetch):
    url = server.url("net.tflite?X-Amz-Signature=0123abcd").replace("http://", "http://ann:secret@")
    server.serve("net.tflite?X-Amz-Signature=0123abcd", WEIGHTS, cut_at=1000)
    with pytest.raises(SourceError) as caught:
        fetch(net_at(url), attempts=1)
    record = (fetch.folder / ".net.tflite.part.json").read_text()
    for secret in ("ann", "secret", "0123abcd"):
        assert secret not in f"{record}{caught.value}{fetch.events}"
    assert json.loads(record)["url"].startswith("http://localhost")
