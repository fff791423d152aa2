"""Files of a store are read from a real server: moto's S3, behind a proxy that fails on request."""

from __future__ import annotations

import http.client
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from fakes.command import assert_success, posezoo_process
from fakes.fetch import Fetch
from fakes.files import declared
from fakes.quiet_server import QuietServer
from fakes.server import Server
from fakes.when_used import require_installed
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.sources import StorageSource
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import SourceError
from posezoo.scale import storage_source as stores

require_installed("s3fs", "moto")

pytestmark = pytest.mark.slow

WEIGHTS = bytes(range(256)) * 16384  # 4 MiB
FILE = declared("net.tflite", WEIGHTS, StorageSource("s3://zoo/published/net.tflite"))
MIRROR = "s3://zoo/mirror"


class Proxy(QuietServer):
    """Passes requests on to a server; ``fault`` says what happens instead to the next requests of files.

    ``cut``: the connection is closed after half of the answer, once. ``silent``: no answer comes. ``refuse``: 403.
    """

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port_behind = port
        self.fault = ""
        self.ranges = []
        self.stopping = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _answer(self):
        proxy = self.server
        wanted = self.headers.get("Range", "")
        if wanted:
            proxy.ranges.append(wanted)
        if proxy.fault == "silent":
            proxy.stopping.wait()
            self.close_connection = True
            return
        if proxy.fault == "refuse":
            self._send(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
            return
        behind = http.client.HTTPConnection("127.0.0.1", proxy.port_behind)
        behind.request(self.command, self.path, headers=dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if proxy.fault == "cut" and wanted:
            proxy.fault = ""
            self.close_connection = True
            self._send(answer.status, dict(answer.getheaders()), content, sent=len(content) // 2)
            return
        self._send(answer.status, dict(answer.getheaders()), content)

    do_GET = do_HEAD = _answer  # noqa: N815

    def _send(self, status, headers, content, sent=None):
        self.send_response_only(status)
        length = f"{len(content)}"
        for name, value in headers.items():
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])

    def log_message(self, format, *args):
        """Commands print in this process, too."""


@contextmanager
def running_proxy(port):
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stopping.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()


@pytest.fixture(scope="module")
def port():
    """The port of moto's server, whose bucket ``zoo`` has a published file and a mirror."""
    import logging

    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    port = moto.get_host_and_port()[1]
    urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/reset", b"").close()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="hush-hush",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="zoo")
    for key in ("published/net.tflite", f"mirror/{entry_path(FILE.checksum)}"):
        client.put_object(Bucket="zoo", Key=key, Body=WEIGHTS)
    yield port
    moto.stop()


@pytest.fixture
def s3(port, monkeypatch):
    """The proxy before moto's server, at the address that clients find in the environment."""
    with running_proxy(port) as proxy:
        environment = {
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "hush-hush",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        stores._connect.cache_clear()
        yield proxy
        stores._connect.cache_clear()


@pytest.fixture
def fetch(tmp_path):
    return Fetch(tmp_path / "files")


@pytest.fixture
def zoo(tmp_path):
    """A registry of a model whose file is in the store, and of one whose host is gone."""
    file = {"name": "net.tflite", "size": len(WEIGHTS), "checksum": FILE.checksum.value}
    sources = {"stored": "s3://zoo/published/net.tflite", "gone": "https://models.invalid/net"}
    for name, source in sources.items():
        content = model_yml(files=[{**file, "source": source}], outputs=None)
        write_model(tmp_path / "models", name, content)
    return tmp_path / "models"


def test_a_declared_file_and_a_mirror_are_downloaded(s3, zoo, tmp_path):
    for name, flags in (("stored", ()), ("gone", ("--mirror", MIRROR))):
        places = ("--models_dir", zoo, "--weights_dir", tmp_path, "--cache_dir", tmp_path / name)
        done = posezoo_process("download", name, *places, *flags)
        assert_success(done)
        assert (tmp_path / "public" / name / "net.tflite").read_bytes() == WEIGHTS
    assert "bytes=1048576-2097151" in s3.ranges


def test_an_answer_that_is_cut_is_resumed(s3, fetch):
    s3.fault = "cut"
    assert fetch(FILE).read_bytes() == WEIGHTS
    assert s3.fault == ""


def test_a_missing_file_is_named(s3, fetch):
    missing = declared("net.tflite", WEIGHTS, StorageSource("s3://zoo/published/none.tflite"))
    with pytest.raises(SourceError, match=r"s3://zoo/published/none\.tflite: does not have"):
        fetch(missing)


def test_a_refused_access_is_named_with_the_credentials_and_without_secrets(s3, fetch):
    s3.fault = "refuse"
    with pytest.raises(SourceError, match="the store refuses access") as caught:
        fetch(FILE)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert "hush" not in f"{caught.value}{fetch.warnings}"


def test_a_silent_store_is_given_up(s3, fetch):
    s3.fault = "silent"
    with pytest.raises(SourceError, match=r"no answer within 0\.5 s"):
        fetch(FILE, timeout_s=0.5, attempts=2)


@pytest.mark.parametrize("fault", ["", "refuse", "silent"])
def test_after_a_mirror_without_the_file_or_with_a_fault_the_source_is_asked(s3, fetch, fault):
    s3.fault = fault
    other = bytes(len(WEIGHTS))
    with Server() as server:
        file = declared("other.tflite", other, server.serve("other", other))
        timeout_s = 1.0 if fault == "silent" else 20.0
        assert fetch(file, mirrors=(MIRROR,), timeout_s=timeout_s).read_bytes() == other
    assert bool(fault) == ("s3://zoo/mirror/1/" in fetch.warnings)
