"""Measure posezoo verify --metadata on a registry of hundreds of models, and on one of its models.

Each value is the time of a whole process. It is compared with PyYAML's C loader, which only reads
the same files. The exit code is 1 if the best run misses its bar.

    python benchmarks/bench_verify.py [FOLDER [MODEL]]

FOLDER is Open Model Zoo's models/ with its cards; the default is the one in openvino-dev (`make
mo-env`), which has no cards.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

from harness import machine, record, spread

MO_ENV = Path(__file__).resolve().parents[1] / "build" / "mo-env"
ROUNDS = 7
#: The bars, as multiples of the time that PyYAML needs to load the same files.
ALL_BAR = 8
ONE_BAR = 2
BAR_MIB = 250

LOAD = (
    "import pathlib, sys, yaml\nfor path in pathlib.Path(sys.argv[1]).rglob('*.yml'):"
    " yaml.load(path.read_text(), yaml.CSafeLoader)"
)


def seconds(command: list[str]) -> float:
    """The wall time of one run; its exit code is 1 if there are findings."""
    start_time = time.perf_counter()
    ended = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    assert ended.returncode in (0, 1), command
    return time.perf_counter() - start_time


def main() -> int:
    """Measure all commands in turn."""
    there = sorted(MO_ENV.glob("lib/python*/site-packages/omz_tools/models"))
    folder, *names = sys.argv[1:] or map(str, there[:1])
    name = names[0] if names else min(path.parent.name for path in Path(folder).rglob("model.yml"))
    verify = [sys.executable, "-m", "posezoo", "verify", "--metadata", "--models_dir", folder]
    commands = {
        "all models": verify,
        f"one model ({name})": [*verify, name],
        "PyYAML loads the same": [sys.executable, "-c", LOAD, folder],
    }
    rounds = [{each: seconds(command) for each, command in commands.items()} for _ in range(ROUNDS)]
    metrics = {each: spread([found[each] for found in rounds]) for each in commands}
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(machine())
    for each, found in metrics.items():
        print(
            f"{each:28} best {found['min']:.3f} s, median {found['median']:.3f} s, worst"
            f" {found['max']:.3f} s"
        )
    print(f"{peak_mib:.0f} MiB at most")
    record("bench_verify", {"rounds": ROUNDS, "seconds": metrics, "peak_mib": peak_mib})
    every, one, bare = (found["min"] for found in metrics.values())
    every, one = every / bare, one / bare
    print(
        f"bars: all {every:.1f} of {ALL_BAR} x PyYAML, one {one:.1f} of {ONE_BAR} x, {BAR_MIB} MiB"
    )
    return int(every > ALL_BAR or one > ONE_BAR or peak_mib > BAR_MIB)


if __name__ == "__main__":
    sys.exit(main())
