"""Download 200 files of 1 MB, eight at a time, from a server with 50 ms of latency.

The files are 200 models, or one model with 200 files. They are compared with an ideal client: eight
threads, each with one connection, that write and hash the bytes, without temporary files, locks,
records or syncs. Each round is a new process, and the clients run in turn. A second case is a
server that sends 10 MB/s on each connection, with eight connections. The exit code is 1 if a bar is
missed.

    python benchmarks/bench_download_many.py
    python benchmarks/bench_download_many.py --files 40 --mb 40 --rounds 1     # a quick test of
    this script
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from downloads import DOWNLOADER, Run, server, sha384_of, timed, write_model
from harness import machine, record, spread

JOBS, SIZE, LATENCY_MS = 8, 1_000_000, 50
TIMES_IDEAL = 1.6
RATE, LEAST_MB_PER_S = 10_000_000, 60.0
IDEAL, MANY, ONE = "ideal client", "200 models", "one model"

_IDEAL = """
import hashlib, http.client, sys, threading
port, folder, query, jobs, size, count = sys.argv[1:]
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
    return [
        sys.executable,
        DOWNLOADER,
        "--all",
        "--models_dir",
        models,
        "-o",
        folder,
        "-j",
        JOBS,
        *more,
    ]


def measured(command: Sequence[object], folder: Path, count: int) -> Run:
    """Measure a run, and check that it downloaded this number of files."""
    run = timed(command)
    found = sum(path.stat().st_size == SIZE for path in folder.rglob("*"))
    assert (run.code, found) == (0, count), f"{command} ends with {run.code} and {found} files"
    return run


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description="200 files at once")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--mb", type=int, default=480)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    runs: dict[str, list[Run]] = {IDEAL: [], MANY: [], ONE: []}
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        declare(url, root, args.files)
        port, query = url.rpartition(":")[2], f"latency_ms={LATENCY_MS}"
        for _ in range(args.rounds):
            for way, each in runs.items():
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    ideal = [
                        sys.executable,
                        "-c",
                        _IDEAL,
                        port,
                        folder,
                        query,
                        JOBS,
                        SIZE,
                        args.files,
                    ]
                    command = ideal if way == IDEAL else ours(root / way, Path(folder))
                    each.append(measured(command, Path(folder), args.files))
        speeds = [_slow_host(url, root, args.mb, number) for number in range(min(3, args.rounds))]
    seconds = {way: spread([round(run.seconds, 3) for run in each]) for way, each in runs.items()}
    metrics = {
        "files": args.files,
        "rounds": args.rounds,
        **seconds,
        "slow_host_mb_per_s": spread(speeds),
    }
    for way, each in runs.items():
        cpu = spread([run.cpu_s for run in each])["median"]
        print(f"{way:13} {seconds[way]['min']:.2f} to {seconds[way]['max']:.2f} s, {cpu:.2f} CPU s")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    if (args.files, args.mb) == (200, 480):
        record("bench_download_many", metrics)
    kept = [_told(way, seconds[way]["median"] / seconds[IDEAL]["median"]) for way in (MANY, ONE)]
    slowest = min(speeds)
    print(f"eight connections of 10 MB/s: {slowest:.1f} MB/s, at least {LEAST_MB_PER_S:.0f} wanted")
    return int(not all([*kept, slowest >= LEAST_MB_PER_S]))


def _slow_host(url: str, root: Path, size_mb: int, number: int) -> float:
    """MB/s of one file over eight connections to a server that limits each; includes Python's
    start.
    """
    name, size = f"slow{number}", size_mb * 1_000_000
    address = f"{url}/{name}-{size}.bin?rate={RATE}&latency_ms={LATENCY_MS}"
    write_model(root / name, name, [("w.bin", size, sha384_of(name, size), address)])
    with tempfile.TemporaryDirectory(dir=root) as folder:
        run = timed(ours(root / name, Path(folder), "--connections", 8))
        assert run.code == 0
    return round(size_mb / run.seconds, 1)


def _told(way: str, times: float) -> bool:
    kept = times <= TIMES_IDEAL
    print(
        f"{way}: {times:.2f} times the ideal client, bar {TIMES_IDEAL}:"
        f" {'kept' if kept else 'MISSED'}"
    )
    return kept


if __name__ == "__main__":
    sys.exit(main())
