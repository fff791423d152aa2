"""What quantizing takes: an HRNet-sized network (15 GFLOPs) on 100 photos, as whole processes.

Weights are of a fixed seed, photos are drawn. Two photos in three calibrate, the others are shown to FP32 and
INT8. Ends with 1 where the bar is missed.

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
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from harness import machine, record, spread

from networks import NETWORKS
from posezoo.complexity import read_complexity

ROUNDS = 3
NETWORK = "hrnet-sized"
PHOTOS = 100

#: CPU seconds, importing NNCF (2) and reading pictures included.
BAR_CPU_S = 20.0

MODEL_YML = """\
description: Weights of a fixed seed.
task_type: human_pose_estimation
framework: dldt
license: {{spdx: Apache-2.0, text: LICENSE}}
files: [{files}]
inputs: [{{name: image, shape: {shape}, layout: NCHW, color: BGR}}]
outputs: [{{name: "{output}", shape: {maps}, role: heatmaps}}]
decoder: {{name: heatmap}}
skeleton: coco-17
quantization: {{max_shift_px: 64, min_agreement: 0.001}}
"""


def main() -> int:
    """Run the rounds, print and record what they took."""
    with tempfile.TemporaryDirectory() as folder:
        gflops = prepare(Path(folder))
        rounds = [cpu_s_of(Path(folder), number) for number in range(ROUNDS)]
    took = spread(rounds)
    print(f"{NETWORK}, {gflops:.1f} GFLOPs, {PHOTOS} photos: CPU s {took}, at most {BAR_CPU_S:g}")
    print(f"on {machine()}")
    record("bench_quantize", {"gflops": gflops, "photos": PHOTOS, "cpu_s": took, "bar_cpu_s": BAR_CPU_S})
    return 0 if took["median"] <= BAR_CPU_S else 1


def prepare(folder: Path) -> float:
    """A registry of one model, its FP32 IR, and photos; returns its GFLOPs."""
    drawing, content = NETWORKS[NETWORK]()
    xml = folder / "models" / "public" / "net" / "FP32" / "net.xml"
    xml.parent.mkdir(parents=True)
    ov.save_model(ov.convert_model(io.BytesIO(content)), xml, compress_to_fp16=False)
    declared = ", ".join(map(declared_file, (xml, xml.with_suffix(".bin"))))
    ((output, maps),) = drawing.outputs.items()
    home = folder / "registry" / "public" / "net"
    home.mkdir(parents=True)
    text = MODEL_YML.format(files=declared, shape=list(drawing.shape), output=output, maps=list(maps))
    (home / "model.yml").write_text(text)
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        picture = cv2.resize(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8), (640, 480))
        cv2.imwrite(str(folder / "photos" / f"{number:03}.jpg"), picture)
    found = read_complexity(xml)
    assert found is not None
    return found.gflops


def declared_file(path: Path) -> str:
    """A file in place, as model.yml declares it."""
    digest = hashlib.sha384(path.read_bytes()).hexdigest()
    return (
        f"{{name: FP32/{path.name}, size: {path.stat().st_size}, checksum: {digest}, "
        f'source: "https://models.invalid/{path.name}"}}'
    )


def cpu_s_of(folder: Path, number: int) -> float:
    """CPU seconds of one process, its children's included."""
    command: list[object] = [sys.executable, "-m", "posezoo", "quantize", "net", "--quiet"]
    command += ["--models_dir", folder / "registry", "--model_dir", folder / "models"]
    command += ["--dataset_dir", folder / "photos", "--output_dir", folder / f"int8-{number}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Each picture is one person: no detector looks first.
    subprocess.run(list(map(str, command)), check=True, env={**os.environ, "POSEZOO_DETECTOR": "none"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
