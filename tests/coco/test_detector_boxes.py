"""Boxes from a detector's file of results."""

from __future__ import annotations

import pytest

from fakes.coco import written
from posezoo.coco import read_detector_boxes
from posezoo.errors import DatasetError


def box(**changes):
    return {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5, **changes}


def test_person_boxes_are_read_by_image_as_corners(tmp_path):
    empty = [box(bbox=[1, 1, 0, 5]), box(bbox=[1, 1, 5, float("nan")])]
    path = written(tmp_path, [box(), box(score=1.5, image_id=8), box(category_id=2), *empty])
    assert read_detector_boxes(path) == {7: [(10, 20, 40, 60, 0.5)], 8: [(10, 20, 40, 60, 1)]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected a list"),
        ([], "has no boxes of people"),
        ([box(category_id=2)], "has no boxes of people"),
        ([box(), box(bbox=[1, 2])], r"\[1\] is not a box"),
        ([box(score="sure")], r"\[0\] is not a box"),
        ([7], r"\[0\] is not a box"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        read_detector_boxes(written(tmp_path, content))


def test_a_missing_file_and_invalid_json_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_detector_boxes(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text("[{")
    with pytest.raises(DatasetError, match="is not JSON"):
        read_detector_boxes(tmp_path / "cut.json")
