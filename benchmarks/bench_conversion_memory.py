"""Measure the peak memory of conversions, by kind and size, for ``convert.memory_need``.

Measured is one conversion to FP32 and FP16 with the self-check: the largest sum of the resident
memory of its processes, sampled each 10 ms (shared pages count for each process). The exit code is
1 if a conversion needs more than ``memory_need`` states.

    python benchmarks/bench_conversion_memory.py [MIRROR]

MIRROR is a mirror of the published files; without it, only networks with generated weights are
measured.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from bench_convert import ours, prepare
from harness import machine, record

from posezoo.convert.memory_need import memory_need
from posezoo.registry import open_registry
from posezoo.resolve.custom_weights import require_network, write_random_checkpoint
from posezoo.spec.model import ModelSpec

PUBLISHED = (
    "pose-detection-mediapipe",
    "pose-landmark-full-mediapipe",
    "movenet-singlepose-lightning-int8",
    "tf-pose-mobilenet-v2-small",
)
NETWORKS = (
    "mobile_pose_mobilenet1.0",
    "simple_pose_resnet50_v1b",
    "simple_pose_resnet152_v1b",
    "alpha_pose_resnet101_v1b_coco",
    "higher-hrnet-w32-human-pose-estimation",
    "human-pose-estimation-3d-0001",
)
DRAWN = ("resnet50-sized", "hrnet-sized")


def peak_bytes(command: Sequence[str]) -> int:
    """The largest sum of the resident memory of a command's processes."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        resident = 0
        for each in (process, *process.children(recursive=True)):
            try:
                resident += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, resident)
        time.sleep(0.01)
    return peak


def main() -> int:
    """Measure, print and record."""
    print(machine())
    registry, is_missed = open_registry(), False
    rows: list[dict[str, object]] = []

    def measure(kind: str, name: str, size: int, need: int, command: Sequence[str]) -> None:
        nonlocal is_missed
        peak = peak_bytes(command)
        is_missed |= peak > need
        rows.append({"kind": kind, "model": name, "file": size, "peak": peak, "need": need})
        print(
            "{kind:8} {model:42} file {file:>12,}  peak {peak:>14,}  stated {need:>14,}".format(
                **rows[-1]
            )
        )

    posezoo = [sys.executable, "-m", "posezoo"]
    for name in PUBLISHED if len(sys.argv) > 1 else ():
        spec = registry.find(name)
        assert isinstance(spec, ModelSpec)
        with tempfile.TemporaryDirectory() as folder:
            places = ["-o", folder, "--mirror", sys.argv[1]]
            subprocess.run([*posezoo, "download", name, *places], check=True, capture_output=True)
            size = sum(file.size or 0 for file in spec.files)
            measure(
                spec.framework,
                name,
                size,
                memory_need(spec),
                [*posezoo, "convert", name, "-o", folder],
            )
    for name in NETWORKS:
        spec = registry.find(name)
        assert isinstance(spec, ModelSpec)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "generated.pth"
            write_random_checkpoint(require_network(spec), checkpoint)
            own = ["--checkpoint", str(checkpoint), "-o", folder]
            size = checkpoint.stat().st_size
            # With random weights, some networks end with the self-check: they are measured without
            # it, too.
            for check in ([], ["--self_check", "off"]):
                command = [*posezoo, "convert", name, *own, *check]
                measure("network", name, size, memory_need(spec, size), command)
    for name in DRAWN:
        with tempfile.TemporaryDirectory() as text:
            size = prepare(name, Path(text)).stat().st_size
            spec = open_registry([Path(text) / "models"]).find(name)
            assert isinstance(spec, ModelSpec)
            measure("onnx", name, size, memory_need(spec), ours(name, Path(text))[0])
    record("bench_conversion_memory", {"rows": rows})
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
