"""Measure what each pipeline finds of people who lie, stand on their heads or are in a video, and
what it finds where no person is; record it in measured.yml.

    benchmarks/measure_situations.py --photos DIR [MODEL ...]

Four data sets are made of photos that are annotated as COCO's (person_keypoints.json):

- Each person with 10 annotated keypoints or more who is at least 100 pixels long becomes a picture
  of its own: a square of 1.6 times the length of the person. It is turned by 0, 45, 90 and 180
  degrees.
- The parts of the photos that show no person: windows of half and of a third of a photo that touch
  no annotated box. Each person who is found there is a ghost.
- Videos of five photos with 1, 3, 4, 12 and 13 people, over which a camera pans for 30 frames.

A person is found if the object keypoint similarity to a pose is above 0.5. Each pipeline runs as
``posezoo run MODEL --precision P --height PX`` runs it, in the types that it chooses on this CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure_video_people import FOUND, FRAMES, MIN_KEYPOINTS, number_of_ids, read_photos

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Model, Precision
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.core.versions import package_versions
from posezoo.figures.measured import (
    TARGET_SIZE,
    Measurement,
    digest_irs,
    people_settings,
)
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.measure.complexity_count import record_measurements
from posezoo.media.images import read_image
from posezoo.run.load import compile_pipeline, default_runtime, get_detector_irs
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.runtime_config import LoadOptions

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

#: The turns of a person's picture, in degrees, by the name of their figure.
TURNS = {"upright": 0, "tilted": 45, "lying": 90, "upside_down": 180}

#: A picture is made of each person with as many annotated keypoints, and of this length in pixels.
LEAST_KEYPOINTS = 10
LEAST_LENGTH = 100
#: The side of the picture: of the person's length, and at least this many pixels.
SIDE = 1.6
LEAST_SIDE = 384

#: The windows without people, as shares of a photo's sides, and the pixels around each person that
#: they leave out.
WINDOWS = (1 / 2, 1 / 3)
STEPS = 12
MARGIN = 10

Person = dict[str, Any]
Picture = tuple[Array, list[Person]]


def people_pictures(photos: Sequence[Picture], degrees: float) -> Iterator[tuple[Array, Person]]:
    """A picture of each person, turned, with the annotation of this person."""
    for photo, people in photos:
        for person in people:
            length = max(person["bbox"][2:])
            if person["num_keypoints"] >= LEAST_KEYPOINTS and length >= LEAST_LENGTH:
                yield turn(photo, person, degrees)


def turn(photo: Array, person: Person, degrees: float) -> tuple[Array, Person]:
    """The square around a person, turned about its center."""
    x, y, width, height = person["bbox"]
    center = np.array([x + width / 2, y + height / 2])
    side = SIDE * max(width, height)
    scale = max(1.0, LEAST_SIDE / side)
    pixels = round(scale * side)
    # In OpenCV integer coordinates are centers of pixels, in annotations their corners.
    matrix = cv2.getRotationMatrix2D(tuple(center - 0.5), degrees, scale)
    matrix[:, 2] += pixels / 2 - center
    picture = cv2.warpAffine(
        photo, matrix, (pixels, pixels), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    keypoints = np.reshape(person["keypoints"], (17, 3)).astype(float)
    keypoints[:, :2] = (keypoints[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    turned = {"keypoints": keypoints.ravel().tolist(), "area": person["area"] * scale**2}
    return picture, {**person, **turned}


def empty_pictures(photos: Sequence[Picture]) -> Iterator[Array]:
    """The windows of photos that show no person, the larger first; they do not overlap."""
    for photo, people in photos:
        height, width = photo.shape[:2]
        taken = np.zeros((height, width), bool)
        for person in people:
            mark_box(taken, person["bbox"])
        for share in WINDOWS:
            h, w = round(share * height), round(share * width)
            for y in np.linspace(0, height - h, STEPS).astype(int):
                for x in np.linspace(0, width - w, STEPS).astype(int):
                    if not taken[y : y + h, x : x + w].any():
                        taken[y : y + h, x : x + w] = True
                        yield photo[y : y + h, x : x + w]


def mark_box(taken: Array, box: Sequence[float]) -> None:
    """Mark the pixels of a box and those near to it."""
    x, y, width, height = box
    top, left = max(0, int(y) - MARGIN), max(0, int(x) - MARGIN)
    taken[top : int(y + height) + MARGIN, left : int(x + width) + MARGIN] = True


def measure(estimator: Estimator, photos: Sequence[Picture]) -> dict[str, float]:
    """The figures of ``measured.KINDS``, from the estimators for photos."""
    likeness = import_module("fakes.people").likeness
    figures: dict[str, float] = {}
    for name, degrees in TURNS.items():
        found = [
            any(likeness(pose, person) > FOUND for pose in estimator(picture))
            for picture, person in people_pictures(photos, degrees)
        ]
        figures[f"found_{name}"] = float(np.mean(found))
    ghosts = [len(estimator(picture)) for picture in empty_pictures(photos)]
    figures["ghosts"] = float(np.mean(ghosts))
    figures["ghost_pictures"] = float(np.mean([count > 0 for count in ghosts]))
    return figures


def measure_videos(estimator: Estimator, videos: Sequence[Any]) -> dict[str, float]:
    """The share of the people of all frames that are found, and how often a number changes."""
    found = switches = shown = 0
    for video in videos:
        frames = [frame for frame, _ in video]
        with estimator.stream(frames, is_video=True, track=True) as stream:
            tracked = [poses for _, poses in stream]
        of_video = number_of_ids(tracked, video)
        found += of_video[0]
        switches += of_video[1]
        shown += sum(
            person["num_keypoints"] >= MIN_KEYPOINTS for _, people in video for person in people
        )
    return {"found_in_video": found / shown, "other_numbers": switches}


def read_all_photos(folder: Path) -> list[Picture]:
    """Each photo with all that is annotated in it, crowds, too."""
    annotated = json.loads((folder / "person_keypoints.json").read_text("utf-8"))
    people: dict[int, list[Person]] = {}
    for person in annotated["annotations"]:
        people.setdefault(person["image_id"], []).append(person)
    return [
        (read_image(folder / image["file_name"]), people.get(image["id"], []))
        for image in annotated["images"]
    ]


def list_pipelines(context: Any, patterns: Sequence[str]) -> Iterator[tuple[Model, Precision, Any]]:
    """The model, precision and size of each row."""
    from posezoo.figures.comparison import compare_models
    from posezoo.figures.model_facts import describe_model

    selection = context.registry.select(patterns or ["*", "*@*"])
    facts = [describe_model(model, context.registry) for model in selection.all]
    rows = compare_models(facts, context.layout, MeasurementSelection()).rows
    for row in rows:
        if row.values["AP"] and row.pipeline.model.task == "human_pose_estimation":
            yield context.registry.find(row.model), row.precision, row.target_size


def main() -> int:
    """Measure and record each row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all that have an AP")
    args = parser.parse_args()
    photos = read_all_photos(args.photos)
    pan = import_module("fakes.moving_camera").pan
    videos = [list(pan(photo, people, FRAMES)) for photo, people in read_photos(args.photos)]
    context = open_context(to_settings(read_settings({})))
    tools = {"opencv": cv2.__version__, **package_versions("openvino", "posezoo")}
    counts = {
        "dataset": "person_keypoints",
        "people": len([*people_pictures(photos, 0)]),
        "pictures_without_people": len([*empty_pictures(photos)]),
        "frames": sum(map(len, videos)),
    }
    print(counts, flush=True)
    for model, precision, size in list_pipelines(context, args.models):
        options = LoadOptions(default_runtime(context.settings), target_size=size)
        pipeline = resolve_pipeline(model, context, precision)
        of_videos = resolve_pipeline(model, context, precision, is_video=True)
        irs = {**get_detector_irs(pipeline, context), **get_irs(model, precision, context)}
        estimator = compile_pipeline(pipeline, irs, options)
        figures = measure(estimator, photos)
        figures |= measure_videos(compile_pipeline(of_videos, irs, options), videos)
        settings: dict[str, Any] = dict(counts)
        settings |= people_settings(pipeline.people_from, pipeline.shown_detector_precision)
        settings["arithmetic"] = estimator.executed_precision
        if size:
            settings[TARGET_SIZE] = size
        measured = Measurement(
            "situations",
            precision,
            figures,
            settings=settings,
            tools=tools,
            irs=digest_irs(irs.values()),
            date=date.today().isoformat(),
        )
        print(model.full_name, precision.value, size, figures, flush=True)
        record_measurements(model, [measured])
    return 0


if __name__ == "__main__":
    sys.exit(main())
