"""crowded(): a data set in COCO's format with all that makes its figures hard, and what a model found in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from posezoo.measure.coco import CocoDataset, read_coco_dataset
from posezoo.poses.keypoints import SKELETONS

NAMES = SKELETONS["coco-17"].keypoints
PERSON = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": list(NAMES),
    "skeleton": [],
}


def person(
    number: int, image: int, keypoints, *, bbox=(10.0, 10.0, 80.0, 160.0), **changes
) -> dict:
    """An annotation; keypoints are x, y and visibility of each, flat or not."""
    points = np.asarray(keypoints, float).reshape(-1, 3)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": points.ravel().tolist(),
        "num_keypoints": int((points[:, 2] > 0).sum()),
        "bbox": list(bbox),
        "area": 0.53 * bbox[2] * bbox[3],
        "iscrowd": 0,
        **changes,
    }


def annotations(images: int, people: list[dict], size=(640, 480)) -> dict:
    """A file's content: images are numbered from 1."""
    return {
        "info": {"description": "made up"},
        "licenses": [
            {"id": 4, "name": "Attribution License", "url": "http://licenses.invalid/by/2.0/"}
        ],
        "categories": [PERSON],
        "images": [
            {
                "id": n,
                "file_name": f"{n:012}.jpg",
                "width": size[0],
                "height": size[1],
                "license": 4,
            }
            for n in range(1, images + 1)
        ],
        "annotations": people,
    }


def written(folder: Path, content: object, name: str = "person_keypoints_made.json") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def read_written(folder: Path, *content: object) -> CocoDataset:
    """The data set with this content, whose images are in the same folder."""
    return read_coco_dataset(written(folder, *content), folder)


def crowded(
    images: int = 500, *, people: int = 1100, found: int = 10_000
) -> tuple[dict, list[dict]]:
    """Annotations, and results as COCO's files have them.

    There are crowds, people without keypoints, people who are ignored or tiny, images without anybody, images
    with more than 20 detections, detections without a person, several of one person, and scores that tie.
    """
    random = np.random.default_rng(7)
    truth = [_person(number, random, images) for number in range(1, people + 1)]
    by_image: dict[int, list[dict]] = {}
    for each in truth:
        by_image.setdefault(each["image_id"], []).append(each)
    results = []
    for _ in range(found):
        # A fifth of all falls on one image in twenty.
        image = int(
            random.integers(1, images + 1 if random.random() < 0.8 else max(2, images // 20))
        )
        here = by_image.get(image, [])
        results.append(_found(image, here, random))
    return annotations(images, truth), results


def _person(number: int, random: np.random.Generator, images: int) -> dict:
    height = float(np.exp(random.uniform(np.log(20), np.log(400))))
    width = height * random.uniform(0.3, 0.8)
    left, top = random.uniform(0, 640 - width / 2), random.uniform(0, 480 - height / 2)
    points = np.zeros((17, 3))
    points[:, 0] = np.round(left + random.uniform(0, width, 17))
    points[:, 1] = np.round(top + random.uniform(0, height, 17))
    points[:, 2] = random.choice([0, 1, 2], 17, p=[0.3, 0.2, 0.5])
    kind = random.random()
    if kind < 0.15:
        points[:] = 0  # nobody labelled a keypoint
    points[points[:, 2] == 0] = 0
    return person(
        number,
        int(random.integers(1, images + 1)),
        points,
        bbox=(round(left, 2), round(top, 2), round(width, 2), round(height, 2)),
        area=round(width * height * random.uniform(0.3, 0.7), 4),
        iscrowd=int(kind < 0.04 or kind > 0.97),
    )


def _found(image: int, here: list[dict], random: np.random.Generator) -> dict:
    if here and random.random() < 0.7:
        true = here[int(random.integers(len(here)))]
        points = np.array(true["keypoints"]).reshape(17, 3).copy()
        scale = np.sqrt(true["area"])
        points[:, :2] += random.normal(0, scale * random.choice([0.005, 0.03, 0.1]), (17, 2))
    else:
        points = np.zeros((17, 3))
        points[:, :2] = random.uniform((0, 0), (640, 480), (17, 2))
    points[random.random(17) < 0.1] = 0
    points[:, 2] = random.uniform(0, 1, 17)
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": points.ravel().tolist(),
        "score": float(np.round(random.uniform(0, 1), 2)),  # two digits, so that many tie
    }
