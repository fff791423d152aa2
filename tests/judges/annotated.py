"""COCO's AP of a publisher's people and of ours, on annotated photos that are cut to squares."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def annotate_squares(photos: Path) -> dict[str, Any]:
    """COCO's annotations of the squares in the middle of a folder's photos, which are numbered by their names' order.

    A keypoint that was cut away is not labelled.
    """
    truth = json.loads((photos / "person_keypoints.json").read_text("utf-8"))
    ordered = sorted(truth["images"], key=lambda image: image["file_name"])
    places = {image["id"]: (number, image) for number, image in enumerate(ordered, 1)}
    annotations = []
    for person in truth["annotations"]:
        number, image = places[person["image_id"]]
        side = min(image["height"], image["width"])
        corner = (image["width"] - side) // 2, (image["height"] - side) // 2
        points = np.reshape(person["keypoints"], (17, 3)).astype(float)
        points[:, :2] -= corner
        is_inside = ((points[:, :2] >= 0) & (points[:, :2] < side)).all(axis=1)
        points[~is_inside] = 0
        labelled = int((points[:, 2] > 0).sum())
        annotations.append(
            {
                **person,
                "image_id": number,
                "keypoints": points.ravel().tolist(),
                "num_keypoints": labelled,
            }
        )
    images = [{"id": number} for number, _ in places.values()]
    return {"images": images, "annotations": annotations, "categories": truth["categories"]}


def average_precision(truth: dict[str, Any], people: list[list[np.ndarray]]) -> float:
    """pycocotools' AP of the people in each image, (17, 3) each, counted from the center of the first pixel; those
    whose keypoints have the highest scores come first.
    """
    pytest.importorskip("pycocotools", reason="needs pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results = [
        {
            "image_id": number,
            "category_id": 1,
            "keypoints": points.ravel().tolist(),
            "score": float(points[:, 2].mean()),
        }
        for number, found in enumerate(people, 1)
        for points in found
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = copy.deepcopy(truth)
        index.createIndex()
        evaluation = COCOeval(index, index.loadRes(results), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(evaluation.stats[0]), 3)
