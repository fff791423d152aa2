"""Measure whether a video has the people that its frames have as photos, and what that costs.

    benchmarks/measure_video_people.py --photos DIR

Writes benchmarks/results/video_people.jsonl: a row for each model and number of frames between two
detections. Each video is a camera that pans over a photo for a second; the
annotations move with it.
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
import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.core.versions import package_versions
from posezoo.media.images import read_image
from posezoo.poses.keypoints import Pose
from posezoo.run.load import Loader
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.subject import find_subject

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "video_people.jsonl"
sys.path.insert(0, str(ROOT / "tests"))

MODELS = ("movenet-thunder", "movenet-lightning")
EVERY = (3, 5)
FRAMES = 30
#: Scenes of 1, 3, 4, 12 and 13 annotated people.
PHOTOS = (785, 349860, 790, 183709, 174375)
#: A person is found in a frame if the object keypoint similarity is above this.
FOUND = 0.5
#: Fewer keypoints do not say which pose is whose.
MIN_KEYPOINTS = 5

Person = dict[str, Any]
Video = list[tuple[Array, list[Person]]]


class NetworkTime:
    """The CPU seconds of all networks."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        infer = CompiledNetwork.infer
        timer = self

        @contextmanager
        def measured_infer(network: CompiledNetwork, inputs: Any) -> Iterator[Any]:
            begin = time.process_time()
            with infer(network, inputs) as outputs:
                timer.cpu_s += time.process_time() - begin
                yield outputs

        CompiledNetwork.infer = measured_infer  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            CompiledNetwork.infer = infer  # type: ignore[method-assign]


def read_photos(folder: Path) -> list[tuple[Array, list[Person]]]:
    """The photos with the people in them."""
    annotated = json.loads((folder / "person_keypoints.json").read_text("utf-8"))
    return [
        (
            read_image(folder / image["file_name"]),
            [
                person
                for person in annotated["annotations"]
                if person["image_id"] == image["id"] and not person.get("iscrowd")
            ],
        )
        for image in annotated["images"]
        if image["id"] in PHOTOS
    ]


def number_of_ids(tracked: Sequence[Sequence[Pose]], video: Video) -> tuple[int, int]:
    """How often annotated people are found in the frames of a video, and get another number."""
    likeness = import_module("fakes.people").likeness
    last: dict[int, int] = {}
    found = switches = 0
    for poses, (_, people) in zip(tracked, video, strict=True):
        for person in people:
            if person["num_keypoints"] < MIN_KEYPOINTS or not poses:
                continue
            scores = [likeness(pose, person) for pose in poses]
            best = poses[int(np.argmax(scores))]
            if not max(scores) > FOUND:
                continue
            found += 1
            if best.track_id is None:
                continue
            switches += last.get(person["id"], best.track_id) != best.track_id
            last[person["id"]] = best.track_id
    return found, switches


def measure(estimator: Estimator, videos: Sequence[Video], every: int | None) -> dict[str, Any]:
    """People, numbers and CPU seconds of all videos; as photos, if ``every`` is None."""
    networks = NetworkTime()
    cpu_s = 0.0
    people = []
    found = switches = 0
    for video in videos:
        frames = [frame for frame, _ in video]
        begin = time.process_time()
        with (
            networks.measured(),
            estimator.stream(
                frames, is_video=every is not None, track=True, detect_every=every
            ) as stream,
        ):
            tracked = [poses for _, poses in stream]
        cpu_s += time.process_time() - begin
        people.append([len(poses) for poses in tracked])
        of_video = number_of_ids(tracked, video)
        found += of_video[0]
        switches += of_video[1]
    frames_number = sum(map(len, people))
    return {
        "people": round(sum(map(sum, people)) / frames_number, 2),
        "people_of_videos": [round(float(np.mean(each)), 2) for each in people],
        "found": found,
        "other_numbers": switches,
        "cpu_ms": round(1000 * cpu_s / frames_number, 1),
        "networks_ms": round(1000 * networks.cpu_s / frames_number, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pan = import_module("fakes.moving_camera").pan
    videos = [list(pan(photo, people, args.frames)) for photo, people in read_photos(args.photos)]
    context = open_context(to_settings(read_settings({"weights_dir": ROOT / "build" / "measure"})))
    tools = {"opencv": cv2.__version__, **package_versions("openvino", "posezoo")}
    lines = []
    for name in MODELS:
        prepared = Loader(context).prepare(find_subject(name, context))
        estimator = prepared.compile()
        for every in (None, *EVERY):
            row = {"model": name, "detect_every": every, "videos": len(videos)}
            row |= {"frames": args.frames, **measure(estimator, videos, every), **tools}
            lines.append(json.dumps(row))
            print(lines[-1], flush=True)
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
