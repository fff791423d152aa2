"""A local HTTP server that misbehaves on request, and remembers what it was asked."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from http.server import BaseHTTPRequestHandler

from fakes.quiet_server import QuietServer

PAGE = b"<!DOCTYPE html><html><body>Not the file.</body></html>"


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message
    port: int  # of the client: the same for all requests of one connection
    body: bytes = b""  # what was posted


@dataclass
class Answer:
    """How one path answers; what is set below ``times`` holds for that many requests, then all is well."""

    body: bytes
    status: Sequence[int] = ()  # in turn, then 200
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None  # None: always
    cut_at: int | None = None  # so many bytes of the body, then the connection ends
    hang_at: int | None = None  # so many bytes of the body, then nothing more
    length: int | None = None  # announced in place of the real one
    without_length: bool = False  # the body ends with the connection
    chunked: bool = False
    wrong_byte: int | None = None  # at this place of the body
    endless: bool = False  # the body is sent again and again
    silence_s: float = 0.0  # before the answer
    answers: threading.Event | None = None  # is set when it may answer
    header_drip_s: float = 0.0  # before each byte of an endless header
    body_drip_s: float = 0.0  # before each byte of the body
    drip_bytes: int = 1  # so many at a time
    bytes_per_s: int = 0  # of each connection; 0: as fast as it goes
    drips_from: int = 0  # what comes before comes at once
    chunk_size_drip_s: float = 0.0  # before each digit of an endless size of the first chunk
    early_hints: bool = False  # a 103 before the answer
    informational: Sequence[int] = ()  # before the answer too
    resets: bool = False  # the connection, in place of an answer
    ranges: bool = False  # gives the rest of the body where a part is asked for
    etag: str = ""  # says which version it is, gives the rest, and heeds If-Range
    content_range: str = ""  # said in place of the right one
    ignores_if_range: bool = False
    asked: int = 0


class Server:
    """``with Server() as server: server.serve("weights.pth", WEIGHTS, cut_at=1000)``."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.most_at_once: int | None = None  # requests; one more is answered 429
        self.at_once = 0
        self.peak = 0  # of at_once
        self.stopping = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.lock = threading.Lock()
        self._http = _Threads(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._scheme = "https" if tls else "http"
        if tls:
            # A client that is killed in a handshake holds up its own thread alone.
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def serve(self, name: str, body: bytes = b"", **faults: object) -> str:
        """Answer requests for a name; returns its address."""
        self.answers[f"/{name}"] = Answer(body, **faults)  # type: ignore[arg-type]
        return self.url(name)

    def url(self, name: str = "") -> str:
        return f"{self._scheme}://localhost:{self._http.server_address[1]}/{name}"

    def asked(self, name: str) -> int:
        """How often a name was asked for."""
        return sum(request.path == f"/{name}" for request in self.requests)


class _Threads(QuietServer):
    owner: Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Threads
    body = b""

    def do_GET(self) -> None:
        owner = self.server.owner
        with owner.lock:
            owner.at_once += 1
            owner.peak = max(owner.peak, owner.at_once)
            too_many = owner.most_at_once is not None and owner.at_once > owner.most_at_once
        try:
            if too_many:
                owner.stopping.wait(0.02)  # as long as others take
                self._answer(Answer(b"", status=[429] * 9), 1)
            else:
                self._get(owner)
        finally:
            with owner.lock:
                owner.at_once -= 1

    def _get(self, owner: Server) -> None:
        with owner.lock:
            body, self.body = self.body, b""
            owner.requests.append(Request(self.path, self.headers, self.client_address[1], body))
            answer = owner.answers.get(self.path) or Answer(PAGE, status=[404] * 99)
            answer.asked += 1
            turn = answer.asked
        if answer.times is not None and turn > answer.times:
            answer = Answer(answer.body, etag=answer.etag, ranges=answer.ranges)
        self._answer(answer, turn)

    def do_CONNECT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    do_PUT = do_POST  # noqa: N815

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, answer: Answer, turn: int) -> None:
        stopping = self.server.owner.stopping
        stopping.wait(answer.silence_s)
        while answer.answers is not None and not answer.answers.wait(0.05):
            if stopping.is_set():
                break
        if answer.early_hints:
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        for status in answer.informational:
            self.wfile.write(b"HTTP/1.1 %d Wait\r\n\r\n" % status)
        if answer.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if answer.header_drip_s:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stopping.wait(answer.header_drip_s):
                self.wfile.write(b"x")
            return
        status = answer.status[turn - 1] if turn <= len(answer.status) else 200
        body = _spoiled(answer)
        start, stop = self._wanted(answer, len(body)) if status == 200 else (0, None)
        if start >= len(body) > 0:
            status, body = 416, b""
        elif start or stop is not None:
            status, stop = 206, stop or len(body)
            answer = replace(
                answer,
                headers={
                    **answer.headers,
                    "Content-Range": answer.content_range
                    or f"bytes {start}-{stop - 1}/{len(body)}",
                },
            )
            body = body[start:stop]
        self._send_headers(answer, status, len(body))
        self._send_body(answer, body)

    def _wanted(self, answer: Answer, size: int) -> tuple[int, int | None]:
        """Where the bytes begin that are asked for, and where they end before the file does."""
        said = self.headers.get("Range", "")
        known = self.headers.get("If-Range", answer.etag)
        if (
            not (answer.etag or answer.ranges)
            or not said
            or (known != answer.etag and not answer.ignores_if_range)
        ):
            return 0, None
        first, _, last = said.removeprefix("bytes=").partition("-")
        return int(first), min(int(last) + 1, size) if last else None

    def _send_headers(self, answer: Answer, status: int, length: int) -> None:
        self.send_response(status)
        if answer.etag:
            self.send_header("ETag", answer.etag)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked or answer.chunk_size_drip_s:
            self.send_header("Transfer-Encoding", "chunked")
        elif not answer.without_length:
            self.send_header(
                "Content-Length", str(length if answer.length is None else answer.length)
            )
        self.end_headers()

    def _send_body(self, answer: Answer, body: bytes) -> None:
        if self.command == "HEAD":
            return
        stopping = self.server.owner.stopping
        stop = min(
            (at for at in (answer.cut_at, answer.hang_at) if at is not None), default=len(body)
        )
        self._write_body(answer, body, stop)
        while answer.endless and not stopping.is_set():
            self.wfile.write(body)
        if answer.hang_at is not None:
            stopping.wait()
        whole = answer.chunked or not (answer.without_length or answer.length)
        # A client reuses a connection whose end was not announced, and fails if it ends just then.
        was_cut = answer.cut_at is not None and (answer.chunked or stop < len(body))
        self.close_connection = not whole or was_cut or stopping.is_set()

    def _write_body(self, answer: Answer, body: bytes, stop: int) -> None:
        """The body up to ``stop``, as fast and in the pieces that the answer asks for."""
        stopping = self.server.owner.stopping
        if answer.bytes_per_s:
            for at in range(0, stop, piece := max(1, answer.bytes_per_s // 50)):
                self.wfile.write(body[at : min(at + piece, stop)])
                stopping.wait(0.02)
        elif answer.chunk_size_drip_s:
            while not stopping.wait(answer.chunk_size_drip_s):
                self.wfile.write(b"0")
        elif answer.body_drip_s:
            self._drip_body(answer, body, stop)
        elif answer.chunked:
            half = stop // 2
            for piece in (body[:half], body[half:stop]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if answer.cut_at is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body[:stop])

    def _drip_body(self, answer: Answer, body: bytes, stop: int) -> None:
        """A few bytes at a time, from some byte on."""
        if answer.chunked:
            self.wfile.write(b"%x\r\n" % len(body))
        self.wfile.write(body[: answer.drips_from])
        for at in range(answer.drips_from, stop, answer.drip_bytes):
            if self.server.owner.stopping.wait(answer.body_drip_s):
                break
            self.wfile.write(body[at : at + answer.drip_bytes])

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


def _spoiled(answer: Answer) -> bytes:
    if answer.wrong_byte is None:
        return answer.body
    body = bytearray(answer.body)
    body[answer.wrong_byte] ^= 1
    return bytes(body)
