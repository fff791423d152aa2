"""What happens to downloads in the wild, one by one: the right file, or a clear error in time.

Each through downloader.py, with a file of last year in the way. Beside this table: test_resume.py (kill -9, parts of former runs), test_file_download.py (two processes,
links, file systems without locks, full and read-only disks), test_http.py (TLS, proxies, netrc, names that
nobody knows), test_url_rules.py (where a redirect may lead), test_digest_store.py (caches and mirrors).
"""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from fakes.checkout import DOWNLOADER
from fakes.command import assert_success, heed_interrupts, omz_tool, run_process
from fakes.server import PAGE, Answer
from fakes.waiting import HANG_S
from fakes.zoo import model_yml, published_file, write_model

WEIGHTS = bytes(range(256)) * 256
OLD = b"of last year"
ETAG = '"v1"'


@dataclass(frozen=True)
class Fault:
    """What a server does.

    Attributes:
        name: what happens.
        faults: as fakes.server.Answer has them.
        says: words of the error; empty where the right file comes all the same.
        asked: how many requests that takes; None where it does not matter.
        body: what is served instead of the file.
        stall_s: how many seconds the server may be silent.
    """

    name: str
    faults: Mapping[str, object] = field(default_factory=dict)
    says: str = ""
    asked: int | None = 1
    body: bytes = WEIGHTS
    stall_s: float = 1


def packed(encoding, **more):
    return {"headers": {"Content-Encoding": encoding}, **more}


FAULTS = [
    Fault("nothing wrong"),
    # answers
    *(Fault(f"{n} once", {"status": [n]}, asked=2) for n in (408, 425, 429, 500, 502, 503, 504)),
    Fault("503 for ever", {"status": [503] * 99}, "HTTP 503 Service Unavailable (2 attempts)", asked=2),
    *(Fault(f"{n}", {"status": [n] * 99}, f"HTTP {n}") for n in (400, 401, 403, 410, 416, 451)),
    Fault("404", {"status": [404] * 99}, "HTTP 404 Not Found"),
    Fault("304 to nothing", {"status": [304] * 99}, "HTTP 304"),
    Fault("429, again in a second", {"status": [429], "headers": {"Retry-After": "1"}}, asked=2),
    *(Fault(f"a {n} before", {"informational": [n]}) for n in (100, 102, 103)),
    Fault("many 103 before", {"informational": [103] * 50}),
    Fault("the connection reset, once", {"resets": True, "times": 1}, asked=2),
    Fault("the connection reset, always", {"resets": True}, "no connection", asked=2),
    # stalls and drips
    Fault("silence, once", {"silence_s": 3.0, "times": 1}, asked=2),
    Fault("silence, always", {"silence_s": 9.0}, "no answer within 0.3 s (2 attempts)", asked=2, stall_s=0.3),
    Fault("headers that drip", {"header_drip_s": 0.1}, "no answer within 0.3 s", asked=2, stall_s=0.3),
    Fault("a stall in the body, once", {"hang_at": 1000, "times": 1}, asked=2),
    Fault("a stall in the body, always", {"hang_at": 1000}, "0.3 s after 1000 of 65536 bytes", asked=2, stall_s=0.3),
    Fault("a body that drips", {"body_drip_s": 0.1}, "sent only", asked=2, stall_s=0.3),
    Fault("chunks that drip", {"body_drip_s": 0.1, "chunked": True}, "sent only", asked=2, stall_s=0.3),
    Fault("a chunk size that drips", {"chunk_size_drip_s": 0.1}, "no answer within 0.3 s", asked=2, stall_s=0.3),
    # cuts
    Fault("a cut, once", {"cut_at": 1000, "times": 1}, asked=2),
    Fault("a cut, always", {"cut_at": 1000}, "after 1000 of 65536 bytes", asked=2),
    Fault("truncated, and the length says so", {}, "announces 65535 bytes", body=WEIGHTS[:-1]),
    Fault("truncated in chunks", {"chunked": True}, "sends 65535 bytes", body=WEIGHTS[:-1]),
    Fault("a cut without a length, once", {"without_length": True, "cut_at": 1000, "times": 1}, asked=2),
    # lengths
    Fault("no length", {"without_length": True}),
    Fault("chunks", {"chunked": True}),
    Fault("called a page", {"headers": {"Content-Type": "text/html; charset=utf-8"}}),
    Fault("a length too small", {"length": 9}, "announces 9 bytes, 65536 are declared"),
    Fault("a length too large", {"length": 10**15}, "announces 1000000000000000 bytes"),
    Fault("longer than declared", {"chunked": True}, "more than the declared", body=WEIGHTS + b"!"),
    Fault("an endless body", {"without_length": True, "endless": True}, "more than the declared"),
    Fault("an empty body", {}, "announces 0 bytes", body=b""),
    # bytes
    Fault("a wrong byte, always", {"wrong_byte": 4000}, "the digest of the download is SHA-384"),
    Fault("a page instead of the file", {}, "a web page (HTML)", body=PAGE),
    # packed
    Fault("called gzip, is not packed", packed("gzip")),
    Fault("gzip cut short", packed("gzip"), "incomplete", body=gzip.compress(WEIGHTS)[:-9], asked=2),
    Fault("brotli", packed("br"), "sends the file with Content-Encoding 'br'"),
    # redirects
    Fault("a redirect to a file", {"status": [302] * 9, "headers": {"Location": "file:///etc/hostname"}},
          "neither http nor https"),
    Fault("a redirect to ftp", {"status": [301] * 9, "headers": {"Location": "ftp://localhost/n"}},
          "neither http nor https"),
    Fault("a redirect to itself", {"status": [302] * 99, "headers": {"Location": "/net"}},
          "redirects in a circle"),
    Fault("a redirect to nowhere", {"status": [302] * 9, "headers": {"Location": "http://[::1"}}, "the request failed"),
]  # fmt: skip


@pytest.fixture
def zoo(tmp_path, server):
    """Where models are declared and go; a file of last year is there."""
    (tmp_path / "public" / "net" / "FP16").mkdir(parents=True)
    (tmp_path / "public" / "net" / "FP16" / "net.xml").write_bytes(OLD)
    return tmp_path


def declare(zoo, *urls):
    """A model of one file, which needs no conversion; where it goes."""
    file = published_file("FP16/net.xml", WEIGHTS, list(urls))
    write_model(zoo / "models", "net", model_yml(files=[file], framework="dldt"))
    return zoo / "public" / "net" / "FP16" / "net.xml"


def flags(zoo, *more):
    limits = ("--stall_timeout", 1, "--num_attempts", 2)
    return [*map(str, ("--name", "net", "--models_dir", zoo / "models", *limits, *more))]


def command(zoo, *more):
    return [sys.executable, str(DOWNLOADER), *flags(zoo, *more)]


def download(zoo, *more, **environ):
    return omz_tool("downloader", *flags(zoo, *more), cwd=zoo, **environ)


def download_in_a_process(zoo, *more, **environ):
    return run_process(
        command(zoo, *more),
        cwd=zoo,
        env={**os.environ, **environ},
    )


def left(target):
    """What is beside the target, but for the file that was there before."""
    kept = target.with_name("net.xml.bak1")
    assert not kept.exists() or kept.read_bytes() == OLD
    return sorted(path.name for path in target.parent.iterdir() if path.name != kept.name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_through_the_script(fault, zoo, server):
    target = declare(zoo, server.serve("net", fault.body, **fault.faults))
    ended = download(zoo, "--stall_timeout", fault.stall_s)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == (1 if fault.says else 0), ended.stderr
    assert fault.says in ended.stderr
    assert target.read_bytes() == (OLD if fault.says else WEIGHTS)
    assert left(target) in (
        ["net.xml"],
        [".net.xml.part", ".net.xml.part.json", "net.xml"] if fault.says else ["net.xml"],
    )
    assert fault.asked in (None, server.asked("net"))


def test_signed_addresses_and_headers_are_never_shown(zoo, server):
    path = "net?X-Amz-Signature=0123abcd"
    server.serve(path, b"", status=[403] * 9)
    url = server.url(path).replace("http://", "http://ann:secret@")
    declare(zoo, url)
    host = server.url().split("/")[2]
    ended = download(zoo, "--header", f"{host}=X-Own: opensesame", "--progress_format", "json")
    said = ended.stdout + ended.stderr
    assert server.requests[0].headers["X-Own"] == "opensesame"
    assert "HTTP 403" in said
    for secret in ("0123abcd", "secret", "opensesame", "ann"):
        assert secret not in said.replace("/public/ann", "")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda target: (target.unlink(), os.mkfifo(target)), ""),
        (
            lambda target: target.with_name(".net.xml.part").mkdir(),
            ".net.xml.part: cannot be written",
        ),
        (lambda target: os.mkfifo(target.with_name(".net.xml.part")), ""),
        (lambda target: target.with_name(".net.xml.part").write_bytes(bytes(9 << 20)), ""),
        (lambda target: target.with_name(".net.xml.part.json").symlink_to("/nowhere"), ""),
    ],
    ids=[
        "FIFO",
        "part a folder",
        "part a FIFO",
        "part longer",
        "state a link",
    ],
)
def test_what_is_in_the_way_is_replaced_or_named(zoo, server, prepare, says):
    target = declare(zoo, server.serve("net", WEIGHTS))
    prepare(target)
    ended = download(zoo)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == (1 if says else 0), ended.stderr
    assert says in ended.stderr
    if not says:
        assert target.read_bytes() == WEIGHTS
        assert not target.is_symlink()
        assert left(target) == ["net.xml"]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_signal_ends_it_and_the_next_run_goes_on(zoo, server, number, code, jobs):
    target = declare(zoo, server.serve("net", WEIGHTS, hang_at=60_000, times=1, etag=ETAG))
    declared = (zoo / "models" / "public" / "net" / "model.yml").read_text()
    server.serve("other", WEIGHTS, hang_at=9)
    write_model(zoo / "models", "other", declared.replace(server.url("net"), server.url("other")))
    # So that what ends it is not the silence.
    more = (
        "--name",
        "net,other",
        "--jobs",
        jobs,
        "--stall_timeout",
        600,
    )
    child = subprocess.Popen(
        command(zoo, *more),
        cwd=zoo,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_interrupts,
    )
    part = target.with_name(".net.xml.part")
    until = time.monotonic() + HANG_S
    state = target.with_name(".net.xml.part.json")  # is written after the bytes
    while not (part.exists() and part.stat().st_size == 60_000 and state.exists()):
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    child.send_signal(number)
    _, shown = child.communicate(timeout=HANG_S)
    assert child.returncode == code
    assert "Traceback" not in shown
    assert target.read_bytes() == OLD
    assert_success(download(zoo))
    assert target.read_bytes() == WEIGHTS
    assert "bytes=60000-" in [request.headers["Range"] for request in server.requests]


def test_a_run_that_was_stopped_for_a_while_goes_on(zoo, server):
    target = declare(zoo, server.serve("net", WEIGHTS, body_drip_s=0.02, drip_bytes=1000))
    child = subprocess.Popen(
        command(zoo), cwd=zoo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    part = target.with_name(".net.xml.part")
    while not (part.exists() and part.stat().st_size):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGSTOP)
    time.sleep(1.5)  # longer than a server may be silent
    child.send_signal(signal.SIGCONT)
    assert child.wait(timeout=HANG_S) == 0
    assert target.read_bytes() == WEIGHTS


def test_a_terminal_of_ascii_alone_is_no_obstacle(zoo, server):
    target = declare(zoo, server.serve("net", b"", status=[403] * 9))
    ended = download_in_a_process(
        zoo, "--output_dir", zoo / "Größe", LANG="C", LC_ALL="C", PYTHONUTF8="0"
    )
    assert "HTTP 403" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert target.read_bytes() == OLD


def by_proxy(server):
    """Public names are asked for by way of our server; this machine is not."""
    return {"http_proxy": server.url(), "no_proxy": "127.0.0.1,localhost"}


def test_a_public_name_leads_to_this_machine_only_where_that_is_allowed(zoo, server):
    target = server.serve("net", WEIGHTS).replace("localhost", "127.0.0.1")
    public = "http://models.example/net"
    server.answers[public] = Answer(b"", status=[302] * 9, headers={"Location": target})
    path = declare(zoo, public)
    refused = download(zoo, **by_proxy(server))
    assert (
        "redirects to 127.0.0.1, an address of this machine or a private network" in refused.stderr
    )
    assert (refused.returncode, server.asked("net"), path.read_bytes()) == (1, 0, OLD)
    followed = download(zoo, "--allow_private_redirects", **by_proxy(server))
    assert (followed.returncode, path.read_bytes()) == (0, WEIGHTS)


def test_plain_http_needs_a_digest_or_the_users_word(zoo, server):
    public = "http://models.example/net"
    server.answers[public] = Answer(WEIGHTS)
    file = {
        "name": "FP16/net.xml",
        "size": "unknown",
        "max_size": 1 << 20,
        "checksum": "unknown",
        "source": public,
    }
    write_model(zoo / "models", "net", model_yml(files=[file], framework="dldt"))
    trusting = ("--trust_on_first_use", "--lock", zoo / "posezoo.lock")
    refused = download(zoo, *trusting, **by_proxy(server))
    assert "uses plain http" in refused.stderr
    assert "--allow_http" in refused.stderr
    assert (refused.returncode, server.requests) == (1, [])
    taken = download(zoo, *trusting, "--allow_http", **by_proxy(server))
    assert_success(taken)
    assert (zoo / "public" / "net" / "FP16" / "net.xml").read_bytes() == WEIGHTS
