"""Compare the default pipeline, and ``posezoo run`` of 60 photos, with its networks alone.

The networks alone are OpenVINO's own asynchronous loop (AsyncInferQueue) in THROUGHPUT, with ready
inputs: the detector once for each photo, the pose network once for each person. The photos are the
two samples, and one of four people. In each round, all cases run in turn; a ratio is the time of a
case divided by that of its base in the same round.

- ``one by one``: the photos are read, processed, drawn and written one after the other.
- ``run``: as ``posezoo run`` does it, several at the same time.
- A photo of four people from file to drawing, with one request (LATENCY), by the precision of the
  pose network and of the detector, against both in FP16.
- A video of eight people, as ``posezoo run --detect_every 10`` does it with one request, against
  the inferences that it makes, one after the other.
- A crop of 256x256 by OpenCV's ``warpAffine``, against the form with equal bits for OpenCV 5.
- The crops of that photo at the same time, against one by one, where the device has streams.

INT8 of both networks has to be in the weights folder: posezoo quantize movenet-thunder nanodet-g.

    python benchmarks/bench_photos.py [ROUNDS [PHOTOS]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import amount, exit_code, machine, record, spread

from posezoo.core.arrays import NamedArrays
from posezoo.core.declarations.model import Precision
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import DEFAULT_DETECTOR, DEFAULT_MODEL, read_settings, to_settings
from posezoo.poses import letterbox
from posezoo.poses.drawing import draw
from posezoo.poses.letterbox import Image
from posezoo.run import load
from posezoo.run.images import SAMPLE_PHOTOS, read_image, write_image
from posezoo.run.pipeline_spec import is_quantized_here, resolve_pipeline
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig
from posezoo.run.video.frame_publishers import FramePublisher
from posezoo.run.video.frame_rate import StepTimer
from posezoo.run.video.frame_sources import open_source
from posezoo.run.video.run_inputs import ImageInput, InputRunner, RunInputs, VideoInput
from posezoo.run.video.video_options import VideoOptions

ROUNDS = amount(5)
PHOTOS = amount(60, trial=6)
FRAMES = amount(60, trial=6)
DETECT_EVERY = 10
FP16, INT8 = Precision.FP16, Precision.FP16_INT8

#: The largest ratio of wall and of CPU time of ``run`` to the networks alone.
BARS = {"wall": 1.15, "cpu": 1.12}
#: The largest ratio of CPU time of a video to its inferences.
VIDEO_BAR = 1.3

Seconds = dict[str, float]


def timed(work: Callable[[], object]) -> Seconds:
    """The wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class Zoo:
    """The default model and its detector, in each precision that is there."""

    def __init__(self) -> None:
        self.context = open_context(to_settings(read_settings({})))
        registry = self.context.registry
        self.model, self.detector = registry.find(DEFAULT_MODEL), registry.find(DEFAULT_DETECTOR)
        self.irs = {}
        for model in (self.model, self.detector):
            for precision in (FP16, INT8):
                if precision is FP16 or is_quantized_here(model, precision, self.context):
                    (xml,) = get_irs(model, precision, self.context).values()
                    self.irs[model.name, precision] = xml

    def has(self, *pair: Precision) -> bool:
        names = (self.model.name, self.detector.name)
        return all(each in self.irs for each in zip(names, pair, strict=True))

    def estimator(self, pose: Precision, detector: Precision, requests: int) -> Estimator:
        irs = {
            self.model.name: self.irs[self.model.name, pose],
            self.detector.name: self.irs[self.detector.name, detector],
        }
        options = LoadOptions(RuntimeConfig(requests=requests))
        return load.compile_pipeline(resolve_pipeline(self.model, self.context, pose), irs, options)


class Bare:
    """OpenVINO's own asynchronous loops over both networks."""

    def __init__(self, xmls: Sequence[Path], counts: Sequence[int]) -> None:
        ov = import_openvino()
        config = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        self._loops = []
        for xml, count in zip(xmls, counts, strict=True):
            compiled = ov.Core().compile_model(xml, "CPU", config)
            shape = compiled.input(0).shape
            image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
            self._loops.append((ov.AsyncInferQueue(compiled), image, count))

    def run(self) -> None:
        for queue, image, count in self._loops:
            for _ in range(count):
                queue.start_async({0: image}, share_inputs=True)
            queue.wait_all()


def runner(
    estimator: Estimator, inputs: RunInputs, folder: Path, video: VideoOptions
) -> InputRunner:
    """What ``posezoo run`` does with photos and videos."""
    return InputRunner(
        estimator,
        inputs,
        folder / "out",
        min_score=0.3,
        limit=None,
        video=video,
        publish=FramePublisher(()),
        timer=StepTimer(),
        report_failure=lambda *problem: sys.exit(str(problem)),
        force=True,
    )


def one_by_one(estimator: Estimator, photos: Sequence[Path], folder: Path) -> int:
    """The number of people that are found."""
    found = 0
    for number, photo in enumerate(photos):
        pixels = read_image(photo)
        poses = estimator(pixels)
        found += len(poses)
        picture = draw(pixels, poses, min_score=0.3, in_place=True)
        write_image(folder / f"{number}.jpg", picture)
    return found


def compare(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """The times of the cases in turn, and the ratios to the first of each round."""
    times: dict[str, list[Seconds]] = {name: [] for name in cases}
    for number in range(rounds + 1):  # the first one warms up
        for name, work in cases.items():
            each = timed(work)
            times[name] += [each] if number else []
    (first, base), *_ = times.items()
    metrics: dict[str, Any] = {}
    for name, own in times.items():
        row: dict[str, Any] = {"base": first}
        for kind in ("wall", "cpu"):
            row[f"{kind}_ms"] = spread([1e3 * each[kind] for each in own])
            pairs = zip(own, base, strict=True)
            row[f"{kind}_ratio"] = spread([mine[kind] / bare[kind] for mine, bare in pairs])
        metrics[name] = row
        print(
            f"{name:36} wall {row['wall_ms']['median']:8.1f} ms, {row['wall_ratio']['median']:.2f}"
            f" ({row['wall_ratio']['min']:.2f}-{row['wall_ratio']['max']:.2f}); CPU"
            f" {row['cpu_ms']['median']:8.1f} ms, {row['cpu_ratio']['median']:.2f}"
            f" ({row['cpu_ratio']['min']:.2f}-{row['cpu_ratio']['max']:.2f})"
        )
    return metrics


def measure_photos(zoo: Zoo, folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Many photos, against the networks alone."""
    photos = sorted(folder.glob("photo-*"))[:count]
    one, several = zoo.estimator(FP16, FP16, 1), zoo.estimator(FP16, FP16, 0)
    inputs = RunInputs(tuple(ImageInput(photo, photo.name) for photo in photos))
    people = one_by_one(one, photos, folder)
    xmls = [zoo.irs[zoo.detector.name, FP16], zoo.irs[zoo.model.name, FP16]]
    bare = Bare(xmls, [len(photos), people])
    print(f"{len(photos)} photos of {people} people, {several.streams} streams")
    cases: dict[str, Callable[[], object]] = {
        "the networks alone": bare.run,
        "one by one": lambda: one_by_one(one, photos, folder),
        "run": lambda: runner(several, inputs, folder, VideoOptions()).run_all(),
    }
    return compare(cases, rounds)


def measure_crowd(zoo: Zoo, crowd: Path, rounds: int) -> dict[str, Any]:
    """One photo of four people, by precision, and with parallel crops."""

    def work(estimator: Estimator) -> Callable[[], object]:
        def run() -> None:
            pixels = read_image(crowd)
            draw(pixels, estimator(pixels), min_score=0.5, in_place=True)

        return run

    pairs = [(FP16, FP16), (INT8, FP16), (INT8, INT8)]
    cases = {
        f"4 people, {pose}, detector {detector}": work(zoo.estimator(pose, detector, 1))
        for pose, detector in pairs
        if zoo.has(pose, detector)
    }
    metrics = compare(cases, 4 * rounds)
    several = zoo.estimator(FP16, FP16, 2)
    one_crop = zoo.estimator(FP16, FP16, 2)
    one_crop.requests = 1
    cases = {"4 crops one by one": work(one_crop), "4 crops, 2 at the same time": work(several)}
    return metrics | compare(cases, 4 * rounds)


class CountedInferences:
    """How many inferences each network makes while this context lasts."""

    def __init__(self) -> None:
        self.counts: Counter[CompiledNetwork] = Counter()
        self._infer = CompiledNetwork.infer

    def __enter__(self) -> CountedInferences:
        def infer(network: CompiledNetwork, inputs: NamedArrays) -> AbstractContextManager[Outputs]:
            self.counts[network] += 1
            return self._infer(network, inputs)

        CompiledNetwork.infer = infer  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: object) -> None:
        CompiledNetwork.infer = self._infer  # type: ignore[method-assign]

    def repeat(self) -> None:
        for network, count in self.counts.items():
            inputs = {name: np.zeros(shape, np.uint8) for name, shape in network.inputs.items()}
            for _ in range(count):
                with network.infer(inputs):
                    pass


def write_video(path: Path, crowd: Image) -> None:
    """Twice the people of a picture, one above the other, whom the camera circles."""
    scene = np.pad(np.vstack([crowd, crowd[:, ::-1]]), ((20, 20), (20, 20), (0, 0)), "reflect")
    height, width = scene.shape[0] - 40, scene.shape[1] - 40
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), codec, 30, (width, height))
    for number in range(FRAMES):
        x, y = round(20 + 15 * np.sin(number / 15)), round(20 + 15 * np.cos(number / 15))
        video.write(np.ascontiguousarray(scene[y : y + height, x : x + width]))
    video.release()


def measure_video(zoo: Zoo, crowd: Path, rounds: int) -> dict[str, Any]:
    """A video of eight people, against its inferences."""
    path = crowd.with_suffix(".avi")
    write_video(path, read_image(crowd))
    estimator = zoo.estimator(FP16, FP16, 1)
    options = VideoOptions(track=True, detect_every=DETECT_EVERY)

    def run() -> None:
        source = open_source(str(path), report_error=lambda problem: sys.exit(str(problem)))
        inputs = RunInputs((), (VideoInput(source, path.stem),))
        runner(estimator, inputs, crowd.parent, options).run_all()

    with CountedInferences() as inferences:
        run()
    print(f"{FRAMES} frames, {sorted(inferences.counts.values())} inferences")
    return compare({"inferences of a video": inferences.repeat, "video": run}, rounds)


def measure_crop(photo: Path, rounds: int) -> dict[str, Any]:
    """A crop, repeated 20 times, in both ways."""
    image = read_image(photo)
    inverse = np.array([[1.5, 0.2, 12.0], [-0.2, 1.5, 40.0]])

    def work(warp: Callable[..., object]) -> Callable[[], object]:
        return lambda: [warp(image, inverse, (256, 256)) for _ in range(20)]

    cases = {
        "20 crops for any OpenCV": work(letterbox._warp_as_opencv_4),
        "20 crops by OpenCV 4": work(letterbox._warp_by_opencv),
    }
    return compare(cases, 4 * rounds)


def main(rounds: int = ROUNDS, count: int = PHOTOS) -> int:
    """Run all cases, and compare ``run`` and the video with the bars."""
    print(machine())
    cv2.setNumThreads(1)
    zoo = Zoo()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left, right = (read_image(photo) for photo in SAMPLE_PHOTOS)
        crowd = folder / "crowd.jpg"
        write_image(crowd, np.hstack([left[:, :400], right[:, :400]] * 2))
        for number in range(count):
            picture = (left, right, read_image(crowd))[number % 3]
            write_image(folder / f"photo-{number:03}.jpg", picture)
        cases = measure_photos(zoo, folder, count, rounds)
        cases |= measure_crowd(zoo, crowd, rounds)
        cases |= measure_video(zoo, crowd, rounds)
        cases |= measure_crop(crowd, rounds)
    bars = [("run", kind, bar) for kind, bar in BARS.items()] + [("video", "cpu", VIDEO_BAR)]
    missed = [
        f"{name}: {cases[name][f'{kind}_ratio']['median']:.2f} of {bar} in {kind} time"
        for name, kind, bar in bars
        if cases[name][f"{kind}_ratio"]["median"] > bar
    ]
    record("bench_photos", {"rounds": rounds, "photos": count, "cases": cases, "missed": missed})
    for line in missed:
        print(f"missed: {line}")
    return exit_code(bool(missed))


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
