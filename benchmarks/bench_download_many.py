"""Download 200 files of 1 MB, eight at a time, from a server with 50 ms of latency.

The files are 200 models, or one model with 200 files. They are compared with an ideal client: eight
threads, each with one connection, that write and hash the bytes, without temporary files, locks,
records or syncs. Each round is a new process, and the clients run in turn. A second case is a
server that sends 10 MB/s on each connection, with eight. The exit code is 1 if a bar is missed.

    python benchmarks/bench_download_many.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from downloads import DOWNLOADER, Run, server, sha384_of, timed, write_model
from harness import amount, exit_code, machine, record, spread

JOBS, SIZE, LATENCY_MS = 8, 1_000_000, 50
FILES = amount(200, trial=20)
ROUNDS = amount(5)
SLOW_MB = amount(480, trial=40)
TIMES_IDEAL = 1.6
RATE, LEAST_MB_PER_S = 10_000_000, 60.0
IDEAL, MANY, ONE = "ideal client", "200 models", "one model"

_IDEAL = """
import hashlib, http.client, sys, threading
folder, port, query, jobs, size, count = sys.argv[1:]
names, lock = iter(range(int(count))), threading.Lock()
def work():
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    while True:
        with lock:
            number = next(names, None)
        if number is None:
            return
        connection.request("GET", f"/f{number}-{size}.bin?{query}")
        hasher = hashlib.sha384()
        with connection.getresponse() as response, open(f"{folder}/{number}", "wb") as file:
            while piece := response.read(1 << 18):
                file.write(piece)
                hasher.update(piece)
threads = [threading.Thread(target=work) for _ in range(int(jobs))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def declare(url: str, root: Path, count: int) -> None:
    """Declare the same files as one model each, and as one model."""
    query = f"latency_ms={LATENCY_MS}"
    rows = []
    for number in range(count):
        name = f"f{number}-{SIZE}.bin"
        rows.append((f"{number}.bin", SIZE, sha384_of(f"f{number}", SIZE), f"{url}/{name}?{query}"))
    for row in rows:
        write_model(root / MANY, f"m{row[0].removesuffix('.bin')}", [row])
    write_model(root / ONE, "all", rows)


def ours(models: Path, folder: Path, *more: object) -> list[object]:
    """The command that downloads all models of a folder."""
    places = ["--models_dir", models, "-o", folder]
    return [sys.executable, DOWNLOADER, "--all", *places, "-j", JOBS, *more]


def measured(command: Callable[[Path], Sequence[object]]) -> Run:
    """A run into a folder of its own, which must leave all files."""
    with tempfile.TemporaryDirectory() as folder:
        run = timed(command(Path(folder)))
        found = sum(path.stat().st_size == SIZE for path in Path(folder).rglob("*"))
    assert (run.code, found) == (0, FILES), f"ends with {run.code} and {found} files"
    return run


def slow_host(url: str, root: Path, number: int) -> float:
    """MB/s of one file over eight connections to a server that limits each; includes Python's
    start.
    """
    name, size = f"slow{number}", SLOW_MB * 1_000_000
    address = f"{url}/{name}-{size}.bin?rate={RATE}&latency_ms={LATENCY_MS}"
    write_model(root / name, name, [("w.bin", size, sha384_of(name, size), address)])
    with tempfile.TemporaryDirectory(dir=root) as folder:
        run = timed(ours(root / name, Path(folder), "--connections", 8))
        assert run.code == 0
    return SLOW_MB / run.seconds


def main() -> int:
    """Measure, print, record."""
    print(machine())
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        declare(url, root, FILES)
        ideal = [url.rpartition(":")[2], f"latency_ms={LATENCY_MS}", JOBS, SIZE, FILES]
        ways: dict[str, Callable[[Path], Sequence[object]]] = {
            IDEAL: lambda folder: [sys.executable, "-c", _IDEAL, folder, *ideal],
            MANY: lambda folder: ours(root / MANY, folder),
            ONE: lambda folder: ours(root / ONE, folder),
        }
        rounds = [
            {way: measured(command).seconds for way, command in ways.items()} for _ in range(ROUNDS)
        ]
        speeds = spread([slow_host(url, root, number) for number in range(3)])
    seconds = {way: spread([each[way] for each in rounds]) for way in ways}
    record("bench_download_many", {"files": FILES, **seconds, "slow_host_mb_per_s": speeds})
    missed = speeds["min"] < LEAST_MB_PER_S
    for way in (MANY, ONE):
        times = seconds[way]["median"] / seconds[IDEAL]["median"]
        print(f"{way}: {times:.2f} times the ideal client, bar {TIMES_IDEAL}")
        missed |= times > TIMES_IDEAL
    print(f"eight connections of 10 MB/s: {speeds['min']:.1f} MB/s, bar {LEAST_MB_PER_S:.0f}")
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
