"""Compare environments with openvino-dev and with posezoo: their bytes, and the time to install
them.

The wheels are downloaded first, from the index that pip is configured for (3 GB, if torch brings
CUDA there). Then pip installs them without a network into an empty environment, all in turn in each
round. The stand-in is that of `posezoo shims --wheel`. Bytes are those of the files in
site-packages and bin that pip installed. The script also counts for how many of the command lines
of public projects (docs/omz) each environment is enough: `posezoo plan` tells how each model is
made. The exit code is 1 if an environment of posezoo is larger than a tenth of
openvino-dev[onnx,pytorch].

    python benchmarks/bench_environment.py [--wheels DIR] [--cpu_torch 2.13.0+cpu] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.metadata import distributions
from pathlib import Path

from harness import machine, record, spread

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs"))

import omz_projects  # noqa: E402

BAR = 0.1
PEER = "openvino-dev[onnx,pytorch]==2024.6.0"
PEERS = (PEER, "openvino-dev[onnx]==2024.6.0")
#: pip prefers posezoo's stand-in to openvino-dev for the same requirements, if it finds it.
OURS = ("posezoo", "posezoo[convert]", "openvino-dev[onnx]==2024.6.0")
WITH_TORCH = "posezoo[convert,torch]"
#: The least environment for a model, by the route that posezoo plan names.
ENOUGH = {"ir": "posezoo", "convert": "posezoo[convert]", "network": WITH_TORCH}
MORE, ANY, QUANTIZE = (
    "Model Optimizer or its authors' code, too",
    "no model named",
    "posezoo[quantize]",
)


def pip(*arguments: str | Path) -> None:
    """Run this environment's pip."""
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments), "--quiet"], check=True)


def files_below(environment: Path) -> list[Path]:
    """What is installed in an environment."""
    found = [*environment.glob("lib/python*/site-packages/**/*"), *environment.glob("bin/*")]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def install(wheels: Path, requirement: Sequence[str]) -> tuple[float, int, dict[str, int]]:
    """Seconds and bytes of a fresh environment, and the bytes of its three largest packages."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        before = {path: path.stat().st_size for path in files_below(environment)}
        start_time = time.perf_counter()
        python = environment / "bin" / "python"
        pip("--python", python, "install", "--no-index", "--find-links", wheels, *requirement)
        taken = time.perf_counter() - start_time
        size = sum(path.stat().st_size for path in files_below(environment) if path not in before)
        (site,) = environment.glob("lib/python*/site-packages")
        sizes = {
            package.name: sum(
                path.stat().st_size
                for each in package.files or ()
                if (path := Path(str(each.locate()))).is_file()
            )
            for package in distributions(path=[str(site)])
        }
    return taken, size, dict(Counter(sizes).most_common(3))


def enough_for(line: omz_projects.CommandLine, routes: dict[str, set[str]]) -> str:
    """The least environment in which a command line finishes."""
    if line.tool in ("downloader", "info_dumper"):
        return "posezoo"
    if line.tool == "quantizer":
        return QUANTIZE
    matched = [
        routes[name] for pattern in line.models for name in routes if fnmatchcase(name, pattern)
    ]
    if not matched:
        return ANY
    found = set[str]().union(*matched)
    return next(
        (ENOUGH[route] for route in reversed(ENOUGH) if found <= set(ENOUGH) and route in found),
        MORE,
    )


def lines_by_environment() -> dict[str, int]:
    """The number of command lines for which each environment is enough, without those that cannot
    run.
    """
    registries = [
        word for name in ("omz", "omz@2022.1", "omz@2021.4") for word in ("--registry", name)
    ]
    plan = [sys.executable, "-m", "posezoo", "plan", "--all", "--format", "json", *registries]
    planned = subprocess.run(plan, capture_output=True, text=True, check=False).stdout
    routes: dict[str, set[str]] = {}
    for model in json.loads(planned)["models"]:
        for name in filter(None, (model["name"], model["composite"])):
            routes.setdefault(name, set()).add(model["route"])
    names = omz_projects.read_names()
    lines = [
        line
        for line in omz_projects.read_lines()
        if line.source(names) not in (omz_projects.OPTIMIZER, omz_projects.CANNOT)
    ]
    return dict(Counter(enough_for(line, routes) for line in lines).most_common())


def main() -> int:
    """Download, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--wheels", type=Path, help="keep the wheels in this folder (default: a temporary one)"
    )
    parser.add_argument(
        "--cpu_torch", metavar="VERSION", help="also measure with this CPU build of torch"
    )
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = (Path(args.wheels or folder, name) for name in ("theirs", "ours"))
        for wheels in (theirs, ours):
            wheels.mkdir(parents=True, exist_ok=True)
        shims = [sys.executable, "-m", "posezoo", "shims", "--wheel", str(ours)]
        subprocess.run(shims, check=True, stdout=subprocess.DEVNULL)
        sides = {name: (theirs, [name]) for name in PEERS}
        sides |= {
            f"stand-in for {name}" if name in PEERS else name: (ours, [name]) for name in OURS
        }
        small = [name for name, (wheels, _) in sides.items() if wheels == ours]
        if args.cpu_torch:
            constraint = Path(folder, "constraint.txt")
            constraint.write_text(f"torch=={args.cpu_torch}\n")
            for wheels, name in ((theirs, PEER), (ours, WITH_TORCH)):
                sides[f"{name}, torch {args.cpu_torch}"] = (
                    wheels,
                    [name, "--constraint", str(constraint)],
                )
        for wheels, requirement in sides.values():
            pip("download", "--dest", wheels, "--find-links", wheels, *requirement)
        rounds = [
            {name: install(*side) for name, side in sides.items()} for _ in range(args.rounds)
        ]
    metrics = {
        name: {
            "seconds": spread([each[name][0] for each in rounds]),
            "bytes": size,
            "largest": largest,
        }
        for name, (_, size, largest) in rounds[0].items()
    }
    lines = lines_by_environment()
    print(machine())
    for name, (_, size, largest) in rounds[0].items():
        parts = ", ".join(f"{package} {part / 1e6:.0f}" for package, part in largest.items())
        seconds = spread([each[name][0] for each in rounds])
        print(
            f"{name:52} {size / 1e6:7.1f} MB ({parts}), {seconds['median']:.1f} s"
            f" ({seconds['min']:.1f} to {seconds['max']:.1f}), {size / rounds[0][PEER][1]:.3f} of"
            " the first"
        )
    print(f"command lines that each environment is enough for: {lines}")
    record("bench_environment", {"rounds": args.rounds, "environments": metrics, "lines": lines})
    return int(any(rounds[0][name][1] > BAR * rounds[0][PEER][1] for name in small))


if __name__ == "__main__":
    sys.exit(main())
