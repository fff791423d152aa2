"""Who was found in a picture, in the form of the annotations that it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import EvaluationError
from posezoo.pose.keypoints import SKELETONS, Pose, Pose3D

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class ImagePredictions:
    """Those whom a model found in one picture, in its order.

    Attributes:
        keypoints: (N, K, 3): x, y in image pixels and score of the keypoints that the annotations name, in
            their order; all three are 0 where one was not found. K is 0 where boxes alone count.
        scores: (N,): of the people.
        boxes: (N, 4): left, top, width and height in image pixels.
        space: (N, K, 3): x, y and z of the keypoints in mm, from the camera; K is 0 where the model knows
            nothing of space.
    """

    keypoints: Floats
    scores: Floats
    boxes: Floats
    space: Floats = field(default_factory=lambda: np.zeros((0, 0, 3)))

    def __len__(self) -> int:
        return len(self.scores)

    def to_json(self) -> dict[str, Any]:
        """Plain Python values that ``from_json`` takes back, to the last bit."""
        return {
            "keypoints": _flat(self.keypoints).tolist(),
            "scores": self.scores.tolist(),
            "boxes": self.boxes.tolist(),
            **({"space": _flat(self.space).tolist()} if self.space.size else {}),
        }

    def to_coco_results(self, image: int, category: int = 1) -> list[dict[str, Any]]:
        """As COCO's files of results have it: keypoints, or a box where there are none, never both."""
        about: list[dict[str, Any]] = [
            {"image_id": image, "category_id": category, "score": score} for score in self.scores.tolist()
        ]
        key, values = ("keypoints", self.keypoints) if self.keypoints.shape[1] else ("bbox", self.boxes)
        rows = _flat(values).tolist()
        return [{**each, key: row} for each, row in zip(about, rows, strict=True)]


def _flat(values: Floats) -> Floats:
    """A row for each person, also where there is nobody."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def from_json(content: Mapping[str, Any], joints: int) -> ImagePredictions:
    """What ``Found.to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: it was something else.
    """
    count = len(content["scores"])
    return ImagePredictions(
        np.array(content["keypoints"], np.float64).reshape(count, joints, 3),
        np.array(content["scores"], np.float64).reshape(count),
        np.array(content["boxes"], np.float64).reshape(count, 4),
        np.array(content.get("space", []), np.float64).reshape(count, joints if "space" in content else 0, 3),
    )


def make_converter(names: Sequence[str]) -> Callable[[Sequence[Pose]], ImagePredictions]:
    """From poses to what the annotations have of them.

    Args:
        names: of the annotations' keypoints; empty where boxes alone count.

    Raises:
        EvaluationError: (when it is called) the model's skeleton lacks some of them.
    """
    places: dict[str, list[int]] = {}

    def translate(poses: Sequence[Pose]) -> ImagePredictions:
        points: Floats = np.zeros((len(poses), len(names), 3))
        boxes: Floats = np.zeros((len(poses), 4))
        in_space = any(isinstance(pose, Pose3D) for pose in poses)
        space: Floats = np.zeros((len(poses), len(names) if in_space else 0, 3))
        for row, pose in enumerate(poses):
            if names and pose.skeleton not in places:
                places[pose.skeleton] = keypoint_indices(pose.skeleton, names)
            if names:
                points[row] = pose.keypoints[places[pose.skeleton]]
            if names and isinstance(pose, Pose3D):
                space[row] = 10 * pose.camera[places[pose.skeleton]]  # from cm
            # What is no place is not found: to COCO's tools it would be like everybody.
            points[row][~np.isfinite(points[row]).all(axis=1)] = 0
            x0, y0, x1, y1 = pose.box
            boxes[row] = x0, y0, x1 - x0, y1 - y0
        return ImagePredictions(points, np.array([float(pose.score) for pose in poses]), boxes, space)

    return translate


def keypoint_indices(skeleton: str, names: Sequence[str]) -> list[int]:
    """Where each of these keypoints stands in a skeleton.

    Raises:
        EvaluationError: it lacks some of them.
    """
    known = {name: place for place, name in enumerate(SKELETONS[skeleton].keypoints)}
    lacking = [name for name in names if name not in known]
    if lacking and not known:
        raise EvaluationError(
            "the model finds boxes, and the annotations' keypoints cannot be held against them",
            hint="measure its boxes",
        )
    if lacking:
        said = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        raise EvaluationError(
            f"the model's skeleton {skeleton} does not match the annotations: it has no {said}",
            hint=f"it has {', '.join(known)}",
        )
    return [known[name] for name in names]
