"""Stores that tests start themselves, and a proxy in front of them that fails on request."""

from __future__ import annotations

import http.client
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler
from typing import Any

from fakes.quiet_server import QuietServer


class FaultyProxy:
    """Passes requests on to a local HTTP server, except those that ``faults`` chooses.

    ``fails_every``: each n-th request is answered 503. ``cut``: a method; the connection is closed after half
    of the body of each such request. ``silent``: a method; such a request is never answered.
    """

    def __init__(self, port: int) -> None:
        self.port_behind, self.fails_every, self.cut, self.silent = port, 0, "", ""
        self.cuts_left = 1 << 30
        self.requests: list[tuple[str, str]] = []
        self.failed = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._http = _Threads(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def verdict(self, method: str, path: str) -> str:
        with self._lock:
            self.requests.append((method, path))
            if self.silent and method == self.silent:
                return "silent"
            if self.cut and method == self.cut and self.cuts_left > 0:
                self.cuts_left -= 1
                self.failed += 1
                return "cut"
            if self.fails_every and len(self.requests) % self.fails_every == 0:
                self.failed += 1
                return "503"
            return ""


class _Threads(QuietServer):
    owner: FaultyProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Threads

    def _pass_on(self) -> None:
        owner = self.server.owner
        verdict = owner.verdict(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        if verdict == "cut":
            self.rfile.read(length // 2)
            self.close_connection = True
            self.connection.shutdown(2)
            return
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if verdict == "silent":
            owner.stopping.wait()
            self.close_connection = True
            return
        if verdict == "503":
            self._answer(
                503,
                {},
                b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>",
            )
            return
        behind = http.client.HTTPConnection("127.0.0.1", owner.port_behind)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() != "transfer-encoding"
        }
        if body or self.command in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        content = answer.read()
        self._answer(answer.status, dict(answer.getheaders()), content)
        behind.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length") or headers.get("content-length") or str(len(content))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``FaultyProxy.requests``."""


class S3:
    """moto's S3 server behind a ``FaultyProxy``, with an empty bucket named ``zoo``."""

    def __init__(self) -> None:
        import logging

        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)

    def __enter__(self) -> S3:
        self.server.start()
        self.port = self.server.get_host_and_port()[1]
        self.proxy = FaultyProxy(self.port).__enter__()
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/moto-api/reset", b"").close()
        self.client().create_bucket(Bucket="zoo")
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.__exit__()
        self.server.stop()

    def client(self) -> Any:
        """boto3's client, which is not behind the proxy."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="hush-hush",
            region_name="us-east-1",
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a client's tools read."""
        return {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "hush-hush",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def names(self, prefix: str = "") -> list[str]:
        found = self.client().list_objects_v2(Bucket="zoo", Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return self.client().get_object(Bucket="zoo", Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        self.client().put_object(Bucket="zoo", Key=key, Body=content)
