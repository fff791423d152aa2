"""Small answers of servers: what they may cost in memory and time, whatever a server sends."""

import ast
import gzip
import re
import time
import tracemalloc
import zlib

import pytest

from fakes.checkout import ROOT
from fakes.npm import DOCUMENT, PACKAGE, VERSION
from fakes.waiting import HANG_S
from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import NpmPackageSource, PythonPackageSource, Wheel
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import SizeError, SourceError
from posezoo.core.workers.retries import TransientSourceError
from posezoo.packages import small_answers
from posezoo.packages.npm_package import NpmClient
from posezoo.packages.python_package import check_wheel
from posezoo.packages.small_answers import read_small

SOURCE = ROOT / "src" / "posezoo"
MIB = 1 << 20


def bomb(size):
    """As many zeros, compressed with gzip to a thousandth."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    block = bytes(MIB)
    return b"".join(packer.compress(block) for _ in range(size // MIB)) + packer.flush()


def options(timeout_s=5.0):
    return DownloadOptions(None, attempts=1, timeout_s=timeout_s, sleep=lambda _s: None)


def read(url, limit=MIB, timeout_s=5.0):
    with DownloadContext("a", options(timeout_s)) as context:
        return read_small(url, limit, context, name="the document").content


def test_a_byte_more_than_the_limit_is_refused_also_if_it_was_compressed(server):
    packed = gzip.compress(bytes(MIB + 1))
    url = server.serve("a.json", packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(SizeError, match="the document has more than 1,048,576 bytes"):
        read(url)


def test_drops_are_a_stall(server):
    url = server.serve("a.json", b"{" * 9999, body_drip_s=0.05)
    with pytest.raises(TransientSourceError, match=r"sent only \d+ bytes in 1 s"):
        read(url, timeout_s=1)


def test_an_answer_that_is_never_slow_and_never_complete_has_a_time_limit(server):
    url = server.serve("a.json", b"{" * MIB, body_drip_s=0.01, drip_bytes=1000)
    with pytest.raises(SourceError, match=r"sent only [\d,]+ bytes of the document in 5 s") as told:
        read(url, timeout_s=0.5)
    assert not told.value.temporary
    assert told.value.hint == "a longer --stall_timeout allows more time"


def npm_document(context):
    source = NpmPackageSource(PACKAGE, VERSION, "package/net.bin", None)
    NpmClient(source, SourceFile("net.bin"), context).find_tarball()


def index_page(context):
    wheel = Wheel("net-1.0-py3-none-any.whl", 1, "0" * 64)
    check_wheel(PythonPackageSource("net", "1.0", wheel, "net.bin"), SourceFile("net.bin"), context)


#: What reads a small answer, with the path and the limit of the answer in MiB.
READERS = [
    (npm_document, DOCUMENT, 64),
    (index_page, "simple/net/", 256),
]


@pytest.fixture
def indexes(server, monkeypatch, tmp_path):
    """npm and pip are configured with the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("npm_config_registry", server.url())
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", server.url("simple"))


@pytest.mark.parametrize(("ask", "path", "limit_mib"), READERS)
def test_a_small_answer_that_becomes_large_takes_no_more_memory_than_its_limit(
    server, indexes, ask, path, limit_mib
):
    packed = bomb(max(2 * limit_mib, 20) * MIB)  # more than the memory below
    server.serve(path, packed, headers={"Content-Encoding": "gzip"})
    with DownloadContext("a", options()) as context:
        tracemalloc.start()
        try:
            with pytest.raises((SizeError, SourceError), match="has more than"):
                ask(context)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert server.asked(path) == 1
    assert peak < 1.3 * limit_mib * MIB + 12 * MIB


@pytest.fixture
def two_timeouts(monkeypatch):
    """An answer may take two stall timeouts, of a second each here."""
    monkeypatch.setattr(small_answers, "_TOTAL_TIMEOUTS", 2)


@pytest.mark.parametrize(("ask", "path", "limit_mib"), READERS)
def test_a_server_that_sends_drops_is_given_up(server, indexes, two_timeouts, ask, path, limit_mib):
    server.serve(path, b"{" * 999, body_drip_s=0.05)
    with DownloadContext("a", options(timeout_s=1)) as context:
        begin = time.monotonic()
        with pytest.raises(SourceError, match="sent only"):
            ask(context)
    assert time.monotonic() - begin < HANG_S


def test_a_page_of_many_links_without_an_end_is_read_at_once(server, indexes):
    server.serve("simple/net/", b"<a " * 100_000)
    begin = time.process_time()
    with (
        DownloadContext("a", options()) as context,
        pytest.raises(SourceError, match="no package index or folder of wheels has net"),
    ):
        index_page(context)
    assert time.process_time() - begin < 5


def test_no_other_module_joins_the_pieces_of_a_response():
    """What is read in pieces goes to a file, or through ``read_small``."""
    joined = set()
    texts = {path: path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    reading = re.compile(r"\.pieces|response\s*\.\s*(raw|json)")  # to parse all takes 3 s
    for path in (path for path, text in texts.items() if reading.search(text)):
        for node in ast.walk(ast.parse(texts[path])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                words = ast.unparse(node)
                is_join = node.func.attr == "join" and ".pieces" in words
                if is_join or words.startswith(("response.raw.read", "response.json(")):
                    joined.add(path.name)
    assert joined == set(), "use packages.small_answers"
