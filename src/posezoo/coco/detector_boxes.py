"""Person boxes of a detector, from its file of results in COCO's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from posezoo.coco.annotations import read_json
from posezoo.coco.coco_dataset import CocoBox
from posezoo.errors import DatasetError


def read_detector_boxes(path: Path, *, category: int = 1) -> Mapping[int, Sequence[CocoBox]]:
    """Boxes by image id.

    Args:
        path: JSON: a list of ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in pixels) and
            ``score``.
        category: the id of the category person; other categories are left out.

    Raises:
        DatasetError: the file cannot be read, or is not such a list.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise DatasetError(f"{path}: is not a file of COCO results: expected a list")
    boxes: dict[int, list[CocoBox]] = {}
    for index, entry in enumerate(content):
        try:
            left, top, width, height = (float(side) for side in entry["bbox"])
            score = float(entry["score"])
            image, entry_category = entry["image_id"], entry["category_id"]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path}: [{index}] is not a box: expected image_id, category_id, bbox of four numbers, score"
            ) from error
        if entry_category == category and width > 0 and height > 0:
            box = (left, top, left + width, top + height, min(max(score, 0), 1))
            boxes.setdefault(image, []).append(box)
    if not boxes:
        raise DatasetError(f"{path}: has no boxes of people")
    return boxes
