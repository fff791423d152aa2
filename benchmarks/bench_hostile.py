"""Measure the CPU time and the additional memory with which malicious checkpoints are refused.

One process reads all the files of tests/checkpoints/test_hostile.py, one after the other. The exit
code is 1 if the slowest file, or the one that takes the most memory, misses its bar.

    python benchmarks/bench_hostile.py
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from harness import machine, record

from posezoo import checkpoints
from posezoo.errors import CheckpointError

BAR_CPU_S = 1.0
BAR_MIB = 200


def peak_mib() -> int:
    """The peak memory of this process; getrusage would also count the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) // 1024


def main() -> int:
    """Write the files, read each, and print and record the worst values."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    bombs = import_module("checkpoints.test_hostile").BOMBS
    took: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in bombs.items():
            Path(folder, name).write_bytes(make())
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the peak
        before = peak_mib()
        for name in bombs:
            start_time = time.process_time()
            with contextlib.suppress(CheckpointError):
                checkpoints.read_checkpoint(Path(folder, name))
            took[name] = time.process_time() - start_time
        more_mib = peak_mib() - before
    slowest = max(took, key=took.__getitem__)
    print(machine())
    print(f"{len(took)} bombs: the slowest, {slowest}, {took[slowest]:.2f} of {BAR_CPU_S} CPU s")
    print(f"at most {more_mib} of {BAR_MIB} MiB more than before")
    record("bench_hostile", {"cpu_s": took, "peak_mib": more_mib})
    return int(took[slowest] > BAR_CPU_S or more_mib > BAR_MIB)


if __name__ == "__main__":
    sys.exit(main())
