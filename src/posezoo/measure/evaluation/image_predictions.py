"""The predictions of a model for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cache
from typing import Any

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import EvaluationError
from posezoo.core.values import frozen_with_arrays
from posezoo.measure.coco import CocoDataset, ImageId
from posezoo.measure.coco.coco_dataset import ANOTHER, PERSON
from posezoo.poses.keypoints import Pose, Pose3D, to_pixel_indices


@frozen_with_arrays
class ImagePredictions:
    """The people found in one image, in the form of COCO's annotations.

    Attributes:
        keypoints: (N, K, 3): x, y as indices of pixels and score, in the annotations' order; all 0
            if one was not found. K is 0 if only boxes count.
        scores: (N,): of the people.
        boxes: (N, 4): left, top, width and height in image pixels.
        space: (N, K, 3): x, y and z of the keypoints in mm, from the camera; K is 0 without 3D
            positions.
        categories: the id of each object's category; empty: all are people.
    """

    keypoints: Doubles
    scores: Doubles
    boxes: Doubles
    space: Doubles = field(default_factory=lambda: np.zeros((0, 0, 3)))
    categories: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def category_ids(self) -> Sequence[int]:
        """The id of the category of each person or object."""
        return self.categories or [PERSON] * len(self)

    def to_json(self) -> dict[str, Any]:
        """Plain Python values, which ``from_json`` reads back exactly."""
        values = {
            "keypoints": _flat(self.keypoints).tolist(),
            "scores": self.scores.tolist(),
            "boxes": self.boxes.tolist(),
        }
        if self.space.size:
            values["space"] = _flat(self.space).tolist()
        if self.categories:
            values["categories"] = list(self.categories)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any], num_keypoints: int) -> ImagePredictions:
        """What ``to_json`` returned for people with this number of keypoints."""
        count = len(values["scores"])
        keypoints = np.array(values["keypoints"], np.float64)
        boxes = np.array(values["boxes"], np.float64)
        space = np.array(values.get("space", []), np.float64)
        return cls(
            keypoints.reshape(count, num_keypoints, 3),
            np.array(values["scores"], np.float64),
            boxes.reshape(count, 4),
            space.reshape(count, num_keypoints if space.size else 0, 3),
            categories=values.get("categories", ()),
        )

    def to_coco_results(self, image: ImageId) -> list[dict[str, Any]]:
        """In the form of COCO's result files: keypoints, or boxes if there are no keypoints, never
        both.
        """
        key = "bbox"
        values = self.boxes
        if self.keypoints.shape[1]:
            key = "keypoints"
            values = self.keypoints
        rows = zip(self.category_ids, self.scores.tolist(), _flat(values).tolist(), strict=True)
        return [
            {"image_id": image, "category_id": category, "score": score, key: row}
            for category, score, row in rows
            if category != ANOTHER
        ]


#: By the id of an image.
Predictions = Mapping[ImageId, ImagePredictions]


def _flat(values: Doubles) -> Doubles:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def predictions_of_objects(objects: Sequence[Pose], dataset: CocoDataset) -> ImagePredictions:
    """Convert objects to predictions of the data set's categories, or of ``ANOTHER``."""
    categories = [dataset.find_category(each.label, each.class_id) for each in objects]
    return replace(predictions_from_poses(objects, ()), categories=categories)


def predictions_from_poses(poses: Sequence[Pose], names: tuple[str, ...]) -> ImagePredictions:
    """Convert poses to predictions of the annotations' keypoints; no ``names`` if only boxes count.

    Raises:
        EvaluationError: the model's skeleton lacks some of them.
    """
    has_space = bool(names) and any(isinstance(pose, Pose3D) for pose in poses)
    points: Doubles = np.zeros((len(poses), len(names), 3))
    boxes: Doubles = np.zeros((len(poses), 4))
    space: Doubles = np.zeros((len(poses), len(names) if has_space else 0, 3))
    for row, pose in enumerate(poses):
        if names:
            indices = keypoint_indices(pose.layout, names)
            points[row] = to_pixel_indices(pose.keypoints[indices])
            if isinstance(pose, Pose3D):
                space[row] = 10 * pose.camera[indices]  # from cm
        # NaN becomes "not found": COCO's tools would treat NaN as equal to everything.
        points[row][~np.isfinite(points[row]).all(axis=1)] = 0
        x0, y0, x1, y1 = pose.box
        boxes[row] = x0, y0, x1 - x0, y1 - y0
    return ImagePredictions(points, np.array([float(pose.score) for pose in poses]), boxes, space)


@cache
def keypoint_indices(skeleton: Skeleton, names: tuple[str, ...]) -> list[int]:
    """Where a skeleton has the annotations' keypoints.

    Raises:
        EvaluationError: it lacks some of them.
    """
    keypoints = skeleton.keypoints
    if keypoints == tuple(map(str, range(len(names)))):
        return list(range(len(names)))  # they are only numbered, and mean those of the annotations
    lacking = [name for name in names if name not in keypoints]
    if lacking and not keypoints:
        raise EvaluationError(
            "the model predicts boxes, which cannot be compared with keypoint annotations",
            hint="evaluate its boxes",
        )
    if lacking:
        annotated = next((name for name in SKELETONS if SKELETONS[name].keypoints == names), "")
        which = f", which have that of {annotated}" if annotated else ""
        raise EvaluationError(
            f"the model's skeleton {skeleton.name} does not match the annotations{which}: it has no"
            f" {_list(lacking, 5)}",
            hint=f"it has {_list(keypoints, 33)}; --skeleton FILE declares another",
        )
    return list(map(keypoints.index, names))


def _list(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
