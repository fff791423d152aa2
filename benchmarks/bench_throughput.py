"""Compare the throughput of a whole pose pipeline, from 720p frames to drawn poses, with OpenVINO
alone.

``Estimator.stream`` runs as ``posezoo run`` processes a video, in turn with OpenVINO's own
asynchronous loop (AsyncInferQueue), which gets the same IR with the same properties and number of
requests, has ready inputs, and does nothing with the outputs. A ratio is the loop's time for a
frame divided by posezoo's, for wall time and CPU time; the ratio of a case is the median over the
rounds. The two networks have about 15 GFLOPs: human-pose-estimation-0001 in FP16-INT8, and
Lightweight OpenPose in FP32 with weights of a fixed seed. Since they do not detect the drawn
people, the outputs of each finished inference are replaced by maps of a drawn crowd of 5 or 20
people. OpenCV has one thread, as in posezoo's commands. The exit code is 1 if a bar is missed.

    python benchmarks/bench_throughput.py [ROUNDS [FRAMES]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from harness import amount, exit_code, machine, record, spread
from work_done import require_found

import posezoo
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.settings import read_settings, to_settings
from posezoo.poses.drawing import draw
from posezoo.run.load import default_runtime
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.decoder_matching import describe_ir
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig, choose_requests

ROOT = Path(__file__).resolve().parents[1]

ROUNDS = amount(10)
FRAMES = amount(60, trial=4)
HEIGHT, WIDTH = 720, 1280
MIN_SCORE = 0.1  # draw all keypoints that are found

#: How images are prepared, which a generated network does not say.
AS_THEY_ARE = LoadOptions(mean=(0.0,), scale=(1.0,))

#: By the number of people: the least ratio of wall and of CPU time in FP32, and in INT8.
BARS: dict[int, tuple[tuple[float, float], tuple[float, float]]] = {
    5: ((0.88, 0.93), (0.84, 0.87)),
    20: ((0.80, 0), (0.74, 0)),
}


@dataclass(frozen=True)
class Seconds:
    """The wall and CPU seconds of a frame."""

    wall: float
    cpu: float


def timed(work: Callable[[], None], frames: int) -> Seconds:
    """The mean seconds of a frame."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds((time.perf_counter() - wall) / frames, (time.process_time() - cpu) / frames)


class Bare:
    """OpenVINO's own asynchronous loop."""

    def __init__(self, xml: Path, runtime: RuntimeConfig, requests: int) -> None:
        ov = import_openvino()
        compiled = ov.Core().compile_model(xml, runtime.device, runtime.to_openvino_config())
        self.streams = int(compiled.get_property("NUM_STREAMS"))
        self._queue = ov.AsyncInferQueue(compiled, requests)
        self._input = (
            np.random.default_rng(1).uniform(0, 255, compiled.input(0).shape).astype(np.float32)
        )

    def run(self, frames: int) -> None:
        """Run this number of inferences."""
        for _ in range(frames):
            self._queue.start_async({0: self._input}, share_inputs=True)
        self._queue.wait_all()


def runtime_of_run(xml: Path) -> RuntimeConfig:
    """As ``posezoo run`` processes the frames of a video."""
    graph = Graph(xml)
    model, _ = describe_ir(graph, options=AS_THEY_ARE)
    runtime = default_runtime(to_settings(read_settings({})))
    runtime = replace(runtime, requests=choose_requests(), cache_dir=None)
    return runtime.choose_precision(model, graph.precision)


def loaded(xml: Path, runtime: RuntimeConfig, outputs: Mapping[str, Any], people: int) -> Estimator:
    """An estimator whose outputs are replaced by the drawn maps after each inference."""
    graph = Graph(xml)
    model, description = describe_ir(graph, options=AS_THEY_ARE)
    irs = {model.name: graph}
    estimator = load_estimator(model, irs, LoadOptions(runtime), description=description)
    network: CompiledNetwork = estimator._pipeline.networks[0]
    answer = network.infer

    @contextmanager
    def drawn(inputs: Mapping[str, Any]) -> Iterator[Outputs]:
        with answer(inputs):
            yield outputs

    network.infer = drawn  # type: ignore[method-assign]
    found = len(estimator(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    require_found(f"{xml.stem}, maps of {people}", found, people - people // 10)
    return estimator


def maps(xml: Path, people: int) -> dict[str, Any]:
    """Drawn maps by the names of the IR's outputs."""
    crowds = import_module("fakes.crowds")
    group = crowds.group("crowd", 1, crowds.OPENPOSE_SIZE, people)
    by_channels = {each.shape[1]: each for each in crowds.openpose_maps(group, 1)}
    outputs = import_openvino().Core().read_model(xml).outputs
    return {port.any_name: by_channels[port.partial_shape[1].get_length()] for port in outputs}


def ours(estimator: Estimator, frame: Any, frames: int) -> None:
    """Run posezoo on this number of frames."""
    for image, poses in estimator.stream(repeat(frame, frames)):
        draw(image, poses, min_score=MIN_SCORE, in_place=True)  # as the demo does


def generated(folder: Path) -> Path:
    """Lightweight OpenPose in FP32, with weights of a fixed seed."""
    import torch

    ov = import_openvino()
    torch.manual_seed(15)
    network = posezoo.network("lightweight_openpose", pretrained=False)
    model = ov.convert_model(
        network, example_input=torch.zeros(1, 3, 256, 456), input=[1, 3, 256, 456]
    )
    for port, name in zip(model.outputs, ("heatmaps", "pafs"), strict=False):
        port.set_names({name})
    xml = folder / "lightweight-openpose.xml"
    ov.save_model(model, xml, compress_to_fp16=False)
    return xml


def measured(
    xml: Path, runtime: RuntimeConfig, rounds: int, frames: int
) -> tuple[list[Seconds], dict[int, list[Seconds]]]:
    """The times of the bare loop and of each number of people, by round."""
    frame = np.random.default_rng(2).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    estimators = {people: loaded(xml, runtime, maps(xml, people), people) for people in BARS}
    requests = max(estimator.requests for estimator in estimators.values())
    bare = Bare(xml, runtime, requests)
    for estimator in estimators.values():
        if estimator.streams != bare.streams:
            raise SystemExit(f"{xml}: {estimator.streams} streams, {bare.streams} of the bare loop")
    bares: list[Seconds] = []
    cases: dict[int, list[Seconds]] = {people: [] for people in BARS}
    for number in range(rounds + 1):  # the first one warms up
        each = timed(lambda: bare.run(frames), frames)
        bares += [each] if number else []
        for people, estimator in estimators.items():
            each = timed(partial(ours, estimator, frame, frames), frames)
            cases[people] += [each] if number else []
    return bares, cases


def main(rounds: int = ROUNDS, frames: int = FRAMES) -> int:
    """Run both networks, and compare the medians of the ratios with the bars."""
    sys.path.insert(0, str(ROOT / "tests"))
    print(machine())
    cv2.setNumThreads(1)
    metrics: dict[str, Any] = {}
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        (int8,) = posezoo.get("human-pose-estimation-0001", "FP16-INT8").values()
        for name, xml in {"FP32": generated(Path(folder)), "INT8": int8}.items():
            runtime = runtime_of_run(xml)
            bares, cases = measured(xml, runtime, rounds, frames)
            print(
                f"{name}: the bare loop takes {1e3 * median(each.wall for each in bares):.1f} ms a"
                f" frame, {1e3 * median(each.cpu for each in bares):.1f} of CPU"
            )
            for people, times in cases.items():
                case = f"{people} people"
                wall = spread(
                    [bare.wall / own.wall for bare, own in zip(bares, times, strict=True)]
                )
                cpu = spread([bare.cpu / own.cpu for bare, own in zip(bares, times, strict=True)])
                ms = 1e3 * median(each.wall for each in times)
                print(
                    f"  {case:9} {ms:6.1f} ms, ratio of wall {wall['median']:.3f} "
                    f"({wall['min']:.2f}-{wall['max']:.2f}), of CPU {cpu['median']:.3f}"
                )
                ratios = {"ms": ms, "wall_ratio": wall, "cpu_ratio": cpu}
                metrics[f"{name}, {case}"] = {**ratios, **runtime.to_openvino_config()}
                least_fp32, least_int8 = BARS[people]
                least_ratios = least_int8 if name == "INT8" else least_fp32
                for what, found, min_count in zip(
                    ("wall", "CPU"), (wall["median"], cpu["median"]), least_ratios, strict=True
                ):
                    if found < min_count:
                        missed.append(f"{name}, {case}: {found:.3f} of {min_count} in {what} time")
    record(
        "bench_throughput", {"rounds": rounds, "frames": frames, "cases": metrics, "missed": missed}
    )
    for line in missed:
        print(f"missed: {line}")
    return exit_code(bool(missed))


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
