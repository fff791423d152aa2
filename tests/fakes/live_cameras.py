"""Cameras on the loopback that show in the pixels when each frame was sent."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from fakes.rtsp import CLOCK, PART, Camera, LocalServer
from posezoo.media.images import Image

FPS = 10
SIZE = (640, 480)
_BITS, _SIDE = 24, 16  # a time in milliseconds, a square of pixels for each bit


def timed_image() -> Image:
    """A picture with the time at which it was made."""
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    bits = int(time.monotonic() * 1000) % 2**_BITS
    for bit in range(_BITS):
        image[:_SIDE, bit * _SIDE : (bit + 1) * _SIDE] = 255 * (bits >> bit & 1)
    return image


def age_of(image: Image) -> float:
    """The seconds since the picture was made."""
    middle = _SIDE // 2
    bits = sum(int(image[middle, bit * _SIDE + middle].mean() > 128) << bit for bit in range(_BITS))
    return (time.monotonic() * 1000 - bits) % 2**_BITS / 1000


class MjpegCameras(LocalServer):
    """MJPEG over http at any path; a path that ``down`` has answers 503, and drops."""

    def __init__(self, show: Callable[[], Image] = timed_image) -> None:
        self.down: set[str] = set()
        self.askers: list[str] = []
        cameras = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cameras.askers.append(self.headers.get("User-Agent", ""))
                if self.path in cameras.down:
                    self.send_error(503)
                    return
                if self.path.startswith("/moved/"):
                    self.send_response(302)
                    self.send_header("Location", self.path.removeprefix("/moved"))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
                self.end_headers()
                try:
                    while self.path not in cameras.down:
                        self._send(cv2.imencode(".jpg", show())[1].tobytes())
                        time.sleep(1 / FPS)
                except OSError:
                    pass

            def _send(self, jpeg: bytes) -> None:
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"


class H264Camera(Camera):
    """H.264 over RTSP with a login, and a key frame every two seconds; ``is_on`` ends a
    connection.
    """

    MEDIA = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1"

    def __init__(self, login: str) -> None:
        super().__init__([], [], login)

    def _play(self, write: object) -> None:
        import av

        self.plays += 1
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = SIZE
        encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, FPS)
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(2 * FPS)}
        number = tick = 0
        try:
            while self.is_on:
                for packet in encoder.encode(av.VideoFrame.from_ndarray(timed_image(), "bgr24")):
                    for packed in _rtp_packets(bytes(packet), tick, number):
                        write(packed)  # type: ignore[operator]
                        number += 1
                tick += CLOCK // FPS
                time.sleep(1 / FPS)
        except OSError:
            pass


def _rtp_packets(stream: bytes, tick: int, first_number: int) -> Iterator[bytes]:
    """A frame of H.264 as RTP packets (RFC 6184), framed for a TCP connection."""
    units = [unit for unit in re.split(rb"\x00\x00\x00?\x01", stream) if unit]
    parts: list[bytes] = []
    for unit in units:
        if len(unit) <= PART:
            parts.append(unit)
            continue
        pieces = [unit[start : start + PART] for start in range(1, len(unit), PART)]
        for place, piece in enumerate(pieces):
            ends = 0x80 * (place == 0) | 0x40 * (place == len(pieces) - 1)
            parts.append(bytes([unit[0] & 0xE0 | 28, ends | unit[0] & 0x1F]) + piece)
    for number, part in enumerate(parts):
        marker = 0x80 * (number == len(parts) - 1)
        sequence = (first_number + number) % 65536
        packet = struct.pack(">BBHII", 0x80, marker | 96, sequence, tick % 2**32, 7) + part
        yield struct.pack(">cBH", b"$", 0, len(packet)) + packet
