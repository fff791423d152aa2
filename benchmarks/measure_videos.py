"""Measure how much better MoveNet finds a person in a video than in each frame alone.

    benchmarks/measure_videos.py --photos DIR

Writes benchmarks/results/movenet_videos.json, from which `make docs` draws the table of
docs/accuracy.md. The videos are those of tests/fakes/moving_camera.py: each person with enough
annotated keypoints, whom a camera zooms and pans over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Precision
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.core.versions import package_versions
from posezoo.media.images import read_image
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.loading import load_estimator

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "movenet_videos.json"
sys.path.insert(0, str(ROOT / "tests"))

MODELS = ("movenet-lightning", "movenet-thunder", "movenet-singlepose-lightning-int8")
FRAMES = 90
MIN_KEYPOINTS = 10
#: A person is found in a frame if the object keypoint similarity is above this.
FOUND = 0.5
#: The mean similarity of a video is better or worse if it changes by more than this.
CHANGE = 0.01


def read_people(photos: Path) -> list[tuple[Array, dict[str, Any]]]:
    """Each person with enough annotated keypoints, and the photo."""
    annotated = json.loads((photos / "person_keypoints.json").read_text("utf-8"))
    files = {image["id"]: photos / image["file_name"] for image in annotated["images"]}
    return [
        (read_image(files[person["image_id"]]), person)
        for person in annotated["annotations"]
        if person["num_keypoints"] >= MIN_KEYPOINTS
    ]


def measure_video(estimator: Estimator, video: Sequence[Any], is_video: bool) -> Array:
    """The similarity of the first pose of each frame to the person; NaN if no keypoint is seen."""
    likeness = import_module("fakes.people").likeness

    frames, people = zip(*video, strict=True)
    found = (poses for _, poses in estimator.stream(frames, is_video=is_video))
    return np.array(
        [
            likeness(poses[0], person) if poses else 0.0
            for poses, person in zip(found, people, strict=True)
        ]
    )


def measure_model(name: str, people: list[tuple[Array, dict[str, Any]]]) -> dict[str, object]:
    """The row of a model."""
    film = import_module("fakes.moving_camera").film

    context = open_context(to_settings(read_settings({"weights_dir": ROOT / "build" / "measure"})))
    spec = context.registry.find(name)
    estimator = load_estimator(spec, get_irs(spec, Precision.FP32, context))
    alone, tracked = [], []
    for photo, person in people:
        video = list(film(photo, person, FRAMES))
        alone.append(measure_video(estimator, video, is_video=False))
        tracked.append(measure_video(estimator, video, is_video=True))
    changes = np.array([np.nanmean(after) for after in tracked]) - [
        np.nanmean(before) for before in alone
    ]
    row: dict[str, object] = {
        "model": name,
        "better": int((changes > CHANGE).sum()),
        "worse": int((changes < -CHANGE).sum()),
    }
    for kind, similarities in (("alone", alone), ("tracked", tracked)):
        seen = np.concatenate(similarities)
        seen = seen[np.isfinite(seen)]
        row[kind] = {
            "oks": round(float(seen.mean()), 3),
            "found": round(float((seen > FOUND).mean()), 3),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    people = read_people(parser.parse_args().photos)
    rows = []
    for name in MODELS:
        rows.append(measure_model(name, people))
        print(json.dumps(rows[-1]), flush=True)
    tools = {"opencv": cv2.__version__, **package_versions("openvino", "posezoo")}
    result = {"videos": len(people), "frames": FRAMES, "tools": tools, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
