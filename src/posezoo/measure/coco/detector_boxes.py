"""Read the boxes of a detector from a file of results in COCO's format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from posezoo.core.errors import DatasetError
from posezoo.measure.coco.coco_dataset import PERSON, CocoBox, CocoDataset, DatasetImage, ImageId
from posezoo.measure.coco.json_values import (
    are_shares,
    leaves_image,
    read_json,
    to_number,
    to_whole_number,
)

_EXPECTED = "expected image_id, category_id, bbox of four numbers, score"


class _Box(NamedTuple):
    image: ImageId
    values: tuple[float, float, float, float]  # ``bbox``
    score: float


def read_detector_boxes(
    path: Path | str, dataset: CocoDataset
) -> Mapping[ImageId, Sequence[CocoBox]]:
    """Read the person boxes of a detector, by image id; other categories than 1, person, are left
    out.

    The file is a JSON list of ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in
    pixels) and ``score``.

    Raises:
        DatasetError: the file is not such a list, or its boxes are of other images or not in
            pixels.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f"{path}: is not a file of COCO results: expected a list")
    rows = [_read_box(path, index, entry) for index, entry in enumerate(content)]
    categories = Counter(category for category, _ in rows)
    people = [box for category, box in rows if category == PERSON]
    if not people:
        listed = ", ".join(f"{category!r:.20} ({n})" for category, n in categories.most_common(5))
        raise DatasetError(
            f"{path}: has no boxes of people",
            hint=f"category_id must be 1 for person; the file has {listed}" if listed else "",
        )
    _check_images(path, people, dataset)
    _check_unit(path, people, dataset)
    boxes: dict[ImageId, list[CocoBox]] = {}
    for image, (left, top, width, height), score in people:
        if width > 0 and height > 0:
            box = (left, top, left + width, top + height, min(max(score, 0), 1))
            boxes.setdefault(image, []).append(box)
    if not boxes:
        raise DatasetError(f"{path}: has no box with a width and height above 0")
    return boxes


def _read_box(path: Path, index: int, entry: object) -> tuple[object, _Box]:
    if not isinstance(entry, dict):
        raise DatasetError(f"{path}: [{index}] is not a box: {_EXPECTED}")
    bbox = entry.get("bbox")
    score = to_number(entry.get("score"))
    image = entry.get("image_id")
    if isinstance(image, float):
        image = to_whole_number(image)
    values = [to_number(value) for value in bbox] if isinstance(bbox, list) else []
    left, top, width, height = values if len(values) == 4 else [None] * 4
    if score is None or not isinstance(image, (int, str)) or "category_id" not in entry:
        raise DatasetError(f"{path}: [{index}] is not a box: {_EXPECTED}")
    if left is None or top is None or width is None or height is None:
        raise DatasetError(f"{path}: [{index}].bbox is {bbox!r:.60}: {_EXPECTED}")
    return entry["category_id"], _Box(image, (left, top, width, height), score)


def _check_images(path: Path, boxes: Sequence[_Box], dataset: CocoDataset) -> None:
    """Raise a DatasetError if boxes are of other images, as pycocotools does."""
    listed_ids = {image.id for image in dataset.images} | set(dataset.other_images)
    unknown = [box.image for box in boxes if box.image not in listed_ids]
    if unknown:
        raise DatasetError(
            f"{path}: {len(unknown)} of {len(boxes)} boxes are of images that"
            f" {dataset.annotations} does not list, such as image_id {unknown[0]!r}",
            hint=explain_image_id(unknown[0], dataset),
        )


def explain_image_id(image_id: object, dataset: CocoDataset) -> str:
    """A hint for a file of results with an id that the annotations do not have."""
    text = str(image_id)
    example = dataset.images[0]
    for image in dataset.images:
        stem = Path(image.file_name).stem
        if text in (str(image.id), image.file_name, stem, Path(image.file_name).name):
            example = image
            if text != str(image.id):
                return f"{text} is a file name: write the id of its image, {image.id!r}"
            return f"write it as in the annotations: {image.id!r}"
    return f"image_id is an id of the annotations, such as {example.id!r}"


def _check_unit(path: Path, boxes: Sequence[_Box], dataset: CocoDataset) -> None:
    """Raise a DatasetError if the boxes are shares of the image, or two corners."""
    if are_shares(chain.from_iterable(box.values for box in boxes)):
        raise DatasetError(
            f"{path}: all numbers of its boxes are from 0 to 1, such as {list(boxes[0].values)}",
            hint="bbox is left, top, width, height in pixels: multiply by the image's size",
        )
    images = {image.id: image for image in dataset.images}
    boxes_of_images = [(box, images[box.image]) for box in boxes if box.image in images]
    outside = [box for box, image in boxes_of_images if leaves_image(box.values, image.size)]
    if outside and all(_could_be_corners(box, image) for box, image in boxes_of_images):
        raise DatasetError(
            f"{path}: its boxes reach beyond their images, such as {list(outside[0].values)} of"
            f" image {outside[0].image!r}: they seem to be left, top, right, bottom",
            hint="bbox is left, top, width, height in pixels",
        )


def _could_be_corners(box: _Box, image: DatasetImage) -> bool:
    left, top, right, bottom = box.values
    is_inside = image.size is None or (right <= image.size[0] + 1 and bottom <= image.size[1] + 1)
    return right > left and bottom > top and is_inside
