"""Compare the time in which Open Model Zoo's commands and posezoo's handle its 264 models.

The commands print names, list, describe and plan all models. Each value is the best of 20 runs of a
whole process, and the processes run in turn. The models are those in openvino-dev 2024.6 (``make
mo-env``). A cold run is the first one, without a cache of the parsed models. The exit code is 1 if
a bar is missed.

    python benchmarks/bench_omz_tools.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness import machine, record, spread

ROOT = Path(__file__).resolve().parents[1]
MO_ENV = ROOT / "build" / "mo-env"
ROUNDS = 20

PEER = "omz_downloader --print_all"
PRINT_ALL = "downloader.py --print_all"
PLAN = "posezoo plan --all --format json, warm"
BARE = "python -c pass"
#: The bars, as multiples of the time that Python needs to do nothing.
BARS = {
    PRINT_ALL: 7,
    "posezoo list, cold": 21,
    "posezoo list, warm": 11,
    "posezoo info --all --format json, cold": 21,
    "posezoo info --all --format json, warm": 21,
    PLAN: 70,
}
TIMES_FASTER = 15


def commands(models: Path) -> dict[str, list[str]]:
    """The commands to measure, by name."""
    posezoo = str(Path(sys.executable).with_name("posezoo"))
    there = ["--models_dir", str(models)]
    info = [posezoo, "info", "--all", "--format", "json", *there]
    return {
        BARE: [sys.executable, "-c", "pass"],
        PEER: [str(MO_ENV / "bin" / "omz_downloader"), "--print_all"],
        PRINT_ALL: [
            sys.executable,
            str(ROOT / "tools/downloader/downloader.py"),
            "--print_all",
            *there,
        ],
        "posezoo list, cold": [posezoo, "list", *there],
        "posezoo list, warm": [posezoo, "list", *there],
        "posezoo info --all --format json, cold": info,
        "posezoo info --all --format json, warm": info,
        PLAN: [posezoo, "plan", "--all", "--format", "json", *there],
    }


def seconds(name: str, command: Sequence[str], home: Path) -> float:
    """The wall time of one run, in its own home folder."""
    if name.endswith("cold"):
        shutil.rmtree(home / ".cache", ignore_errors=True)
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("POSEZOO_", "XDG_"))
    }
    start_time = time.perf_counter()
    ended = subprocess.run(
        command,
        env={**kept, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    taken = time.perf_counter() - start_time
    # 1: one of the 264 model.yml has a mistake (oroginal_source), which is reported.
    if ended.returncode not in (0, 1):
        sys.exit(f"{name}: {ended.stderr.decode(errors='replace')}")
    return taken


def main() -> int:
    """Measure all commands in turn."""
    folders = list((MO_ENV / "lib").glob("python*/site-packages/omz_tools/models"))
    if not folders:
        sys.exit("needs make mo-env")
    with tempfile.TemporaryDirectory() as folder:
        homes = {PEER: Path(folder, "theirs")}
        ours = Path(folder, "ours")
        for home in (*homes.values(), ours):
            home.mkdir()
        rounds = [
            {
                name: seconds(name, command, homes.get(name, ours))
                for name, command in commands(folders[0]).items()
            }
            for _ in range(ROUNDS + 1)
        ][1:]
    metrics = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
    print(machine())
    ratios = {name: found["min"] / metrics[BARE]["min"] for name, found in metrics.items()}
    for name, found in metrics.items():
        bar = f", {ratios[name]:.1f} x {BARE}, bar {BARS[name]} x" if name in BARS else ""
        print(
            f"{name:40} best {found['min']:.3f} s, median {found['median']:.3f} s, "
            f"worst {found['max']:.3f} s{bar}"
        )
    times = metrics[PEER]["min"] / metrics[PRINT_ALL]["min"]
    print(f"{PRINT_ALL} is {times:.1f} x as fast as {PEER}, bar {TIMES_FASTER} x")
    record("bench_omz_tools", {"rounds": ROUNDS, "seconds": metrics, "times_faster": times})
    missed = [name for name, bar in BARS.items() if ratios[name] > bar]
    return 1 if missed or times < TIMES_FASTER else 0


if __name__ == "__main__":
    sys.exit(main())
