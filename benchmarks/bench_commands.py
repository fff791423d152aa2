"""Measure whole commands against a reference process that runs in the same rounds.

Each value is the best of ten runs of a process, divided by the best of its reference: Python that
does nothing, or PyYAML's C loader on the same files. ``make mo-env`` installs Open Model Zoo's 264
models and its omz_downloader. The exit code is 1 if a command misses its bar.

    python benchmarks/bench_commands.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import amount, exit_code, machine, record, spread, wall_s

ROOT = Path(__file__).resolve().parents[1]
OMZ_BIN = ROOT / "build" / "mo-env" / "bin"
POSEZOO = str(Path(sys.executable).with_name("posezoo"))
ROUNDS = amount(10)
NAMES = 300  # models in the registry whose names are listed for TAB; none of their files is read

BARE, LOADED, OMZ = "python -c pass", "PyYAML loads the same files", "omz_downloader --print_all"
#: The command, its reference, and how many times the reference's time it may take at most.
BARS = {
    "posezoo --help": (BARE, 6),
    "posezoo get, nothing to do": (BARE, 16),
    f"TAB, {NAMES} models": (BARE, 6),
    "downloader.py --print_all": (BARE, 7),
    "posezoo list": (BARE, 21),
    "posezoo info --all --format json": (BARE, 21),
    "posezoo plan --all --format json": (BARE, 70),
    "posezoo verify --metadata": (LOADED, 8),
    "posezoo verify --metadata, one model": (LOADED, 2),
}
TIMES_FASTER_THAN_OMZ = 15

LOAD = """
import pathlib, sys, yaml
for path in pathlib.Path(sys.argv[1]).rglob("*.yml"):
    yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
"""


def commands(folder: Path, omz_models: Path) -> dict[str, list[str]]:
    """All commands by name."""
    get = [POSEZOO, "get", "blazepose-full", "--quiet", "--weights_dir", str(folder)]
    zoo = ["--models_dir", str(omz_models)]
    verify = [POSEZOO, "verify", "--metadata", *zoo]
    one_model = min(path.parent.name for path in omz_models.rglob("model.yml"))
    script = str(ROOT / "tools" / "downloader" / "downloader.py")
    return {
        BARE: [sys.executable, "-c", "pass"],
        LOADED: [sys.executable, "-c", LOAD, str(omz_models)],
        OMZ: [str(OMZ_BIN / "omz_downloader"), "--print_all"],
        "posezoo --help": [POSEZOO, "--help"],
        "posezoo get, nothing to do": get,
        f"TAB, {NAMES} models": completion(folder / "models"),
        "downloader.py --print_all": [sys.executable, script, "--print_all", *zoo],
        "posezoo list": [POSEZOO, "list", *zoo],
        "posezoo info --all --format json": [POSEZOO, "info", "--all", "--format", "json", *zoo],
        "posezoo plan --all --format json": [POSEZOO, "plan", "--all", "--format", "json", *zoo],
        "posezoo verify --metadata": verify,
        "posezoo verify --metadata, one model": [*verify, one_model],
    }


def completion(models: Path) -> list[str]:
    """What a shell runs for TAB after ``posezoo info --models_dir DIR``."""
    for number in range(NAMES):
        home = models / "public" / f"model-{number}"
        home.mkdir(parents=True)
        (home / "model.yml").write_text("description: A model.\n", "utf-8")
    line = f"{POSEZOO} info --models_dir {models} "
    request = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    request |= {"_ARGCOMPLETE_IFS": " ", "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull}
    return ["env", *(f"{name}={value}" for name, value in request.items()), POSEZOO]


def main() -> int:
    """Measure all commands in turn, print, record, and compare with the bars."""
    omz_models = next(OMZ_BIN.parent.glob("lib/python*/site-packages/omz_tools/models"), None)
    if omz_models is None:
        sys.exit("needs make mo-env")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        all_commands = commands(Path(folder), omz_models)
        subprocess.run(all_commands["posezoo get, nothing to do"], check=True)
        rounds = [
            # verify ends with 1 if it has findings, and one model.yml of the 264 has a mistake.
            {name: wall_s(command, (0, 1)) for name, command in all_commands.items()}
            for _ in range(ROUNDS + 1)
        ][1:]
    seconds = {name: spread([each[name] for each in rounds]) for name in all_commands}
    record("bench_commands", {"rounds": ROUNDS, "seconds": seconds})
    missed = 0
    for name, (reference, bar) in BARS.items():
        times = seconds[name]["min"] / seconds[reference]["min"]
        missed += times > bar
        print(f"{name:38} {seconds[name]['min']:.3f} s, {times:.1f} x {reference}, bar {bar}")
    faster = seconds[OMZ]["min"] / seconds["downloader.py --print_all"]["min"]
    print(f"{OMZ} takes {faster:.1f} times as long as ours, bar {TIMES_FASTER_THAN_OMZ}")
    return exit_code(missed > 0 or faster < TIMES_FASTER_THAN_OMZ)


if __name__ == "__main__":
    sys.exit(main())
