"""A network camera that speaks RTSP: RFC 2326 with RTP in the same connection, and JPEG frames by RFC 2435."""

from __future__ import annotations

import base64
import re
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import cv2

from posezoo.media.images import Image

if TYPE_CHECKING:
    from typing_extensions import Self

CLOCK = 90_000  # ticks of RTP's timestamps a second
PART = 1400  # bytes of a frame in a packet


def split_jpeg(image: Image) -> tuple[bytes, bytes]:
    """The two tables of quantization and the scan of a JPEG with the standard Huffman tables."""
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    tables = b"".join(table[:64] for table in re.split(rb"\xff\xdb\x00\x43[\x00\x01]", jpeg)[1:])
    start = jpeg.index(b"\xff\xda")
    (length,) = struct.unpack_from(">H", jpeg, start + 2)
    return tables, jpeg[start + 2 + length : -2]


def packets_of(image: Image, tick: int, first_number: int) -> Iterator[bytes]:
    """The RTP packets of a frame, framed for a TCP connection."""
    tables, scan = split_jpeg(image)
    height, width = image.shape[:2]
    for number, offset in enumerate(range(0, len(scan), PART), first_number):
        part = scan[offset : offset + PART]
        # 4:2:0 is type 1; a quality of 255 says that the tables are in the first packet.
        header = struct.pack(">IBBBB", offset, 1, 255, width // 8, height // 8)
        if offset == 0:
            header += struct.pack(">BBH", 0, 0, len(tables)) + tables
        marker = 0x80 if offset + PART >= len(scan) else 0
        begin = struct.pack(">BBHII", 0x80, marker | 26, number % 65536, tick % 2**32, 7)
        packet = begin + header + part
        yield struct.pack(">cBH", b"$", 0, len(packet)) + packet


class LocalServer:
    """A server that answers as long as the context lasts."""

    _server: socketserver.BaseServer

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class Camera(LocalServer):
    """Serves the frames at given times, then ends the connection.

    Args:
        frames: BGR images whose sides are multiples of 16.
        ticks: when each is shown, in seconds.
        login: name and password that the camera asks for, as ``name:password``.
    """

    MEDIA = "m=video 0 RTP/AVP 26"  # in SDP: JPEG

    def __init__(self, frames: Sequence[Image], ticks: Sequence[float], login: str = "") -> None:
        self.frames, self.ticks, self.login = frames, ticks, login
        self.plays = 0
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self._read_request():
                    camera.answer(head, self.wfile)
                    if head.startswith("PLAY"):
                        return

            def _read_request(self) -> str:
                lines = []
                while line := self.rfile.readline().decode("latin-1"):
                    if not line.strip():
                        break
                    lines.append(line)
                return "".join(lines)

        self._server = socketserver.ThreadingTCPServer(("localhost", 0), Handler)
        self._server.daemon_threads = True
        port = self._server.server_address[1]
        prefix = f"{login}@" if login else ""
        self.address = f"rtsp://{prefix}localhost:{port}/1"

    def answer(self, head: str, stream: object) -> None:
        """Write the answer to a request; that to PLAY is followed by the frames."""
        write = stream.write  # type: ignore[attr-defined]
        verb = head.split()[0]
        number = re.search(r"CSeq: *(\d+)", head)
        status, lines, body = "200 OK", [f"CSeq: {number[1] if number else 0}"], ""
        if self.login and not self._knows(head):
            status = "401 Unauthorized"
            lines.append('WWW-Authenticate: Basic realm="camera"')
        elif verb == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif verb == "DESCRIBE":
            body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n{self.MEDIA}\r\n"
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif verb == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        else:
            lines.append("Session: 1")
        write("\r\n".join([f"RTSP/1.0 {status}", *lines, "", body]).encode())
        if verb == "PLAY" and status.startswith("200"):
            self._play(write)

    def _knows(self, head: str) -> bool:
        return f"Basic {base64.b64encode(self.login.encode()).decode()}" in head

    def _play(self, write: object) -> None:
        self.plays += 1
        number = 0
        for image, tick in zip(self.frames, self.ticks, strict=True):
            for packet in packets_of(image, round(tick * CLOCK), number):
                write(packet)  # type: ignore[operator]
                number += 1
