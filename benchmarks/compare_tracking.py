"""Measure how much better MoveNet finds a person in a video if it follows the person.

The videos are made of annotated photos: a camera zooms from a person to the whole photo and back,
and pans (``tests/fakes/moving_camera.py``). Each frame gives COCO's object keypoint similarity
(OKS) of the pose and the person, with and without tracking. Any annotations in COCO's format will
do:

    python benchmarks/compare_tracking.py --annotations people.json --images photos
    movenet-lightning
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import machine, record

import posezoo
from posezoo.images import read_image

FRAMES = 90

#: Only people with this many labelled keypoints.
LABELLED = 10


def main() -> int:
    """Film each person, and compare the similarities."""
    parser = argparse.ArgumentParser(
        description="compare MoveNet on videos with and without tracking"
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    film, likeness = (
        import_module("fakes.moving_camera").film,
        import_module("fakes.people").likeness,
    )
    known = json.loads(args.annotations.read_text(encoding="utf-8"))
    files = {image["id"]: args.images / image["file_name"] for image in known["images"]}
    people: list[Any] = [
        person
        for person in known["annotations"]
        if person["num_keypoints"] >= LABELLED and not person.get("iscrowd")
    ]
    print(machine())
    print(f"{len(people)} videos of {FRAMES} frames")
    figures: dict[str, Any] = {"videos": len(people), "frames": FRAMES}
    for name in args.models:
        model = posezoo.load(name, precision="FP32")
        means: dict[bool, list[float]] = {False: [], True: []}
        found: dict[bool, list[float]] = {False: [], True: []}
        for person in people:
            video = list(film(read_image(files[person["image_id"]]), person, FRAMES))
            # In frames in which no labelled keypoint is visible, the similarity is not defined.
            seen = [any(truth["keypoints"][2::3]) for _, truth in video]
            for is_video in (False, True):
                with model.stream((frame for frame, _ in video), is_video=is_video) as results:
                    similarities = [
                        likeness(poses[0], truth) if poses else 0.0
                        for (_, poses), (_, truth), is_seen in zip(
                            results, video, seen, strict=True
                        )
                        if is_seen
                    ]
                means[is_video].append(float(np.mean(similarities)))
                found[is_video].append(float(np.mean(np.array(similarities) > 0.5)))
        gains = np.subtract(means[True], means[False])
        figures[name] = {
            key: {
                "oks": round(float(np.mean(means[on])), 3),
                "found": round(float(np.mean(found[on])), 3),
            }
            for key, on in (("alone", False), ("tracking", True))
        } | {"better": int((gains > 0.01).sum()), "worse": int((gains < -0.01).sum())}
        print(name, figures[name])
    record("compare_tracking", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
