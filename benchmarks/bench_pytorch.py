"""What HigherHRNet takes from checkpoint to both IR: CPU seconds and memory of all processes together.

The weights are PyTorch's initial ones: neither time nor memory depends on them. Imports are counted; the
self-check is measured beside. Ends with 1 where a bar is missed.

    python benchmarks/bench_pytorch.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import machine, record, spread

ROUNDS = 3

#: CPU seconds, and GiB that the processes hold at once, without the self-check.
MOST_CPU_S, MOST_GIB = 6.0, 1.25

SAVE = """
import sys, torch
from posezoo import networks
torch.manual_seed(0)
torch.save(networks.build("higher_hrnet").state_dict(), sys.argv[1])
"""

# What the command does, which has no flag for leaving out the self-check.
CONVERT = """
import sys
from pathlib import Path
from posezoo.convert.convert import convert
from posezoo.convert.own_weights import of_network
from posezoo.layout import Layout
checkpoint, output, self_check = sys.argv[1:]
spec = of_network("higher_hrnet", Path(checkpoint))
layout = Layout(Path(output), Path(output), Path(checkpoint))
convert(spec, layout, self_check=self_check == "yes", force=True)
"""

# Memory is looked at so often, in seconds: the peak lasts for some tenths.
_PAUSE_S = 0.02


def measured(checkpoint: Path, output: Path, self_check: str) -> dict[str, float]:
    """CPU seconds, wall seconds and peak GiB of one conversion."""
    before, begun = os.times(), time.perf_counter()
    command = [sys.executable, "-c", CONVERT, str(checkpoint), str(output), self_check]
    with subprocess.Popen(command) as process:
        peak = _Peak(process.pid)
        peak.start()
        process.wait()
    peak.join()
    if process.returncode:
        raise SystemExit(f"the conversion ended with {process.returncode}")
    after = os.times()
    return {
        "cpu_s": after.children_user + after.children_system - before.children_user - before.children_system,
        "wall_s": time.perf_counter() - begun,
        "gib": peak.bytes / 2**30,
    }


class _Peak(threading.Thread):
    """The most memory that a process and its children held at once; what they share counts once (PSS)."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.bytes = 0
        self._pid = pid

    def run(self) -> None:
        while Path(f"/proc/{self._pid}").exists() and (held := _held(self._pid)):
            self.bytes = max(self.bytes, held)
            time.sleep(_PAUSE_S)


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        # A child's parent is the thread that started it.
        families = [each / "children" for each in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for each in families for child in each.read_text().split()]
    except (OSError, ValueError):  # it has ended meanwhile
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return own + sum(map(_held, children))


def main() -> int:
    """Measure, print and record."""
    print(machine())
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = folder / "higher_hrnet.pth"
        subprocess.run([sys.executable, "-c", SAVE, str(checkpoint)], check=True)
        figures: dict[str, object] = {"network": "higher_hrnet", "rounds": ROUNDS, "weights": "generated"}
        for self_check in ("no", "yes"):
            rounds = [measured(checkpoint, folder / "ir", self_check) for _ in range(ROUNDS)]
            found = {key: spread([each[key] for each in rounds]) for key in rounds[0]}
            figures["with self-check" if self_check == "yes" else "without"] = found
            words = ", ".join(f"{each['median']:.2f} {key}" for key, each in found.items())
            print(f"self-check {self_check}: {words}")
            if self_check == "no":
                missed = found["cpu_s"]["median"] > MOST_CPU_S or found["gib"]["max"] > MOST_GIB
    record("bench_pytorch", figures)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
