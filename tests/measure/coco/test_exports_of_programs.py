"""Annotations as CVAT, Label Studio and Roboflow export them: the rows of docs/howto/measure_your_own.md.

The files are in the exact form of CVAT 2.40 (datumaro's ``coco_person_keypoints``), of label-studio-sdk 2.1 and of
Roboflow in 2025, with fewer keypoints and made-up positions.
"""

import json

import numpy as np
import pytest

from fakes.command import json_of, posezoo, succeeded
from posezoo.core.errors import DatasetError
from posezoo.measure import coco

NAMES = ["nose", "left_shoulder", "right_shoulder"]


def cvat():
    """A point that is outside keeps its place, and one that is occluded is 1."""
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": dict.fromkeys(["contributor", "date_created", "description", "url", "version"], ""),
        "categories": [
            {"id": 1, "name": "person", "supercategory": "", "keypoints": NAMES}
            | {"skeleton": [[1, 2], [1, 3]]}
        ],
        "images": [
            {"id": 1, "width": 64, "height": 48, "file_name": "walk/frame_000000.png"}
            | {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0}
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [], "area": 60.0}
            | {"bbox": [20.0, 10.0, 6.0, 10.0], "iscrowd": 0}
            | {"attributes": {"occluded": False, "track_id": 7, "keyframe": True}}
            | {"keypoints": [23.41, 10.0, 2, 20.0, 20.0, 1, 26.0, 19.5, 0], "num_keypoints": 2}
        ],
    }


def label_studio(boxes=1):
    """The points of an image are one person of the category default, whose box they make."""
    box = {"image_id": 0, "category_id": 0, "segmentation": [], "bbox": [18.2, 6.1, 10.0, 30.5]}
    box |= {"ignore": 0, "iscrowd": 0, "area": 305.0}
    return {
        "images": [
            {"width": 64, "height": 48, "id": 0, "file_name": "images/0a1b2c3d-walk.png"},
            # of a second annotator
            {"width": 64, "height": 48, "id": 1, "file_name": "images/0a1b2c3d-walk.png"},
        ],
        "categories": [
            {"id": 0, "name": "person"},
            {"id": 1, "name": "default", "supercategory": "default", "keypoints": NAMES}
            | {"skeleton": []},
        ],
        "annotations": [
            *({"id": number, **box} for number in range(boxes)),
            {"id": boxes, "image_id": 0, "category_id": 1}
            | {"keypoints": [23, 10, 2, 20, 20, 2, 0, 0, 0], "num_keypoints": 2}
            | {"bbox": [20, 10, 3, 10], "iscrowd": 0},
        ],
        "info": {"year": 2026, "version": "1.0", "contributor": "Label Studio"},
    }


def roboflow():
    """The project is a category, too; numbers of keypoints are not stated."""
    return {
        "info": {"year": "2025", "version": "11", "description": "Exported from roboflow.com"},
        "licenses": [{"id": 1, "url": "https://licenses.invalid/by/4.0/", "name": "CC BY 4.0"}],
        "categories": [
            {"id": 0, "name": "objects-8vX8", "supercategory": "none"},
            {"id": 1, "name": "person", "supercategory": "objects-8vX8", "keypoints": NAMES}
            | {"skeleton": [[1, 2], [1, 3]]},
        ],
        "images": [
            {"id": 0, "license": 1, "file_name": "walk_png.rf.e6d14745e7674c30.jpg"}
            | {"height": 48, "width": 64, "extra": {"name": "walk.png"}}
        ],
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 1, "bbox": [18, 6, 10.125, 30.5]}
            | {"area": 308.813, "segmentation": [], "iscrowd": 0}
            | {"keypoints": [23.41, 10, 2, 20, 20, 1, 0, 0, 0]}
        ],
    }


#: What is exported, and the file where the page says that the image is.
EXPORTS = {
    "CVAT": (cvat(), "annotations/person_keypoints_default.json", "images/default"),
    "Label Studio": (label_studio(), "result.json", "."),
    "Label Studio, its folder of images": (label_studio(), "result.json", "images"),
    "Label Studio, the uploaded file": (label_studio(), "result.json", "mine"),
    "Roboflow": (roboflow(), "train/_annotations.coco.json", "train"),
}


def write_export(folder, case):
    content, name, images = EXPORTS[case]
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(json.dumps(content), "utf-8")
    image = content["images"][0]["file_name"]
    if images == "mine":
        image = "walk.png"
    place = folder / images / image.removeprefix("images/" if images == "images" else "")
    place.parent.mkdir(exist_ok=True, parents=True)
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(place), np.zeros((48, 64, 3), np.uint8))
    return folder / name, folder / images, place


@pytest.mark.parametrize("case", EXPORTS)
def test_an_export_of_keypoints_is_read_whole_without_a_warning(tmp_path, case):
    annotations, images, place = write_export(tmp_path, case)
    dataset = coco.read(annotations, images)
    assert (dataset.keypoints, dataset.warnings) == (tuple(NAMES), ())
    image = dataset.images[0]
    assert (image.path, image.size) == (place, (64, 48))
    (person,) = image.people
    assert person.num_keypoints == 2 and person.keypoints[0].round().tolist() == [23, 10, 2]
    flags = ("--annotations", annotations, "--images", images, "--format", "json")
    said = json_of(succeeded(posezoo("dataset", "info", *flags)))
    assert (said["people"], said["missing"]) == (1, [])


def test_boxes_of_several_people_in_label_studio_are_a_warning(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(label_studio(boxes=2)), "utf-8")
    (warning,) = coco.read(tmp_path / "result.json", tmp_path).warnings
    assert "image_id 0: has several boxes" in warning and "a task for each person" in warning


def test_points_of_cvat_without_skeletons_are_refused_with_what_to_annotate(tmp_path):
    """Its export then has a category for each point, and no annotations."""
    categories = [
        {"id": number, "name": name, "supercategory": "", "keypoints": [], "skeleton": []}
        for number, name in enumerate(NAMES, 1)
    ]
    content = cvat() | {"categories": categories, "annotations": []}
    (tmp_path / "points.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(DatasetError, match="the categories: nose, left_shoulder") as caught:
        coco.read(tmp_path / "points.json", tmp_path)
    assert "annotate people as skeletons" in caught.value.hint
