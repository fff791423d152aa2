"""Known people, drawn as the numbers that BlazePose's networks would put out for them, and how alike poses are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from posezoo.poses.keypoints import SKELETONS, Pose, to_pixel_indices


@dataclass(frozen=True)
class Face:
    """What the detector reports of one person, in pixels of its 224 x 224 input."""

    x: float
    y: float
    size: float = 30.0
    score: float = 0.9
    hip: tuple[float, float] = (112.0, 160.0)
    top: tuple[float, float] = (112.0, 60.0)

    @property
    def box(self) -> list[float]:
        half = self.size / 2
        return [self.x - half, self.y - half, self.x + half, self.y + half]


def detector_outputs(*faces: Face) -> tuple[np.ndarray, np.ndarray]:
    """(1, 2254, 12) boxes and (1, 2254, 1) logits: each face at the first anchor of its cell of stride 8."""
    boxes = np.random.default_rng(7).normal(0, 50, (1, 2254, 12)).astype(np.float32)
    logits = np.full((1, 2254, 1), -60, np.float32)
    for face in faces:
        column, row = int(face.x // 8), int(face.y // 8)
        anchor = 2 * (28 * row + column)
        centre = np.array([8 * column + 4, 8 * row + 4], np.float32)
        points = (
            np.array([(face.x, face.y), face.hip, face.top, face.hip, face.top], np.float32)
            - centre
        )
        boxes[0, anchor] = [*points[0], face.size, face.size, *points[1:].ravel()]
        logits[0, anchor, 0] = np.log(face.score / (1 - face.score))
    return boxes, logits


def landmark_output(points: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(1, 195): 33 points (x, y) in pixels of the 256 x 256 input with their scores, and six of no meaning."""
    raw = np.random.default_rng(11).normal(0, 90, (39, 5)).astype(np.float32)
    raw[:33, :2] = points
    raw[:33, 3] = np.log(scores / (1 - scores))
    return raw.reshape(1, 195)


def landmark_maps(
    points: np.ndarray, scores: np.ndarray, presence: float = 0.9
) -> dict[str, np.ndarray]:
    """The landmark network's outputs by role, with heatmaps that do not say where a keypoint is."""
    return {
        "landmarks": landmark_output(points, scores),
        "presence": np.array([[presence]], np.float32),
        "heatmaps": np.full((1, 64, 64, 39), -9, np.float32),
    }


def standing_person(x: float, y: float, height: float) -> np.ndarray:
    """(33, 2): BlazePose's keypoints of somebody who stands upright, the nose at (x, y)."""
    side = np.zeros((33, 2))
    side[1:9, 0] = [0.01, 0.02, 0.03, -0.01, -0.02, -0.03, 0.05, -0.05]
    side[9:11] = [(0.02, 0.03), (-0.02, 0.03)]
    left = np.array(
        [(0.11, 0.13), (0.14, 0.3), (0.15, 0.45), (0.16, 0.5), (0.15, 0.51), (0.14, 0.49)]
    )
    legs = np.array([(0.07, 0.45), (0.07, 0.68), (0.07, 0.9), (0.06, 0.93), (0.1, 0.94)])
    side[11:23:2], side[12:23:2] = left, left * (-1, 1)
    side[23::2], side[24::2] = legs, legs * (-1, 1)
    return np.array([x, y]) + height * side


def likeness(pose: Pose, person: dict[str, Any]) -> float:
    """COCO's object keypoint similarity of a pose and a person as COCO's annotations have them."""
    truth = np.reshape(person["keypoints"], (17, 3)).astype(float)
    seen = truth[:, 2] > 0
    actual = to_pixel_indices(pose.coco_keypoints())
    squared = np.where(actual[:, 2] > 0, ((actual[:, :2] - truth[:, :2]) ** 2).sum(axis=1), np.inf)
    spread = 2 * np.array(SKELETONS["coco-17"].sigmas)
    return float(np.exp(-squared / (2 * person["area"] * spread**2))[seen].mean())
