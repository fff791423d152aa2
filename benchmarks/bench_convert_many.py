"""Convert many models with converter.py, and measure the memory of one conversion.

Measured are two conversions at the same time, a run over 264 models that are all up to date, and
the memory of a conversion. The small models are one network of a few layers under many names,
converted in both precisions with self-checks and cards. Memory is the peak of the largest process
of a conversion, compared with Model Optimizer's peak for one precision of the same file with the
same arguments. Each run is a new process. The exit code is 1 if a bar is missed.

    make mo-env && python benchmarks/bench_convert_many.py [--small]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench_convert import (
    CONVERTER,
    MO,
    declare,
    in_words,
    ours,
    prepare,
    seconds,
    theirs,
    unchecked,
)
from harness import machine, record, spread

from networks import Drawing

ROUNDS = 5
MODELS, ALL = 20, 264
#: The least speed-up by two jobs, the most seconds if all is up to date, the most memory relative
#: to mo's.
BARS = {"jobs": 1.5, "nothing_s": 1.0, "memory": 1.1}

# Run in a small process, since ru_maxrss is the peak of the largest child of the process that asks.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def small() -> tuple[Drawing, bytes]:
    """Twelve layers at 64 x 64: 2 MB of weights."""
    drawing = Drawing(3)
    x = drawing.conv("image", 3, 64, stride=2)
    for _ in range(5):
        x = drawing.basic(x, 64)
    end = drawing.conv(x, 64, 17, 1, relu=False)
    return drawing, drawing.finish((1, 3, 64, 64), {end: (1, 17, 32, 32)})


def write_zoo(folder: Path, count: int) -> None:
    """Write a registry with this number of models, and their files as if downloaded."""
    drawing, content = small()
    for number in range(count):
        declare(
            f"small-{number:03}",
            drawing,
            content,
            folder / "models",
            folder,
            ((1, 2, 3), (4, 5, 6)),
        )


def convert_all(folder: Path, *flags: str) -> list[str]:
    """The command that converts all models."""
    places = ["--models_dir", str(folder / "models"), "-d", str(folder), "-o", str(folder / "out")]
    return [sys.executable, str(CONVERTER), "--all", *places, *flags]


def race(folder: Path, count: int, rounds: int) -> list[float]:
    """The speed-up by two jobs, in each round."""
    write_zoo(folder, count)
    ratios = []
    for _ in range(rounds + 1):
        taken = {}
        for jobs in ("1", "2"):
            shutil.rmtree(folder / "out", ignore_errors=True)
            taken[jobs] = seconds([convert_all(folder, "--jobs", jobs)], folder)
        ratios.append(taken["1"] / taken["2"])
        print(f"  {count} models: {taken['1']:.2f} s one by one, {taken['2']:.2f} s two at a time")
    return ratios[1:]


def up_to_date(folder: Path, count: int, rounds: int) -> list[float]:
    """Seconds of a run that finds everything up to date."""
    write_zoo(folder, count)
    seconds([convert_all(folder, "--jobs", "auto")], folder)
    return [seconds([convert_all(folder)], folder) for _ in range(rounds + 1)][1:]


def peak_mib(command: Sequence[str], home: Path) -> float:
    """The peak memory of the largest process that a command starts."""
    environment = {**os.environ, "HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, "-c", PEAK, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ended.stdout) / 1024


def memory(folder: Path, name: str) -> dict[str, float]:
    """Peak MiB of Model Optimizer, and of posezoo with and without its self-check."""
    original = prepare(name, folder)
    found = {"mo": peak_mib(theirs(name, folder, original)[0], folder)}
    for title, commands in (("posezoo, no self-check", unchecked), ("posezoo", ours)):
        shutil.rmtree(folder / "ours", ignore_errors=True)
        found[title] = peak_mib(commands(name, folder)[0], folder)
    return found


def main() -> int:
    """Measure, print and record."""
    if not MO.is_file():
        print(f"{MO}: does not exist; run make mo-env", file=sys.stderr)
        return 1
    tiny = "--small" in sys.argv  # a quick test of this script
    count, every, rounds = (4, 10, 1) if tiny else (MODELS, ALL, ROUNDS)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        ratio = spread(race(Path(folder), count, rounds))
    print(
        f"{count} small models, two jobs: {in_words(ratio)} x as fast as one, bar {BARS['jobs']} x"
    )
    with tempfile.TemporaryDirectory() as folder:
        taken = spread(up_to_date(Path(folder), every, rounds))
    print(f"nothing to do over {every} models: {in_words(taken)} s, bar {BARS['nothing_s']} s")
    with tempfile.TemporaryDirectory() as folder:
        peaks = memory(Path(folder), "resnet50-sized" if tiny else "hrnet-sized")
    share = peaks["posezoo, no self-check"] / peaks["mo"]
    sizes = ", ".join(f"{name} {size:.0f} MiB" for name, size in peaks.items())
    print(f"peak memory: {sizes}: {share:.2f} of mo's, bar {BARS['memory']}")
    if not tiny:
        metrics = {"models": count, "times as fast": ratio, "nothing_s": taken, "peak_mib": peaks}
        record("bench_convert_many", metrics)
    return int(
        ratio["median"] < BARS["jobs"]
        or taken["median"] > BARS["nothing_s"]
        or share > BARS["memory"]
    )


if __name__ == "__main__":
    sys.exit(main())
