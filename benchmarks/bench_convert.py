"""Convert an ONNX model to both precisions, with the self-check, and by programs without one.

The comparison is with Model Optimizer of openvino-dev 2024.6, which Open Model Zoo's converter
calls once for each precision, and with ``ovc``, OpenVINO's converter, which writes FP16. Each value
is the CPU time of whole processes, which run in turn. The exit code is 1 if a bar is missed.

    make build/mo-env && python benchmarks/bench_convert.py
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import amount, cpu_s, exit_code, machine, record, spread

from networks import NETWORKS, Drawing
from posezoo.core.files import verified_files

ROUNDS = amount(5)
MO = Path(__file__).resolve().parents[1] / "build" / "mo-env" / "bin" / "mo"

#: The most CPU seconds in the median of the rounds, from the peers' medians.
BARS: dict[str, Callable[[Mapping[str, float]], float]] = {
    "higher-hrnet-sized": lambda peers: 1.2 * peers["mo, twice"],
    "many-pixels": lambda peers: 4 * peers["ovc"] + 4,
}

MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

MODEL_YML = """\
description: Weights of a fixed seed.
task_type: human_pose_estimation
framework: onnx
license: {{spdx: Apache-2.0, text: LICENSE}}
files: [{{name: {name}.onnx, size: {size}, checksum: {digest}, source: "https://models.invalid/{name}.onnx"}}]
inputs:
  - name: image
    shape: {shape}
    layout: NCHW
    color: RGB
    reverse_input_channels: true
    mean: {mean}
    scale: {scale}
outputs: [{outputs}]
"""


def prepare(name: str, folder: Path) -> Path:
    """Write a registry with one model, and its file as if downloaded; returns the path of this
    file.
    """
    drawing, content = NETWORKS[name]()
    return declare(name, drawing, content, folder / "models", folder / "downloads", (MEAN, SCALE))


def declare(
    name: str,
    drawing: Drawing,
    content: bytes,
    models: Path,
    downloads: Path,
    mean_and_scale: tuple[Sequence[float], Sequence[float]],
) -> Path:
    """Write a model.yml, and the model's file as if downloaded; returns the path of this file."""
    original = downloads / "public" / name / f"{name}.onnx"
    original.parent.mkdir(parents=True)
    original.write_bytes(content)
    model = models / "public" / name / "model.yml"
    model.parent.mkdir(parents=True)
    mean, scale = map(list, mean_and_scale)
    ports = [f'{{name: "{each}", shape: {list(to)}}}' for each, to in drawing.outputs.items()]
    values: dict[str, object] = {"shape": list(drawing.shape), "mean": mean, "scale": scale}
    values |= {"size": len(content), "digest": hashlib.sha384(content).hexdigest()}
    model.write_text(MODEL_YML.format(name=name, **values, outputs=", ".join(ports)))
    verified_files.is_verified(original, None, verified_files.compute_digest(original))
    return original


def ours(name: str, folder: Path) -> list[list[str]]:
    """The command of posezoo, which is one process."""
    places = ["--models_dir", folder / "models", "-d", folder / "downloads", "-o", folder / "ours"]
    return [[sys.executable, "-m", "posezoo", "convert", name, "-q", *map(str, places)]]


def theirs(name: str, folder: Path, original: Path) -> list[list[str]]:
    """The two commands of Model Optimizer."""
    arguments = [
        f"--input_model={original}",
        f"--model_name={name}",
        "--reverse_input_channels",
        f"--mean_values=image[{','.join(map(str, MEAN))}]",
        f"--scale_values=image[{','.join(map(str, SCALE))}]",
        "--layout=image(NCHW)",
    ]
    into = f"--output_dir={folder / 'theirs'}"
    return [
        [str(MO), *arguments, f"{into}/{precision}", f"--compress_to_fp16={half}"]
        for precision, half in (("FP32", False), ("FP16", True))
    ]


def ovc(name: str, folder: Path, original: Path) -> list[list[str]]:
    """The command of OpenVINO's converter, without preprocessing."""
    program = Path(sys.executable).with_name("ovc")
    return [[str(program), str(original), "--output_model", str(folder / "theirs" / name)]]


def rounds_of(name: str, folder: Path) -> list[dict[str, float]]:
    """The CPU seconds of each program in each round; a first round fills the disk cache and is not
    counted.
    """
    original = prepare(name, folder)
    contestants = {
        "mo, twice": theirs(name, folder, original),
        "ovc": ovc(name, folder, original),
        "posezoo": ours(name, folder),
    }
    rounds = []
    for _ in range(ROUNDS + amount(1, trial=0)):
        found = {}
        for contestant, commands in contestants.items():
            for made in ("ours", "theirs"):
                shutil.rmtree(folder / made, ignore_errors=True)
            found[contestant] = sum(cpu_s(command, HOME=str(folder)) for command in commands)
        rounds.append(found)
    return rounds[-ROUNDS:]


def main() -> int:
    """Measure all programs with each network; print and record the results."""
    if not MO.is_file():
        print(f"{MO}: not there: make build/mo-env", file=sys.stderr)
        return 1
    print(machine())
    missed = False
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            rounds = rounds_of(name, Path(folder))
        found = {program: spread([each[program] for each in rounds]) for program in rounds[0]}
        for program, times in found.items():
            spent = f"{times['median']:.2f} ({times['min']:.2f} to {times['max']:.2f})"
            print(f"{name:18} {program:10} {spent} s of CPU time")
        record("bench_convert", {"network": name, "rounds": ROUNDS, "cpu_s": found})
        if name in BARS:
            medians = {program: times["median"] for program, times in found.items()}
            bar = BARS[name](medians)
            missed |= medians["posezoo"] > bar
            print(f"{name:18} bar        {bar:.2f} s")
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
