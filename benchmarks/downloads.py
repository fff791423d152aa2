"""Shared by the benchmarks of downloads: a server, models with files on this server, and timed
processes.

The file ``SEED-SIZE.bin`` is SIZE bytes: the seed and then zeros. In the query, ``latency_ms`` is a
pause before each response, and ``rate`` the bytes per second of each connection.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[1]
DOWNLOADER = ROOT / "tools" / "downloader" / "downloader.py"
ZEROS = bytes(1 << 20)

MODEL_YML = """\
description: Bytes.
task_type: human_pose_estimation
files:
{files}
input_info: [{{name: x, shape: [1, 3, 4, 4], layout: NCHW}}]
framework: onnx
model_optimizer_args: ["--input_model=$dl_dir/{first}"]
license: https://127.0.0.1/license
"""


@dataclass(frozen=True)
class Run:
    """The time, memory and exit code of a process."""

    seconds: float
    cpu_s: float
    peak_mib: float
    code: int


def timed(command: Sequence[object]) -> Run:
    """Run a process to its end."""
    start_time = time.perf_counter()
    child = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # As after an installation, the modules are compiled before, if only by the first round.
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": ""},
    )
    if sys.platform == "win32":
        raise OSError("Windows does not say what a child used")
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start_time
    child.returncode = os.waitstatus_to_exitcode(status)
    # On Linux, ru_maxrss is in KiB. It is at least what this process had at the fork, about 20 MiB.
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, child.returncode)


def body_of(seed: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, in pieces."""
    head = seed.encode()[:size]
    yield head
    left = size - len(head)
    while left:
        yield ZEROS[:left] if left < len(ZEROS) else ZEROS
        left -= min(left, len(ZEROS))


def sha384_of(seed: str, size: int) -> str:
    """The SHA-384 of a file."""
    hasher = hashlib.sha384()
    for piece in body_of(seed, size):
        hasher.update(piece)
    return hasher.hexdigest()


def write_model(root: Path, name: str, files: Sequence[tuple[str, int, str, str]]) -> None:
    """Write a model.yml that Open Model Zoo's tools can read, too.

    Args:
        files: name, size in bytes, SHA-384 and address of each file.
    """
    declared = [
        f"  - {{name: {file}, size: {size}, checksum: '{sha384}', source: '{url}'}}"
        for file, size, sha384, url in files
    ]
    text = MODEL_YML.format(files="\n".join(declared), first=files[0][0])
    folder = root / "public" / name
    folder.mkdir(parents=True)
    (folder / "model.yml").write_text(text, encoding="utf-8")


@contextmanager
def server() -> Iterator[str]:
    """Run a server, and return its address."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()


def _serve(ready: Connection) -> None:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    ready.send(http.server_address[1])
    http.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        requested = {name: float(values[0]) for name, values in parse_qs(address.query).items()}
        time.sleep(requested.get("latency_ms", 0.0) / 1000)
        seed, _, size = address.path.rsplit("/", 1)[-1].removesuffix(".bin").rpartition("-")
        self._answer(seed, int(size), requested.get("rate", 0.0))

    def _answer(self, seed: str, size: int, rate: float) -> None:
        first, last = self._range(size)
        self.send_response(206 if "Range" in self.headers else 200)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        # The Hugging Face Hub sends these headers.
        self.send_header("ETag", f'"{seed}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        if first:
            self._send(body_of("", last + 1 - first), last + 1 - first, rate)
        else:
            self._send(body_of(seed, last + 1), last + 1, rate)

    def _range(self, size: int) -> tuple[int, int]:
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        return int(first), min(int(last), size - 1) if last else size - 1

    def _send(self, pieces: Iterator[bytes] | list[bytes], length: int, rate: float) -> None:
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        start_time, sent = time.monotonic(), 0
        for piece in pieces:
            step = 1 << 17 if rate else len(piece) or 1
            for at in range(0, len(piece), step):
                self.wfile.write(piece[at : at + step])
                sent += step
                if rate:
                    time.sleep(max(0.0, start_time + sent / rate - time.monotonic()))

    def handle(self) -> None:
        """Answer requests; some benchmarks close the connection early."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
