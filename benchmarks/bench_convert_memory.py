"""Peak memory of conversions with their self-check, and of ``mo``, which only reads and writes.

Each value is sampled from /proc: the largest process of a command, and all its processes together,
with shared pages counted once (PSS). The exit code is 1 if a bar is missed. Linux only.

    make build/mo-env && python benchmarks/bench_convert_memory.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_convert import MO, ours, prepare, theirs
from harness import amount, exit_code, machine, record, spread

from posezoo.networks import build_network

ROUNDS = amount(3)

#: The most MiB in the median of the rounds: of the largest process of an ONNX, and of all processes
#: of a checkpoint.
BARS = {"ONNX": 450, "checkpoint": 600}

_SAMPLED_S = 0.02


def peaks_mib(command: Sequence[str], **environ: str) -> dict[str, float]:
    """The peaks of the largest process of a command, and of all its processes together."""
    peaks = {"largest process": 0.0, "all processes": 0.0}
    with subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            used = [_memory_kib(pid) for pid in _descendants(process.pid)]
            largest = max((rss for rss, _ in used), default=0)
            together = sum(pss for _, pss in used)
            peaks["largest process"] = max(peaks["largest process"], largest / 1024)
            peaks["all processes"] = max(peaks["all processes"], together / 1024)
            time.sleep(_SAMPLED_S)
        assert process.stderr
        if process.returncode:
            raise SystemExit(f"{command}: {process.stderr.read()}")
    return peaks


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = children.read_text(encoding="ascii").split()
        except OSError:  # it has ended
            continue
        for child in found:
            yield from _descendants(int(child))


def _memory_kib(pid: int) -> tuple[int, int]:
    """The resident and the proportional size of a process; 0 of one that has ended."""
    sizes = {"Rss:": 0, "Pss:": 0}
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for name, size, *_ in map(str.split, lines):
        if name in sizes:
            sizes[name] = int(size)
    return sizes["Rss:"], sizes["Pss:"]


def save_checkpoint(path: Path) -> None:
    """Write weights of HRNet-W32 as PyTorch does."""
    import torch

    torch.manual_seed(0)
    torch.save(build_network("hrnet").state_dict(), path)


def measure(name: str, command: Sequence[str], folder: Path) -> dict[str, dict[str, float]]:
    """The spread of a command's peaks; prints them."""
    rounds = []
    for _ in range(ROUNDS):
        for made in ("ours", "theirs"):
            shutil.rmtree(folder / made, ignore_errors=True)
        rounds.append(peaks_mib(command, HOME=str(folder)))
    found = {kind: spread([each[kind] for each in rounds]) for kind in rounds[0]}
    for kind, values in found.items():
        print(
            f"{name:44} {kind:16} {values['median']:.0f} MiB"
            f" ({values['min']:.0f} to {values['max']:.0f})"
        )
    return found


def main() -> int:
    """Measure each network and a checkpoint; print and record the results."""
    if not MO.is_file():
        print(f"{MO}: not there: make build/mo-env", file=sys.stderr)
        return 1
    print(machine())
    missed = False
    metrics: dict[str, object] = {"rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        for name in ("hrnet-sized", "higher-hrnet-sized", "many-pixels"):
            original = prepare(name, folder)
            size = f"{name}, {original.stat().st_size / 1e6:.0f} MB"
            (command,) = ours(name, folder)
            found = measure(f"posezoo, {size}", command, folder)
            missed |= found["largest process"]["median"] > BARS["ONNX"]
            metrics[f"posezoo, {size}"] = found
            metrics[f"mo, {size}"] = measure(
                f"mo, one precision, {size}", theirs(name, folder, original)[0], folder
            )
        checkpoint = folder / "hrnet.pth"
        save_checkpoint(checkpoint)
        command = [sys.executable, "-m", "posezoo", "convert", "--network", "hrnet", "-q"]
        command += ["--checkpoint", str(checkpoint), "-o", str(folder / "ours")]
        size = f"{checkpoint.stat().st_size / 1e6:.0f} MB"
        found = measure(f"posezoo, a checkpoint of HRNet-W32, {size}", command, folder)
        missed |= found["all processes"]["median"] > BARS["checkpoint"]
        metrics["posezoo, a checkpoint of HRNet-W32"] = found
    record("bench_convert_memory", metrics)
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
