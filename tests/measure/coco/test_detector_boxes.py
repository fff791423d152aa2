"""Boxes from a detector's file of results."""

import pytest

from fakes.coco import annotations, person, written
from posezoo.core.errors import DatasetError
from posezoo.measure.coco import read_coco_dataset, read_detector_boxes


@pytest.fixture
def dataset(tmp_path):
    """Images 1 to 8, of 640x480 pixels."""
    path = written(tmp_path, annotations(8, [person(1, 1, [[15, 15, 2]] * 17)]), "people.json")
    return read_coco_dataset(path, tmp_path)


def box(**changes):
    return {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5, **changes}


def test_person_boxes_are_read_by_image_as_corners(tmp_path, dataset):
    content = [box(), box(score=1.5, image_id=8), box(category_id=2), box(bbox=[1, 1, 0, 5])]
    path = written(tmp_path, content)
    expected = {7: [(10, 20, 40, 60, 0.5)], 8: [(10, 20, 40, 60, 1)]}
    assert read_detector_boxes(path, dataset) == expected
    assert read_detector_boxes(path, dataset.limited_to(7)) == expected


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ({}, "expected a list", ""),
        ([], "has no boxes of people", ""),
        ([box(category_id=0)], "has no boxes of people", "the file has 0 \\(1\\)"),
        ([box(), box(bbox=[1, 2])], r"\[1\].bbox is \[1, 2\]", ""),
        ([box(bbox=[1, 1, 5, float("nan")])], r"\[0\].bbox is", ""),
        ([box(score="sure")], r"\[0\] is not a box", ""),
        ([box(bbox=[1, 1, 0, 5])], "no box with a width and height above 0", ""),
        ([7], r"\[0\] is not a box", ""),
        ([box(image_id=9)], "1 of 1 boxes are of images that .* does not list, such as image_id 9", "such as 1"),
        ([box(), box(image_id=9)], "1 of 2 boxes", "such as 1"),
        ([box(image_id="7")], "such as image_id '7'", "write it as in the annotations: 7"),
        ([box(image_id="000000000007")], "such as image_id '000000000007'", "write the id of its image, 7"),
        ([box(bbox=[0.1, 0.2, 0.5, 1.0])], "from 0 to 1", "in pixels: multiply"),
        ([box(bbox=[200, 100, 600, 470])], "seem to be left, top, right, bottom", "width, height"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused(tmp_path, dataset, content, message, hint):
    with pytest.raises(DatasetError, match=message) as caught:
        read_detector_boxes(written(tmp_path, content), dataset)
    assert caught.match(message)
    assert hint.replace("\\", "") in caught.value.hint
