"""Compare the frames a second of the C++ sample (``posezoo export --to cpp``) with those of
posezoo's Python.

Both process the same photo again and again, one frame after the other, with the same IR, in which
the decoder is, and OpenVINO with all cores. They take turns; the ratio is the median of the ratios
of the rounds. For BlazePose, Python runs the networks without decoder, as ``posezoo run
blazepose-full`` does. CMake and a C++ compiler are needed; ``POSEZOO_MIRROR`` names a mirror of the
models' files. There is no bar.

    python benchmarks/bench_cpp_sample.py [ROUNDS [SECONDS]]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
from harness import machine, record, spread
from openvino.utils import get_cmake_path

import posezoo
from posezoo.download.published_photos import download_samples
from posezoo.images import read_image
from posezoo.pipeline.zoo_context import open_context
from posezoo.runtime.estimator import Estimator
from posezoo.settings import read_settings, to_settings

MODELS = "movenet-lightning", "movenet-multipose", "blazepose-full"
ROUNDS, SECONDS = 7, 5.0


def built(folder: Path) -> Path:
    """The program, with the IR of all models in ``folder/models``."""
    build = folder / "build"
    for command in (
        [sys.executable, "-m", "posezoo", "export", *MODELS, "--to", "cpp", f"{folder}", "--quiet"],
        ["cmake", "-S", f"{folder}", "-B", f"{build}", "-D", f"OpenVINO_DIR={get_cmake_path()}"],
        ["cmake", "--build", f"{build}"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return build / "poses"


def cpp_rate(program: Path, arguments: Sequence[object], seconds: float) -> float:
    """Frames a second of the C++ sample."""
    command = list(map(str, (program, *arguments, "--benchmark", seconds)))
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return float(answer["frames_per_second"])


def python_rate(estimator: Estimator, photo: Path, seconds: float) -> float:
    """Frames a second of posezoo in this process."""
    image, frames = read_image(photo), 0
    estimator(image)
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        estimator(image)
        frames += 1
    return frames / (time.perf_counter() - start)


def main(rounds: int = ROUNDS, seconds: float = SECONDS) -> int:
    """Measure all models, print and record the results; returns the exit code."""
    if shutil.which("cmake") is None:
        print("not measured: CMake is missing")
        return 0
    print(machine())
    cases: dict[str, dict[str, dict[str, float]]] = {}
    context = open_context(to_settings(read_settings({})))
    photo = next(iter(download_samples(context.layout.samples_dir, context.download_options)))
    with tempfile.TemporaryDirectory() as name:
        folder, frame = Path(name), Path(name) / "frame.ppm"
        cv2.imwrite(str(frame), read_image(photo))
        program = built(folder)
        for model in MODELS:
            xml: str | Path = folder / "models" / f"{model}.xml"
            arguments: list[object] = [xml, frame]
            if model == "blazepose-full":
                landmarks, detector = (
                    folder / "models" / f"pose-{part}-mediapipe.xml"
                    for part in ("landmark-full", "detection")
                )
                xml, arguments = model, [landmarks, "--detector", detector, frame]
            estimator = posezoo.load(xml)
            turns = [
                (cpp_rate(program, arguments, seconds), python_rate(estimator, photo, seconds))
                for _ in range(rounds)
            ]
            cases[model] = {
                "cpp_frames_per_second": spread([cpp for cpp, _ in turns]),
                "python_frames_per_second": spread([python for _, python in turns]),
                "ratio": spread([cpp / python for cpp, python in turns]),
            }
            cpp, python, ratio = (each["median"] for each in cases[model].values())
            print(
                f"{model:20} C++ {cpp:6.1f}, Python {python:6.1f} frames a second, ratio"
                f" {ratio:.2f}"
            )
    record(
        "bench_cpp_sample",
        {"rounds": rounds, "seconds": seconds, "photo": photo.name, "cases": cases},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in sys.argv[1:2]), *(float(text) for text in sys.argv[2:3])))
