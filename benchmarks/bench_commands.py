"""Measure how long commands take to start, against a Python that does nothing.

Each value is the best of ten runs of a process, divided by the best of ``python -c pass`` in the
same rounds. The exit code is 1 if a command misses its bar.

    python benchmarks/bench_commands.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from harness import amount, exit_code, machine, record, spread, wall_s

POSEZOO = str(Path(sys.executable).with_name("posezoo"))
ROUNDS = amount(10)
BARE, HELP, GET = "python -c pass", "posezoo --help", "posezoo get, nothing to do"
#: How many times the time of ``BARE`` a command may take at most.
BARS = {HELP: 4.5, GET: 16}


def main() -> int:
    """Measure all commands in turn, print, record, and compare with the bars."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        get = [POSEZOO, "get", "blazepose-full", "--quiet", "--weights_dir", folder]
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            HELP: [POSEZOO, "--help"],
            GET: get,
        }
        subprocess.run(get, check=True)
        rounds = [
            {name: wall_s(command) for name, command in commands.items()} for _ in range(ROUNDS + 1)
        ][1:]
    seconds = {name: spread([each[name] for each in rounds]) for name in commands}
    record("bench_commands", {"rounds": ROUNDS, "seconds": seconds})
    missed = 0
    for name, bar in BARS.items():
        times = seconds[name]["min"] / seconds[BARE]["min"]
        missed += times > bar
        print(f"{name:27} {seconds[name]['min']:.3f} s, {times:.1f} x {BARE}, bar {bar}")
    return exit_code(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
