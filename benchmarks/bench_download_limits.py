"""The cost of downloads that fail, and of a second run.

Measured are an endless body, a gzip bomb, and ^C during a download. Then 1 GiB is already
downloaded: a run that has nothing to do, and one with --verify compared with plain hashing. Each
round is a new process. The exit code is 1 if a bar is missed.

    python benchmarks/bench_download_limits.py
    python benchmarks/bench_download_limits.py --mib 64 --rounds 1     # a quick test of this script
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from downloads import DOWNLOADER, server, sha384_of, timed, write_model
from harness import machine, record, spread

ENDLESS_MIB, BOMB_MIB, INTERRUPT_S, RERUN_S, TIMES_HASHING = 2.0, 80.0, 0.5, 0.3, 1.3

_HASH = """
import hashlib, sys
hasher, piece = hashlib.sha384(), memoryview(bytearray(1 << 20))
with open(sys.argv[1], "rb", buffering=0) as file:
    while size := file.readinto(piece):
        hasher.update(piece[:size])
"""


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description="the cost of downloads that fail, and of a second run"
    )
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        bench = Bench(url, Path(scratch), args.mib << 20, args.rounds)
        metrics = {
            "endless_mib": bench.endless(),
            "bomb_peak_mib": bench.bomb(),
            "interrupt_s": bench.interrupted(),
            "rerun_s": bench.rerun(),
            "verify_times_hashing": bench.verified(),
        }
    bars = (ENDLESS_MIB, BOMB_MIB, INTERRUPT_S, RERUN_S, TIMES_HASHING)
    missed = 0
    for (name, values), bar in zip(metrics.items(), bars, strict=True):
        kept = max(values) <= bar
        missed += not kept
        print(
            f"{name:22} {min(values):.3f} to {max(values):.3f}, bar {bar}:"
            f" {'kept' if kept else 'MISSED'}"
        )
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    if args.mib == 1024:
        record("bench_download_limits", {name: spread(values) for name, values in metrics.items()})
    return int(missed > 0)


class Bench:
    """Models with one file each, and runs of downloader.py that download them."""

    def __init__(self, url: str, root: Path, size: int, rounds: int) -> None:
        self._url, self._root, self._size, self._rounds = url, root, size, rounds

    def _command(self, name: str, size: int, served: str, *more: object) -> list[object]:
        """The command that downloads a file of this size."""
        models = self._root / name
        if not models.exists():
            write_model(
                models, name, [("w.bin", size, sha384_of(name, size), f"{self._url}/{served}")]
            )
        out = self._root / "out"
        return [sys.executable, DOWNLOADER, "--all", "--models_dir", models, "-o", out, *more]

    def endless(self) -> list[float]:
        """MiB that the server could send in addition to the declared one, with the system's
        buffers.
        """
        command, sent = self._command("endless", 1 << 20, "endless-0.bin"), []
        for _ in range(self._rounds):
            assert timed(command).code == 1
            with urlopen(f"{self._url}/sent-0.bin") as response:
                sent.append(int(response.read()) / (1 << 20) - 1)
        return sent

    def bomb(self) -> list[float]:
        """Peak MiB of a download whose gzip expands to 1 GiB, although 16 MiB are declared."""
        command = self._command("bomb", 16 << 20, f"bomb-{self._size}.bin")
        runs = [timed(command) for _ in range(self._rounds)]
        assert all(run.code == 1 for run in runs)
        return [run.peak_mib for run in runs]

    def interrupted(self) -> list[float]:
        """Seconds from ^C, while a body is received, to the end of the process."""
        command = self._command("slow", self._size, f"slow-{self._size}.bin?rate=1000000")
        runs = [timed(command, interrupt_after_s=2.0) for _ in range(self._rounds)]
        assert all(run.code == 130 for run in runs)
        return [run.seconds for run in runs]

    def rerun(self) -> list[float]:
        """Seconds of a second run, which has nothing to do."""
        command = self._command("whole", self._size, f"whole-{self._size}.bin")
        assert timed(command).code == 0
        return [timed(command).seconds for _ in range(self._rounds)]

    def verified(self) -> list[float]:
        """The time of --verify, divided by that of plain hashing."""
        command = self._command("whole", self._size, f"whole-{self._size}.bin", "--verify")
        (path,) = (self._root / "out").rglob("w.bin")
        times = []
        for _ in range(self._rounds):
            plain = timed([sys.executable, "-c", _HASH, path]).seconds
            times.append(timed(command).seconds / plain)
        return times


if __name__ == "__main__":
    sys.exit(main())
