"""Quantize two networks of 15 GFLOPs on 100 photos, in whole processes.

Lightweight OpenPose has 57 convolutions; the bar is for this network. HRNet-W32 has 293, and NNCF's
work for each layer takes more time than all inferences together. The weights have a fixed seed, and
the photos are drawn. Two thirds of the photos are used for calibration, the others to compare FP32
with INT8. The exit code is 1 if the bar is missed.

For Lightweight OpenPose, the CPU time of inferences in INT8 is compared with FP16. This has no bar,
because it depends on the processor's instructions: if AMX runs FP16 as bf16, INT8 is hardly faster.

    python benchmarks/bench_quantize.py
"""

from __future__ import annotations

import hashlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from harness import machine, record, spread

import posezoo
from networks import NETWORKS
from posezoo.ir.complexity import read_complexity
from posezoo.runtime.compiled_network import CompiledNetwork

ROUNDS = 3
PHOTOS = 100
INFERENCES = 10

#: CPU seconds by network, including the import of NNCF (2 s) and reading the photos; HRNet has
#: none.
BARS_CPU_S = {"lightweight-openpose": 20.0, "hrnet-sized": None}

MODEL_YML = """\
description: Weights of a fixed seed.
task_type: human_pose_estimation
framework: dldt
license: {{spdx: Apache-2.0, text: LICENSE}}
files: [{files}]
inputs: [{{name: image, shape: {shape}, layout: NCHW, color: BGR}}]
outputs: [{outputs}]
decoder: {{name: heatmap}}
skeleton: coco-17
quantization: {{max_shift_px: 64, min_agreement: 0.001}}
"""


def main() -> int:
    """Run the rounds; print and record the results."""
    print(machine())
    missed = 0
    for network, bar in BARS_CPU_S.items():
        with tempfile.TemporaryDirectory() as folder:
            gflops = prepare(Path(folder), network)
            took = spread([cpu_s_of(Path(folder), number) for number in range(ROUNDS)])
            share = spread(int8_shares(Path(folder))) if network == "lightweight-openpose" else None
        missed += bar is not None and took["median"] > bar
        print(
            f"{network}, {gflops:.1f} GFLOPs, {PHOTOS} photos: CPU s {took}, at most"
            f" {bar or 'anything'}"
        )
        if share is not None:
            print(f"{network}: INT8 takes {share} of FP16's CPU time")
        metrics = {
            "network": network,
            "gflops": gflops,
            "photos": PHOTOS,
            "cpu_s": took,
            "bar_cpu_s": bar,
            "int8_over_fp16": share,
        }
        record("bench_quantize", metrics)
    return int(missed > 0)


def hrnet(xml: Path) -> Mapping[str, str]:
    """Its FP32 IR, and the lines of its model.yml."""
    drawing, content = NETWORKS["hrnet-sized"]()
    ov.save_model(ov.convert_model(io.BytesIO(content)), xml, compress_to_fp16=False)
    ((output, maps),) = drawing.outputs.items()
    return {
        "shape": str(list(drawing.shape)),
        "outputs": f'{{name: "{output}", shape: {list(maps)}, role: heatmaps}}',
    }


def lightweight_openpose(xml: Path) -> Mapping[str, str]:
    """Its FP32 IR, and the lines of its model.yml; 17 of its 19 maps are read as one joint each."""
    import torch

    torch.manual_seed(15)
    network, shape = posezoo.network("lightweight_openpose", pretrained=False), [1, 3, 256, 456]

    class OfOnePerson(type(network)):  # type: ignore[misc]
        def forward(self, image: Any) -> Any:
            heatmaps, pafs = super().forward(image)
            return heatmaps[:, :17], pafs

    network.__class__ = OfOnePerson
    model = ov.convert_model(network, example_input=torch.zeros(shape), input=shape)
    for port, name in zip(model.inputs + model.outputs, ("image", "heatmaps", "pafs"), strict=True):
        port.set_names({name})
    ov.save_model(model, xml, compress_to_fp16=False)
    return {
        "shape": str(shape),
        "outputs": (
            "{name: heatmaps, shape: [1, 17, 32, 57], role: heatmaps}, "
            "{name: pafs, shape: [1, 38, 32, 57]}"
        ),
    }


MADE = {"hrnet-sized": hrnet, "lightweight-openpose": lightweight_openpose}


def prepare(folder: Path, network: str) -> float:
    """Write a registry with one model, its FP32 IR, and photos; returns its GFLOPs."""
    xml = folder / "models" / "public" / "net" / "FP32" / "net.xml"
    xml.parent.mkdir(parents=True)
    lines = MADE[network](xml)
    declared = ", ".join(map(declared_file, (xml, xml.with_suffix(".bin"))))
    home = folder / "registry" / "public" / "net"
    home.mkdir(parents=True)
    (home / "model.yml").write_text(MODEL_YML.format(files=declared, **lines))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        image = cv2.resize(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8), (640, 480))
        cv2.imwrite(str(folder / "photos" / f"{number:03}.jpg"), image)
    found = read_complexity(xml)
    assert found is not None
    return found.gflops


def declared_file(path: Path) -> str:
    """The entry of an existing file in model.yml."""
    digest = hashlib.sha384(path.read_bytes()).hexdigest()
    return (
        f"{{name: FP32/{path.name}, size: {path.stat().st_size}, checksum: {digest}, "
        f'source: "https://models.invalid/{path.name}"}}'
    )


def int8_shares(folder: Path) -> list[float]:
    """The CPU time of some inferences in INT8, divided by that in FP16, for each round."""
    fp32 = folder / "models" / "public" / "net" / "FP32" / "net.xml"
    fp16 = folder / "FP16" / "net.xml"
    fp16.parent.mkdir()
    ov.save_model(ov.Core().read_model(fp32), fp16, compress_to_fp16=True)
    half, int8 = (
        CompiledNetwork(fp16),
        CompiledNetwork(folder / "int8-0" / "public" / "net" / "FP16-INT8" / "net.xml"),
    )
    return [inference_cpu_s(int8) / inference_cpu_s(half) for _ in range(ROUNDS)]


def inference_cpu_s(network: CompiledNetwork) -> float:
    """CPU seconds of some inferences, after a warm-up."""
    ((name, shape),) = network.inputs.items()
    feed = {name: np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)}
    network(feed)
    start_time = time.process_time()
    for _ in range(INFERENCES):
        network(feed)
    return time.process_time() - start_time


def cpu_s_of(folder: Path, number: int) -> float:
    """CPU seconds of a process and its children."""
    command: list[object] = [sys.executable, "-m", "posezoo", "quantize", "net", "--quiet"]
    command += ["--models_dir", folder / "registry", "--weights_dir", folder / "models"]
    command += ["--dataset_dir", folder / "photos", "--output", folder / f"int8-{number}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Each photo shows one person, so no detector is needed.
    subprocess.run(
        list(map(str, command)), check=True, env={**os.environ, "POSEZOO_DETECTOR": "none"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
