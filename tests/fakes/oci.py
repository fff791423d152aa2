"""A real registry (Debian's docker-registry) in a process of its own and its memory, and a proxy before it that misbehaves."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from fakes.ports import reserved_port
from fakes.quiet_server import QuietServer
from fakes.waiting import wait_until


class OciRegistry:
    """``with OciRegistry(folder) as registry: push to f"oci://{registry.host}/team/net:1"``."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self._reserved = ExitStack()
        self.port = self._reserved.enter_context(reserved_port())
        self.host, self.folder = f"localhost:{self.port}", folder
        folder.mkdir(parents=True)
        (folder / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
            "storage: {inmemory: {}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'{', ' + more if more.startswith('tls') else ''}}}\n"
            + ("" if more.startswith("tls") else more)
        )

    def __enter__(self) -> OciRegistry:
        command = ["docker-registry", "serve", str(self.folder / "config.yml")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reserved.close()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def require_programs() -> None:
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


class FaultyProxy:
    """Passes requests on to a registry, and spoils them as ``faults`` say.

    A fault gets the method and the path, and returns what to do, or None: ``{"status": 503}`` answers so,
    ``{"cut": N}`` ends the connection after N bytes of the body, ``{"flip": N}`` changes byte N of the answer's
    body, ``{"flip_sent": N}`` that of the request.
    """

    def __init__(
        self, registry: OciRegistry, fault: Callable[[str, str], dict[str, int] | None]
    ) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                sent = bytearray(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                proxy.requests.append((self.command, self.path, dict(self.headers)))
                spoiled = fault(self.command, self.path) or {}
                if "status" in spoiled:
                    self.send_response(spoiled["status"])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if "flip_sent" in spoiled:
                    sent[spoiled["flip_sent"]] ^= 1
                onward = http.client.HTTPConnection("127.0.0.1", registry.port)
                onward.request(self.command, self.path, bytes(sent), dict(self.headers))
                answer = onward.getresponse()
                body = bytearray(answer.read())
                if "flip" in spoiled:
                    body[spoiled["flip"]] ^= 1
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: spoiled.get("cut", len(body))])
                if "cut" in spoiled:
                    self.close_connection = True
                onward.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = pass_on  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Tests are quiet."""

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._http.server_address[1]}"

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def asked(self, method: str, part: str) -> list[dict[str, str]]:
        """The headers of each request of a method whose path contains a text."""
        return [headers for verb, path, headers in self.requests if verb == method and part in path]
