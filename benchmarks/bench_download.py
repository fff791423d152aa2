"""Download 512 MiB from a local server, with posezoo, with five other tools, and with a minimal
script.

Measured are wall time, CPU time and peak memory. In each round, each tool runs once, in a new
process. ``make mo-env`` installs omz_downloader, ``make fetch-env`` huggingface_hub and pooch; curl
and aria2c are packages of the system. Tools that are not installed are listed and skipped. All
tools verify the SHA-384, except that huggingface_hub checks only the size; for curl, sha384sum does
it. The exit code is 1 if a bar is missed.

    python benchmarks/bench_download.py
    python benchmarks/bench_download.py --mib 16 --rounds 1     # a quick test of this script
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from downloads import DOWNLOADER, ROOT, Run, server, sha384_of, timed, write_model
from harness import machine, record, spread

MO_PYTHON = ROOT / "build" / "mo-env" / "bin" / "python"
PEER_PYTHON = ROOT / "build" / "fetch-env" / "bin" / "python"

TIMES_CPU_OF_BARE = 1.25
LIMIT_MIB = 60.0
OURS, OMZ, BARE = "posezoo", "omz_downloader", "bare requests + SHA-384"

_BARE = """
import hashlib, sys, requests
url, path, sha384 = sys.argv[1:]
hasher = hashlib.sha384()
with requests.get(url, stream=True, timeout=30) as response, open(path, "wb") as file:
    for piece in response.iter_content(1 << 20):
        file.write(piece)
        hasher.update(piece)
assert hasher.hexdigest() == sha384
"""
_OMZ = """
import sys
from pathlib import Path
from omz_tools import _common
_common.MODEL_ROOT = Path(sys.argv.pop(1))
from omz_tools.omz_downloader import main
sys.exit(main())
"""
_HUB = """
import os, sys
os.environ["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
from huggingface_hub import hf_hub_download
url, name, folder = sys.argv[1:]
hf_hub_download("pose/big", name, revision="0" * 40, endpoint=url, local_dir=folder)
"""
_POOCH = """
import sys, pooch
url, folder, sha384 = sys.argv[1:]
pooch.retrieve(url, "sha384:" + sha384, fname="weights.bin", path=folder)
"""


def commands(
    url: str, name: str, sha384: str, models: Path
) -> dict[str, Callable[[Path], list[object]]]:
    """The command of each installed tool, for the folder to write to, by the tool's name."""
    address = f"{url}/{name}"
    found: dict[str, Callable[[Path], list[object]]] = {
        OURS: lambda folder: [
            sys.executable,
            DOWNLOADER,
            "--name",
            "big",
            "--models_dir",
            models,
            "-o",
            folder,
        ],
        BARE: lambda folder: [sys.executable, "-c", _BARE, address, folder / "weights.bin", sha384],
    }
    if MO_PYTHON.exists():
        found[OMZ] = lambda folder: [MO_PYTHON, "-c", _OMZ, models, "--name", "big", "-o", folder]
    if PEER_PYTHON.exists():
        found["huggingface_hub"] = lambda folder: [PEER_PYTHON, "-c", _HUB, url, name, folder]
        found["pooch"] = lambda folder: [PEER_PYTHON, "-c", _POOCH, address, folder, sha384]
    if shutil.which("curl"):
        line = f'curl -sf -o "$0/w" {address} && echo "{sha384}  $0/w" | sha384sum -c --status'
        found["curl"] = lambda folder: ["sh", "-c", line, folder]
    if shutil.which("aria2c"):
        check = f"--checksum=sha-384={sha384}"
        found["aria2c"] = lambda folder: [
            "aria2c",
            "-q",
            "-x1",
            check,
            "-d",
            folder,
            "-o",
            "w",
            address,
        ]
    return found


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description="download 512 MiB with posezoo and with other tools"
    )
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    size = args.mib << 20
    name, sha384 = f"big-{size}.bin", sha384_of("big", size)
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        write_model(models, "big", [("weights.bin", size, sha384, f"{url}/{name}")])
        tools = commands(url, name, sha384, models)
        runs: dict[str, list[Run]] = {tool: [] for tool in tools}
        for _ in range(args.rounds):
            for tool, command in tools.items():  # in turn, so that other load affects all of them
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    run = timed(command(Path(folder)))
                    found = max(
                        (path.stat().st_size for path in Path(folder).rglob("*")), default=0
                    )
                    assert (run.code, found) == (
                        0,
                        size,
                    ), f"{tool} ends with {run.code}, {found} bytes"
                    runs[tool].append(run)
    metrics: dict[str, object] = {"size_bytes": size, "rounds": args.rounds}
    for tool, each in runs.items():
        columns = {
            "seconds": [run.seconds for run in each],
            "cpu_s": [run.cpu_s for run in each],
            "peak_mib": [run.peak_mib for run in each],
        }
        metrics[tool] = {
            column: spread([round(value, 3) for value in values])
            for column, values in columns.items()
        }
        ranges = (
            f"{column} {min(values):.2f} to {max(values):.2f}" for column, values in columns.items()
        )
        print(f"{tool:26} {', '.join(ranges)}")
    for missing in sorted({OMZ, "huggingface_hub", "pooch", "curl", "aria2c"} - set(runs)):
        print(f"{missing}: not installed")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    if size == 512 << 20:
        record("bench_download", metrics)
    return int(not all([_check_time(runs), _check_cpu_time(runs), _check_memory(runs)]))


def _median(runs: list[Run], column: str) -> float:
    return spread([getattr(run, column) for run in runs])["median"]


def _check_time(runs: dict[str, list[Run]]) -> bool:
    if OMZ not in runs:
        return True
    ours, reference = _median(runs[OURS], "seconds"), _median(runs[OMZ], "seconds")
    return _report(f"{ours:.2f} s, omz_downloader {reference:.2f} s", ours <= reference)


def _check_cpu_time(runs: dict[str, list[Run]]) -> bool:
    times = _median(runs[OURS], "cpu_s") / _median(runs[BARE], "cpu_s")
    return _report(
        f"{times:.2f} times the CPU time of {BARE}, bar {TIMES_CPU_OF_BARE}",
        times <= TIMES_CPU_OF_BARE,
    )


def _check_memory(runs: dict[str, list[Run]]) -> bool:
    peak = max(run.peak_mib for run in runs[OURS])
    return _report(f"{peak:.1f} MiB, limit {LIMIT_MIB:.0f} MiB", peak <= LIMIT_MIB)


def _report(line: str, kept: bool) -> bool:
    print(f"{line}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
