"""Measure whether a video has the people that its frames have as photos, while they come and go,
and on how many frames the detector runs.

    benchmarks/measure_changing_videos.py --photos DIR

Writes benchmarks/results/changing_videos.jsonl: a row for each kind of video (changing_videos.py)
and number of frames between two detections; 1 is what the frames have as photos. The values of
run/runtime/frame_changes.py were chosen on the videos of other seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
from changing_videos import KINDS, Person, Scene, VideoMaker
from harness import machine

from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.poses.keypoints import Pose
from posezoo.run.load import ChosenModel, Loader
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.estimator import Estimator

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "changing_videos.jsonl"
sys.path.insert(0, str(ROOT / "tests"))

MODEL = "movenet-thunder"
EVERY = (1, 3)
SEEDS = range(10, 11)
#: A person is found in a frame if the object keypoint similarity is above this.
FOUND = 0.5
#: Fewer keypoints do not say which pose is whose.
MIN_KEYPOINTS = 5


@contextmanager
def counted(network: CompiledNetwork) -> Iterator[list[int]]:
    """Gets the number of inferences of a network."""
    count = [0]
    infer = CompiledNetwork.infer

    @contextmanager
    def counted_infer(self: CompiledNetwork, inputs: Any) -> Iterator[Any]:
        count[0] += self is network
        with infer(self, inputs) as outputs:
            yield outputs

    CompiledNetwork.infer = counted_infer  # type: ignore[method-assign]
    try:
        yield count
    finally:
        CompiledNetwork.infer = infer  # type: ignore[method-assign]


def count_found(poses: Sequence[Pose], people: Sequence[Person]) -> int:
    """How many of the people have a pose."""
    likeness = import_module("fakes.people").likeness
    return sum(any(likeness(pose, person) > FOUND for pose in poses) for person in people)


def count_ghosts(poses: Sequence[Pose], people: Sequence[Person]) -> int:
    """How many poses have their middle in nobody's box."""
    return sum(not any(_is_in(pose, person["bbox"]) for person in people) for pose in poses)


def _is_in(pose: Pose, box: Sequence[float]) -> bool:
    x0, y0, x1, y1 = pose.box
    left, top, width, height = box
    return left <= (x0 + x1) / 2 <= left + width and top <= (y0 + y1) / 2 <= top + height


def measure(estimator: Estimator, videos: Sequence[Sequence[Scene]], every: int) -> dict[str, Any]:
    """The people and ghosts of all videos, how often the detector ran, and CPU milliseconds."""
    people = found = ghosts = 0
    begin = time.process_time()
    with counted(estimator.networks[0]) as detections:
        for video in videos:
            frames = [frame for frame, _ in video]
            with estimator.stream(frames, is_video=True, detect_every=every) as stream:
                for (_, poses), (_, annotated) in zip(stream, video, strict=True):
                    clear = [each for each in annotated if each["num_keypoints"] >= MIN_KEYPOINTS]
                    people += len(clear)
                    found += count_found(poses, clear)
                    ghosts += count_ghosts(poses, annotated)
    frames_number = sum(map(len, videos))
    return {
        "frames": frames_number,
        "people": people,
        "found": found,
        "ghosts": ghosts,
        "detections": detections[0],
        "cpu_ms": round(1000 * (time.process_time() - begin) / frames_number, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    context = open_context(to_settings(read_settings({"weights_dir": ROOT / "build" / "measure"})))
    estimator = Loader(context).prepare(ChosenModel(context.registry.find(MODEL))).compile()
    makers = [VideoMaker(args.photos, seed) for seed in SEEDS]
    lines = []
    for kind, make in KINDS.items():
        videos = [list(make(maker)) for maker in makers]
        for every in EVERY:
            row = {"model": MODEL, "video": kind, "detect_every": every}
            row |= measure(estimator, videos, every)
            lines.append(json.dumps({**row, **machine()}))
            print(json.dumps(row), flush=True)
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
