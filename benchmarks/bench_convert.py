"""Convert an ONNX model to both precisions, with the self-check, and by programs without one.

The comparison is with Model Optimizer of openvino-dev 2024.6, which Open Model Zoo's converter
calls once for each precision, and with ``ovc``, OpenVINO's converter, which writes FP16. Each value
is the wall or CPU time of whole processes, which run in turn. The exit code is 1 if a bar is
missed.

    make mo-env && python benchmarks/bench_convert.py
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

from harness import amount, exit_code, machine, record, spread, used_s

from networks import NETWORKS, Drawing
from posezoo.core.files import verified_files

ROUNDS = amount(5)
MO = Path(__file__).resolve().parents[1] / "build" / "mo-env" / "bin" / "mo"

#: The most wall or CPU seconds in the median of the rounds, from the peers' medians.
BARS: dict[tuple[str, str], Callable[[Mapping[str, float]], float]] = {
    ("hrnet-sized", "wall"): lambda peers: peers["mo, twice"] / 3,
    ("resnet50-sized", "wall"): lambda peers: peers["mo, twice"] / 4,
    ("higher-hrnet-sized", "cpu"): lambda peers: 1.2 * peers["mo, twice"],
    ("many-pixels", "cpu"): lambda peers: 4 * peers["ovc"] + 4,
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
    verified_files.remember_verified(original, verified_files.compute_digest(original))
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


def rounds_of(name: str, folder: Path) -> list[dict[str, dict[str, float]]]:
    """The ``wall`` and ``cpu`` seconds of each program in each round; a first round fills the disk
    cache and is not counted.
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
            used = [used_s(command, HOME=str(folder)) for command in commands]
            found[contestant] = {kind: sum(each[kind] for each in used) for kind in used[0]}
        rounds.append(found)
    return rounds[-ROUNDS:]


def in_words(found: Mapping[str, float]) -> str:
    """The median, and the range of the rounds."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def main() -> int:
    """Measure all programs with each network; print and record the results."""
    if not MO.is_file():
        print(f"{MO}: not there: make mo-env", file=sys.stderr)
        return 1
    print(machine())
    missed = 0
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            rounds = rounds_of(name, Path(folder))
        metrics: dict[str, object] = {"network": name, "rounds": ROUNDS}
        medians: dict[str, dict[str, float]] = {"wall": {}, "cpu": {}}
        for contestant, kind in product(rounds[0], ("wall", "cpu")):
            times = spread([each[contestant][kind] for each in rounds])
            ratio = spread([each["mo, twice"][kind] / each[contestant][kind] for each in rounds])
            metrics[f"{contestant}, {kind}"] = {"seconds": times, "times as fast": ratio}
            medians[kind][contestant] = times["median"]
            print(
                f"{name:18} {contestant:10} {kind:5} {in_words(times)} s,"
                f" {in_words(ratio)} x as fast as mo"
            )
        for kind, seconds in medians.items():
            if (name, kind) in BARS:
                bar = BARS[name, kind](seconds)
                missed += seconds["posezoo"] > bar
                print(f"{name:18} bar        {kind:5} {bar:.2f} s")
        record("bench_convert", metrics)
    return exit_code(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
