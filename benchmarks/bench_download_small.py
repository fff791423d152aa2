"""Download many files of 20 kB: what a file costs apart from its bytes.

One model with 200 files, one after the other, and 100 models with a file each, eight at a time,
from a server with 50 ms of latency. posezoo verifies the files, adds them to a cache, writes a
record of each, and waits until their bytes are on the disk. It is compared with a loop over
requests in as many threads, with one session, which hashes and renames the files, and with pooch,
if it is installed. Each run is a new process, and the clients run in turn. The exit code is 1 if a
bar is missed.

    python benchmarks/bench_download_small.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from downloads import DOWNLOADER, Run, server, sha384_of, timed, write_model
from harness import amount, exit_code, machine, record, spread

SIZE = 20_000
ROUNDS = amount(5)
OURS, REQUESTS, POOCH = "posezoo", "requests", "pooch"

_REQUESTS = """
import hashlib, os, requests, sys, threading
folder, listed, jobs = sys.argv[1:]
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=int(jobs)))
rows, lock = iter(open(listed).read().splitlines()), threading.Lock()
def work():
    while True:
        with lock:
            row = next(rows, None)
        if row is None:
            return
        url, name, sha384 = row.split()
        hasher = hashlib.sha384()
        part = f"{folder}/{name}.part"
        with session.get(url, stream=True, timeout=30) as response, open(part, "wb") as file:
            for piece in response.iter_content(1 << 18):
                file.write(piece)
                hasher.update(piece)
        assert hasher.hexdigest() == sha384
        os.replace(part, f"{folder}/{name}")
threads = [threading.Thread(target=work) for _ in range(int(jobs))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
_POOCH = """
import sys, pooch
from concurrent.futures import ThreadPoolExecutor
folder, listed, jobs = sys.argv[1:]
pooch.get_logger().setLevel("ERROR")
def fetch(row):
    url, name, sha384 = row.split()
    pooch.retrieve(url, f"sha384:{sha384}", fname=name, path=folder)
with ThreadPoolExecutor(int(jobs)) as pool:
    list(pool.map(fetch, open(listed).read().splitlines()))
"""


@dataclass(frozen=True)
class Case:
    """What is downloaded, and how many times the loop's wall and CPU time it may take."""

    name: str
    files: int
    in_one_model: bool
    latency_ms: int
    jobs: int
    times_wall: float
    times_cpu: float | None = None  # None: no bar


CASES = (
    Case("200 files of one model", amount(200, trial=5), True, 0, 1, 2.0, 1.6),
    Case("100 models", amount(100, trial=5), False, 50, 8, 1.4),
)


def declare(case: Case, url: str, root: Path) -> Path:
    """Declare the files as one model, or as one each, and list them in a file for the loops."""
    rows = []
    for number in range(case.files):
        seed = f"{case.jobs}f{number}"
        address = f"{url}/{seed}-{SIZE}.bin?latency_ms={case.latency_ms}"
        rows.append((f"{number}.bin", SIZE, sha384_of(seed, SIZE), address))
    if case.in_one_model:
        write_model(root / case.name, "all", rows)
    else:
        for row in rows:
            write_model(root / case.name, f"m{row[0].removesuffix('.bin')}", [row])
    listed = root / f"{case.name}.txt"
    lines = (f"{address} {name} {sha384}\n" for name, _, sha384, address in rows)
    listed.write_text("".join(lines), encoding="utf-8")
    return listed


def commands(case: Case, url: str, root: Path) -> dict[str, Callable[[Path], Sequence[object]]]:
    """The command of each client, for the folder to write to."""
    listed = declare(case, url, root)
    flags = ["--all", "--models_dir", root / case.name, "-j", case.jobs]
    found: dict[str, Callable[[Path], Sequence[object]]] = {
        REQUESTS: lambda folder: [sys.executable, "-c", _REQUESTS, folder, listed, case.jobs],
        OURS: lambda folder: [
            *(sys.executable, DOWNLOADER, *flags),
            *("-o", folder / "out", "--cache_dir", folder / "cache"),
        ],
    }
    if find_spec("pooch"):
        found[POOCH] = lambda folder: [sys.executable, "-c", _POOCH, folder, listed, case.jobs]
    return found


def measured(command: Callable[[Path], Sequence[object]], root: Path, files: int) -> Run:
    """A run into a folder of its own, which must leave all files."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        run = timed(command(Path(folder)))
        found = sum(path.stat().st_size == SIZE for path in Path(folder).rglob("*.bin"))
    assert (run.code, found) == (0, files), f"ends with {run.code} and {found} files"
    return run


def compare(case: Case, runs: dict[str, list[Run]]) -> bool:
    """Print how many times the loop's time posezoo takes; whether a bar is missed."""
    medians = {
        way: (
            spread([run.seconds for run in of_way])["median"],
            spread([run.cpu_s for run in of_way])["median"],
        )
        for way, of_way in runs.items()
    }
    wall, cpu = (ours / loop for ours, loop in zip(medians[OURS], medians[REQUESTS], strict=True))
    bars = f"bars {case.times_wall} and {case.times_cpu or 'none'}"
    print(f"{case.name}: {wall:.2f} times the loop's wall time, {cpu:.2f} its CPU time; {bars}")
    return wall > case.times_wall or (case.times_cpu is not None and cpu > case.times_cpu)


def main() -> int:
    """Measure, print, record."""
    print(machine())
    missed = False
    results = {}
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for case in CASES:
            ways = commands(case, url, root)
            runs: dict[str, list[Run]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, command in ways.items():
                    runs[way].append(measured(command, root, case.files))
            results[case.name] = {
                way: {
                    "seconds": spread([run.seconds for run in of_way]),
                    "cpu_s": spread([run.cpu_s for run in of_way]),
                }
                for way, of_way in runs.items()
            }
            missed |= compare(case, runs)
    record("bench_download_small", {"size_bytes": SIZE, "rounds": ROUNDS, **results})
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
