"""Read poses from a file of results in COCO's format, as any program writes it."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posezoo.core.errors import DatasetError
from posezoo.measure.coco import CocoDataset, ImageId
from posezoo.measure.coco.detector_boxes import explain_image_id
from posezoo.measure.coco.json_values import are_shares, read_json, to_number, to_whole_number
from posezoo.measure.evaluation.image_predictions import ImagePredictions, Predictions

_EXPECTED = "expected image_id, category_id, keypoints (x, y and a score each) and score"


class _Result(NamedTuple):
    image: ImageId
    category: object
    numbers: list[float]
    score: float


def read_results(path: Path | str, dataset: CocoDataset) -> Predictions:
    """Read the poses of a file of results, for each image of the data set; other categories than
    that of the people in the annotations are left out.

    The file is a JSON list of ``image_id``, ``category_id``, ``keypoints`` (a flat list of x and y
    as indices of pixels, and a third number that does not count, of each keypoint) and ``score``.

    Raises:
        DatasetError: the file is not such a list, or its poses are of other images or keypoints, or
            not in pixels.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f"{path}: is not a file of COCO results: expected a list")
    count = len(dataset.keypoints)
    rows = [_read_result(path, index, entry, count) for index, entry in enumerate(content)]
    people = [row for row in rows if row.category == dataset.person_id]
    if rows and not people:
        listed = Counter(row.category for row in rows).most_common(5)
        shown = ", ".join(f"{category!r:.20} ({number})" for category, number in listed)
        raise DatasetError(
            f"{path}: has no poses of people",
            hint=f"category_id must be {dataset.person_id}, as in {dataset.annotations.name};"
            f" the file has {shown}",
        )
    _require_known_images(path, people, dataset)
    if people and are_shares(chain.from_iterable(_places(row) for row in people)):
        raise DatasetError(
            f"{path}: all keypoints are from 0 to 1",
            hint="they are in pixels: multiply x by the image's width, and y by its height",
        )
    by_image: dict[ImageId, list[_Result]] = {}
    for row in people:
        by_image.setdefault(row.image, []).append(row)
    return {
        image.id: _to_predictions(by_image.get(image.id, []), count) for image in dataset.images
    }


def _read_result(path: Path, index: int, entry: Any, count: int) -> _Result:
    if not isinstance(entry, dict) or "category_id" not in entry:
        raise DatasetError(f"{path}: [{index}] is not a pose: {_EXPECTED}")
    image = entry.get("image_id")
    if isinstance(image, float):
        image = to_whole_number(image)
    score = to_number(entry.get("score"))
    keypoints = entry.get("keypoints")
    if not isinstance(image, (int, str)) or score is None or not isinstance(keypoints, list):
        raise DatasetError(f"{path}: [{index}] is not a pose: {_EXPECTED}")
    if len(keypoints) != 3 * count:
        raise DatasetError(
            f"{path}: [{index}].keypoints has {len(keypoints)} numbers, and {count} annotated"
            f" keypoints need {3 * count}",
            hint="they are x, y and a score each, in the order of the annotations' category",
        )
    numbers = []
    for place, value in enumerate(keypoints):
        number = to_number(value)
        if number is None:
            raise DatasetError(
                f"{path}: [{index}].keypoints[{place}]: expected a number, got {value!r:.40}",
                hint="a keypoint that is not found is 0, 0, 0",
            )
        numbers.append(number)
    return _Result(image, to_whole_number(entry["category_id"]), numbers, score)


def _require_known_images(path: Path, people: list[_Result], dataset: CocoDataset) -> None:
    """Raise a DatasetError if poses are of other images, as pycocotools does."""
    known = {image.id for image in dataset.images} | dataset.other_images
    unknown = [row.image for row in people if row.image not in known]
    if unknown:
        raise DatasetError(
            f"{path}: {len(unknown)} of {len(people)} poses are of images that"
            f" {dataset.annotations} does not list, such as image_id {unknown[0]!r}",
            hint=explain_image_id(unknown[0], dataset),
        )


def _places(row: _Result) -> list[float]:
    return [number for place, number in enumerate(row.numbers) if place % 3 != 2]


def _to_predictions(results: list[_Result], count: int) -> ImagePredictions:
    keypoints = np.array([row.numbers for row in results]).reshape(len(results), count, 3)
    low = keypoints[:, :, :2].min(axis=1)
    extent = np.ptp(keypoints[:, :, :2], axis=1)
    scores = np.array([row.score for row in results])
    return ImagePredictions(keypoints, scores, np.concatenate([low, extent], axis=1))
