"""Measure how fast the command line answers: its help, names for TAB, and a run that has nothing to
do.

Each value is the time of a whole process. The processes that are compared run in turn: Python that
does nothing, pip's help, and, for a model that is up to date, a script that only hashes its files.
The exit code is 1 if the best of ten runs misses its bar.

    python benchmarks/bench_command_line.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import machine, record, spread

ROUNDS = 10
#: The bars, as multiples of the time that Python needs to do nothing.
HELP_BAR = 6
GET_BAR = 16
NAMES_BAR = 6
MODELS = 300  # in the registry whose names are listed for TAB; none of its files is read

HASH = (
    "import hashlib, sys\nfor name in sys.argv[1:]: hashlib.sha384(open(name,"
    " 'rb').read()).hexdigest()"
)


def seconds(command: list[str]) -> float:
    """The wall time of one run from start to end."""
    start_time = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_time


def main() -> int:
    """Download and convert the default model once, then measure all commands in turn."""
    posezoo = str(Path(sys.executable).with_name("posezoo"))
    with tempfile.TemporaryDirectory() as folder:
        get = [posezoo, "get", "blazepose-full", "--quiet", "--weights_dir", folder]
        subprocess.run(get, stdout=subprocess.DEVNULL, check=True)
        suffixes = (".tflite", ".xml", ".bin")
        files = [str(path) for path in Path(folder).rglob("*") if path.suffix in suffixes]
        models = Path(folder) / "models"
        for number in range(MODELS):
            (models / "public" / f"model-{number}").mkdir(parents=True)
            (models / "public" / f"model-{number}" / "model.yml").write_text(
                "description: A model.\n"
            )
        names, line = f"TAB, {MODELS} models", f"posezoo info --models_dir {models} "
        request = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
        request |= {"_ARGCOMPLETE_IFS": " ", "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull}
        commands = {
            "posezoo --help": [posezoo, "--help"],
            "posezoo get, nothing to do": get,
            names: ["env", *(f"{name}={value}" for name, value in request.items()), posezoo],
            "python -c pass": [sys.executable, "-c", "pass"],
            "pip --help": [sys.executable, "-m", "pip", "--help"],
            "hash the model's files": [sys.executable, "-c", HASH, *files],
        }
        rounds = [
            {name: seconds(command) for name, command in commands.items()}
            for _ in range(ROUNDS + 1)
        ][1:]
    metrics = {name: spread([each[name] for each in rounds]) for name in commands}
    print(machine())
    for name, found in metrics.items():
        print(
            f"{name:28} best {found['min']:.3f} s, median {found['median']:.3f} s, worst"
            f" {found['max']:.3f} s"
        )
    ratio = spread([each["pip --help"] / each["posezoo --help"] for each in rounds])
    print(f"posezoo --help is {ratio['median']:.1f} x as fast as pip --help")
    record(
        "bench_command_line",
        {"rounds": ROUNDS, "seconds": metrics, "pip_help_over_posezoo_help": ratio},
    )
    missed = 0
    bars = {"posezoo --help": HELP_BAR, "posezoo get, nothing to do": GET_BAR, names: NAMES_BAR}
    for name, bar in bars.items():
        times = metrics[name]["min"] / metrics["python -c pass"]["min"]
        print(f"{name} takes {times:.1f} times as long as python -c pass, at most {bar} times")
        missed += times > bar
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
