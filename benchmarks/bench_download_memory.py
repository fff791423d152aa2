"""Measure the memory of a download of 512 MiB from a local server.

It is compared with a minimal script that uses requests, and only writes and hashes the bytes. Each
round is a new process, because a process has only one peak. The exit code is 1 if a peak exceeds
the limit.

    python benchmarks/bench_download_memory.py
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from harness import machine, record, spread

SIZE = 512 << 20  # bytes
PIECE = bytes(1 << 20)
ROUNDS = 5
LIMIT_MIB = 60.0


def serve(ready: Connection) -> None:
    """Answer every request with 512 MiB of zeros."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            client, _ = listener.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE
                )
                for _ in range(SIZE // len(PIECE)):
                    client.sendall(PIECE)


def ours(url: str, folder: Path, sha384: str) -> None:
    """Download with posezoo."""
    from posezoo.download.model_download import download_model
    from posezoo.download.options import DownloadOptions
    from posezoo.layout import ModelLayout
    from posezoo.spec.model import (
        Digest,
        Family,
        Framework,
        HttpSource,
        License,
        ModelSpec,
        SourceFile,
    )

    file = SourceFile("weights.bin", SIZE, Digest("sha384", sha384), (HttpSource(url),))
    spec = ModelSpec(
        "big",
        Family.PUBLIC,
        folder / "model.yml",
        "",
        "",
        Framework.TFLITE,
        License("Apache-2.0"),
        (file,),
    )
    (path,) = download_model(spec, ModelLayout(folder, folder), DownloadOptions(None)).files
    assert path.stat().st_size == SIZE


def bare(url: str, folder: Path, sha384: str) -> None:
    """Download with requests and hashlib only."""
    import requests

    hasher = hashlib.sha384()
    with (
        requests.get(url, stream=True, timeout=30) as response,
        open(folder / "weights.bin", "wb") as file,
    ):
        for piece in response.iter_content(1 << 20):
            file.write(piece)
            hasher.update(piece)
    assert hasher.hexdigest() == sha384


WAYS = {"posezoo": ours, "bare requests": bare}


def measure(way: str, url: str, sha384: str) -> tuple[float, float]:
    """Peak RSS in MiB and wall time in seconds of one round in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, way, url, folder, sha384]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    peak, seconds = said.split()
    return float(peak), float(seconds)


def run_round(way: str, url: str, folder: str, sha384: str) -> None:
    """One round: prints its peak RSS in MiB and its seconds."""
    started = time.perf_counter()
    WAYS[way](url, Path(folder), sha384)
    seconds = time.perf_counter() - started
    print(peak_mib(), seconds)


def peak_mib() -> float:
    """This process's largest resident set so far, in MiB.

    On Linux, /proc is read: getrusage there also counts the memory of the parent before the exec.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; bytes on macOS
        return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def expected_sha384() -> str:
    """The SHA-384 of 512 MiB of zeros."""
    hasher = hashlib.sha384()
    for _ in range(SIZE // len(PIECE)):
        hasher.update(PIECE)
    return hasher.hexdigest()


def main() -> int:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(sender,), daemon=True)
    server.start()
    url, sha384 = f"http://127.0.0.1:{receiver.recv()}/weights.bin", expected_sha384()
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    try:
        for _ in range(ROUNDS):
            for way, measured in rounds.items():  # in turn, so that other load affects both
                measured.append(measure(way, url, sha384))
    finally:
        server.terminate()
    metrics: dict[str, object] = {"size_bytes": SIZE, "rounds": ROUNDS, "limit_mib": LIMIT_MIB}
    for way, measured in rounds.items():
        peaks, seconds = (
            spread([round(value, 2) for value in column]) for column in zip(*measured, strict=True)
        )
        metrics[way] = {"peak_rss_mib": peaks, "seconds": seconds}
        print(
            f"{way:14} peak RSS {peaks['min']:.1f} / {peaks['median']:.1f} /"
            f" {peaks['max']:.1f} MiB",
            end="",
        )
        print(
            f", {seconds['min']:.2f} / {seconds['median']:.2f} / {seconds['max']:.2f} s (min /"
            " median / max)"
        )
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    record("bench_download_memory", metrics)
    worst = max(peak for peak, _ in rounds["posezoo"])
    print(f"limit {LIMIT_MIB:.0f} MiB: {'kept' if worst <= LIMIT_MIB else 'EXCEEDED'}")
    return int(worst > LIMIT_MIB)


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "127.0.0.1"
    if len(sys.argv) == 5:
        run_round(*sys.argv[1:])
        sys.exit(0)
    sys.exit(main())
