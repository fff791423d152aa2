"""Cameras on the loopback."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from fakes.rtsp import LocalServer
from posezoo.media.images import Image

FPS = 10
SIZE = (640, 480)


def show_grey() -> Image:
    return np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)


class MjpegCameras(LocalServer):
    """MJPEG over http at any path; a path that ``down`` has answers 503, and drops."""

    def __init__(self, show: Callable[[], Image] = show_grey) -> None:
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
