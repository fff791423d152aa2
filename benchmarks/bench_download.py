"""Download 512 MiB from a local server, with posezoo, omz_downloader and a minimal script.

Measured are wall time, CPU time and peak memory. In each round, each tool runs once, in a new
process. All verify the SHA-384. Without ``make mo-env``, omz_downloader is left out. The exit code
is 1 if a bar is missed.

    python benchmarks/bench_download.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from downloads import DOWNLOADER, ROOT, Run, server, sha384_of, timed, write_model
from harness import amount, exit_code, machine, record, spread

MO_PYTHON = ROOT / "build" / "mo-env" / "bin" / "python"

SIZE = amount(512, trial=16) << 20
ROUNDS = amount(5)
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


def commands(address: str, sha384: str, models: Path) -> dict[str, Callable[[Path], list[object]]]:
    """The command of each installed tool, for the folder to write to, by the tool's name."""
    flags = ["--name", "big", "--models_dir", models, "-o"]
    found: dict[str, Callable[[Path], list[object]]] = {
        OURS: lambda folder: [sys.executable, DOWNLOADER, *flags, folder],
        BARE: lambda folder: [sys.executable, "-c", _BARE, address, folder / "weights.bin", sha384],
    }
    if MO_PYTHON.exists():
        found[OMZ] = lambda folder: [MO_PYTHON, "-c", _OMZ, models, "--name", "big", "-o", folder]
    return found


def measured(command: Callable[[Path], list[object]]) -> Run:
    """A run into a folder of its own, which must leave the whole file."""
    with tempfile.TemporaryDirectory() as folder:
        run = timed(command(Path(folder)))
        found = max((path.stat().st_size for path in Path(folder).rglob("*")), default=0)
    assert (run.code, found) == (0, SIZE), f"ends with {run.code}, {found} bytes"
    return run


def main() -> int:
    """Measure, print, record."""
    print(machine())
    name, sha384 = f"big-{SIZE}.bin", sha384_of("big", SIZE)
    with server() as url, tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), "big", [("weights.bin", SIZE, sha384, f"{url}/{name}")])
        tools = commands(f"{url}/{name}", sha384, Path(folder))
        rounds = [  # in turn, so that other load affects all of them
            {tool: measured(command) for tool, command in tools.items()} for _ in range(ROUNDS)
        ]
    metrics = {}
    for tool in tools:
        runs = [each[tool] for each in rounds]
        metrics[tool] = {
            "seconds": spread([run.seconds for run in runs]),
            "cpu_s": spread([run.cpu_s for run in runs]),
            "peak_mib": spread([run.peak_mib for run in runs]),
        }
        print(f"{tool:26} {metrics[tool]}")
    record("bench_download", {"size_bytes": SIZE, "rounds": ROUNDS, **metrics})
    ours = metrics[OURS]
    times = ours["cpu_s"]["median"] / metrics[BARE]["cpu_s"]["median"]
    print(f"{times:.2f} times the CPU time of {BARE}, bar {TIMES_CPU_OF_BARE}")
    peak = ours["peak_mib"]["max"]
    print(f"{peak:.1f} MiB, bar {LIMIT_MIB:.0f} MiB")
    is_slower = OMZ in metrics and ours["seconds"]["median"] > metrics[OMZ]["seconds"]["median"]
    print(f"slower than {OMZ}: {is_slower}")
    return exit_code(is_slower or times > TIMES_CPU_OF_BARE or peak > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
