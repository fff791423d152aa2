"""Shared by all benchmarks: rounds and their ranges, the machine and versions, and the file of
results.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from posezoo.run.machine import Machine

RESULTS = Path(__file__).parent / "results"

#: Whether a benchmark only has to come to its end (``make bench-once``): it runs one round, misses
#: no bar, and records nothing.
IS_TRIAL = bool(os.environ.get("BENCH_TRIAL"))

# As pip leaves an installed package, and the peers': else each start would compile what was edited
# last, and where PYTHONDONTWRITEBYTECODE is set, each one after it too.
for _folder in ("src", "tools"):
    compileall.compile_dir(Path(__file__).parents[1] / _folder, quiet=1)

_PACKAGES = ("posezoo", "numpy", "opencv-python-headless", "openvino", "requests", "urllib3")


def amount(usual: int, *, trial: int = 1) -> int:
    """How many rounds, tasks or frames a benchmark has."""
    return trial if IS_TRIAL else usual


def exit_code(missed: bool) -> int:
    """Of a benchmark: 1 if it missed a bar."""
    return int(missed and not IS_TRIAL)


def do_nothing(_number: int, _listener: object) -> None:
    """An empty task, in a module that child processes can import."""


def machine() -> dict[str, object]:
    """What measurements depend on: processor, available cores, memory in GiB, system, Python,
    packages.
    """
    return {
        "processor": Machine.here().processor,
        "cores": (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version for name in _PACKAGES if (version := _version(name))},
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest value of the rounds."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def wall_s(command: Sequence[str], **environ: str) -> float:
    """The wall time of a process from its start to its end, with these environment variables."""
    start_time = time.perf_counter()
    ended = subprocess.run(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    taken = time.perf_counter() - start_time
    if ended.returncode:
        raise SystemExit(f"{command}: {ended.stderr.decode(errors='replace')}")
    return taken


def cpu_s(command: Sequence[str], **environ: str) -> float:
    """The CPU time of a process, with that of its children."""
    before = os.times()
    wall_s(command, **environ)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def record(name: str, metrics: Mapping[str, object]) -> None:
    """Append a line to ``results/<name>.jsonl``: the time, the machine, and the results."""
    if IS_TRIAL:
        return
    RESULTS.mkdir(exist_ok=True)
    line = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        **metrics,
    }
    with open(RESULTS / f"{name}.jsonl", "a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def _memory_gib() -> float | None:
    if sys.platform == "win32":
        return None
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
