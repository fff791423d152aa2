"""Every value of an annotation file is checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fakes.coco import PERSON, annotations, person, written
from posezoo import coco
from posezoo.errors import DatasetError

SEEN = np.column_stack([np.arange(17), np.arange(17) + 100, np.full(17, 2)])
NOBODY = np.zeros((17, 3))


def read(tmp_path, content, **kwargs):
    return coco.read_coco_dataset(written(tmp_path, content), tmp_path, **kwargs)


def test_images_come_with_their_people_and_licenses(tmp_path):
    dataset = read(
        tmp_path,
        annotations(2, [person(5, 2, SEEN), person(6, 2, NOBODY), person(7, 2, SEEN, iscrowd=1)]),
    )
    assert dataset.name == "person_keypoints_made"
    first, second = dataset.images
    assert (first.people, first.size, first.path) == ((), (640, 480), tmp_path / "000000000001.jpg")
    assert first.license is not None and first.license.name == "Attribution License"
    assert [each.id for each in second.people] == [5, 6, 7]
    assert second.people[0].keypoints[3].tolist() == [3, 103, 2]
    assert dataset.keypoints == tuple(PERSON["keypoints"])
    # Of three people one is a crowd, and one has no keypoints and counts only as a box.
    assert (dataset.person_count(), dataset.person_count(keypoints=False)) == (1, 2)
    assert dataset.annotated_boxes() == {1: (), 2: ((10.0, 10.0, 90.0, 170.0, 1.0),)}


def test_other_categories_than_person_are_left_out(tmp_path):
    content = annotations(1, [person(1, 1, SEEN)])
    content["categories"].append({"id": 2, "name": "bicycle"})
    content["annotations"].append({"id": 2, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]})
    assert [each.id for each in read(tmp_path, content).images[0].people] == [1]


def test_a_missing_area_is_a_share_of_the_box_and_labelled_keypoints_are_counted(tmp_path):
    each = person(1, 1, SEEN, bbox=(0, 0, 10, 20))
    del each["area"], each["num_keypoints"], each["iscrowd"]
    (annotated,) = read(tmp_path, annotations(1, [each])).images[0].people
    assert (annotated.area, annotated.num_keypoints, annotated.is_crowd) == (
        pytest.approx(106),
        17,
        False,
    )


def test_boxes_are_enough_if_keypoints_are_not_required(tmp_path):
    content = annotations(
        1, [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 9}]
    )
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    dataset = read(tmp_path, content, keypoints=False)
    assert dataset.images[0].people[0].bbox == (1, 2, 3, 4)
    assert dataset.keypoints == ()
    with pytest.raises(DatasetError, match="has no keypoints") as error:
        read(tmp_path, content)
    assert "instances" in error.value.hint


def broken(**changes):
    content = annotations(1, [person(1, 1, SEEN)])
    for key, value in changes.items():
        content[key] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1}], "is not a COCO annotation file"),
        (broken(images=[]), "has no images"),
        (broken(annotations=[]), "no annotations of people"),
        (broken(images=None), "images is missing"),
        (broken(annotations={"a": 1}), "annotations is not a list"),
        (broken(annotations=[7]), r"annotations\[0\]: expected an object"),
        (broken(categories=[{"id": 1, "name": "dog"}]), "no category is called person; the categories: dog"),
        (broken(images=[{"id": 1, "file_name": "a"}] * 2), "ids of images repeat: 1"),
        (broken(annotations=[person(3, 1, SEEN)] * 2), "ids of annotations repeat: 3"),
        (broken(annotations=[person(1, 9, SEEN)]), "annotation 1 is of image 9, which is not listed"),
        (broken(annotations=[{**person(1, 1, SEEN), "bbox": [1, 2, 3]}]), r"annotations\[0\].bbox: expected 4 numbers, got 3"),
        (broken(annotations=[{**person(1, 1, SEEN), "bbox": None}]), "bbox: expected 4 numbers, got none"),
        (broken(annotations=[{**person(1, 1, SEEN), "keypoints": [1, 2, 3]}]), "keypoints: expected 51 numbers, got 3"),
        (broken(annotations=[{**person(1, 1, SEEN), "keypoints": ["a"] * 51}]), "expected numbers, got 'a'"),
        (broken(annotations=[person(1, 1, SEEN, area=float("nan"))]), "area: expected numbers, got nan"),
        (broken(annotations=[person(1, 1, SEEN, iscrowd=3)]), "iscrowd: expected 0 or 1, got 3"),
        (broken(annotations=[person(1, 1, NOBODY, num_keypoints=2)]), "num_keypoints is 2, but none is labelled"),
        (broken(annotations=[person(1, 1, SEEN, num_keypoints="2")]), "num_keypoints: expected a whole number"),
        (broken(images=[{"id": "1", "file_name": "a"}]), r"images\[0\].id: expected a whole number, got '1'"),
        (broken(images=[{"id": 1}]), r"images\[0\].file_name: expected a text, got nothing"),
        (broken(images=[{"id": 1, "file_name": "a", "width": 0, "height": 3}]), "width and height above 0"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content)


def test_a_missing_file_and_invalid_json_are_refused(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(broken())[:100])
    with pytest.raises(DatasetError, match=r"cut.json: is not JSON"):
        coco.read_coco_dataset(path, tmp_path)
    path.write_text("[" * 200_000)
    with pytest.raises(DatasetError, match=r"cut.json: is not JSON"):
        coco.read_coco_dataset(path, tmp_path)
    path.write_bytes(b"\xff\xd8\xff\xe0 a photo")
    with pytest.raises(DatasetError, match=r"cut.json: is not a text file") as caught:
        coco.read_coco_dataset(path, tmp_path)
    assert "person_keypoints_val2017.json" in caught.value.hint
    with pytest.raises(DatasetError, match=r"none.json: cannot be read: No such file"):
        coco.read_coco_dataset(tmp_path / "none.json", tmp_path)
    with pytest.raises(DatasetError, match="cannot be read"):
        coco.read_coco_dataset(tmp_path, tmp_path)


def test_the_real_photos_are_read(shared):
    photos = shared / "data" / "photos"
    dataset = coco.read_coco_dataset(photos / "person_keypoints.json", photos)
    assert (len(dataset.images), sum(len(image.people) for image in dataset.images)) == (17, 89)
    assert dataset.missing_images() == ()
    assert dataset.person_count() < 89
