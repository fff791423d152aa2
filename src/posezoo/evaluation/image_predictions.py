"""The predictions of a model for one image, in the form of COCO's annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import EvaluationError
from posezoo.pose.keypoints import SKELETONS, Pose, Pose3D

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class ImagePredictions:
    """The people that a model found in one image, in the model's order.

    Attributes:
        keypoints: (N, K, 3): x, y in image pixels and score of the annotations' keypoints, in their order;
            all three are 0 if a keypoint was not found. K is 0 if only boxes count.
        scores: (N,): of the people.
        boxes: (N, 4): left, top, width and height in image pixels.
        space: (N, K, 3): x, y and z of the keypoints in mm, from the camera; K is 0 without 3D positions.
    """

    keypoints: Floats
    scores: Floats
    boxes: Floats
    space: Floats = field(default_factory=lambda: np.zeros((0, 0, 3)))

    def __len__(self) -> int:
        return len(self.scores)

    def to_json(self) -> dict[str, Any]:
        """Plain Python values that ``predictions_from_json`` reads back exactly."""
        return {
            "keypoints": _flat(self.keypoints).tolist(),
            "scores": self.scores.tolist(),
            "boxes": self.boxes.tolist(),
            **({"space": _flat(self.space).tolist()} if self.space.size else {}),
        }

    def to_coco_results(self, image: int) -> list[dict[str, Any]]:
        """In the form of COCO's result files: keypoints, or boxes if there are no keypoints, never both."""
        key, values = ("keypoints", self.keypoints) if self.keypoints.shape[1] else ("bbox", self.boxes)
        return [
            {"image_id": image, "category_id": 1, "score": score, key: row}
            for score, row in zip(self.scores.tolist(), _flat(values).tolist(), strict=True)
        ]


def _flat(values: Floats) -> Floats:
    """One flat row for each person; this also works if there are none."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def predictions_from_json(content: Mapping[str, Any], num_keypoints: int) -> ImagePredictions:
    """Read what ``ImagePredictions.to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: the content has another form.
    """
    count = len(content["scores"])
    num_space = num_keypoints if "space" in content else 0
    return ImagePredictions(
        np.array(content["keypoints"], np.float64).reshape(count, num_keypoints, 3),
        np.array(content["scores"], np.float64).reshape(count),
        np.array(content["boxes"], np.float64).reshape(count, 4),
        np.array(content.get("space", []), np.float64).reshape(count, num_space, 3),
    )


def predictions_from_poses(poses: Sequence[Pose], names: tuple[str, ...]) -> ImagePredictions:
    """Convert poses to predictions of the annotations' keypoints.

    Args:
        poses: the poses that the model found in one image.
        names: the names of the annotations' keypoints; empty if only boxes count.

    Raises:
        EvaluationError: the model's skeleton lacks some of them.
    """
    has_space = bool(names) and any(isinstance(pose, Pose3D) for pose in poses)
    points: Floats = np.zeros((len(poses), len(names), 3))
    boxes: Floats = np.zeros((len(poses), 4))
    space: Floats = np.zeros((len(poses), len(names) if has_space else 0, 3))
    for row, pose in enumerate(poses):
        if names:
            indices = _keypoint_indices(pose.skeleton, names)
            points[row] = pose.keypoints[indices]
            if isinstance(pose, Pose3D):
                space[row] = 10 * pose.camera[indices]  # from cm
        # NaN becomes "not found": COCO's tools would treat NaN as equal to everything.
        points[row][~np.isfinite(points[row]).all(axis=1)] = 0
        x0, y0, x1, y1 = pose.box
        boxes[row] = x0, y0, x1 - x0, y1 - y0
    return ImagePredictions(points, np.array([float(pose.score) for pose in poses]), boxes, space)


@cache
def _keypoint_indices(skeleton: str, names: tuple[str, ...]) -> list[int]:
    indices = {name: index for index, name in enumerate(SKELETONS[skeleton].keypoints)}
    lacking = [name for name in names if name not in indices]
    if lacking and not indices:
        raise EvaluationError(
            "the model predicts boxes, which cannot be compared with keypoint annotations",
            hint="evaluate its boxes",
        )
    if lacking:
        listed = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        raise EvaluationError(
            f"the model's skeleton {skeleton} does not match the annotations: it has no {listed}",
            hint=f"it has {', '.join(indices)}",
        )
    return [indices[name] for name in names]
