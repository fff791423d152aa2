"""Where a detector found people, from its file of results in COCO's format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from posezoo.coco.coco_dataset import CocoBox
from posezoo.errors import DatasetError


def read_detector_boxes(path: Path, *, category: int = 1) -> Mapping[int, Sequence[CocoBox]]:
    """Boxes by the picture's number.

    Args:
        path: JSON: a list of ``image_id``, ``category_id``, ``bbox`` (left, top, width, height in pixels) and
            ``score``.
        category: of people; others are left out.

    Raises:
        DatasetError: it cannot be read, or is no such list.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error
    if not isinstance(content, list):
        raise DatasetError(f"{path}: is no file of COCO results: expected a list")
    found: dict[int, list[CocoBox]] = {}
    for place, each in enumerate(content):
        try:
            left, top, width, height = (float(side) for side in each["bbox"])
            sure = float(each["score"])
            image, kind = each["image_id"], each["category_id"]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path}: [{place}] is no box: expected image_id, category_id, bbox of four numbers, score"
            ) from error
        if kind == category and width > 0 and height > 0:
            found.setdefault(image, []).append((left, top, left + width, top + height, min(max(sure, 0), 1)))
    if not found:
        raise DatasetError(f"{path}: has no boxes of people")
    return found
