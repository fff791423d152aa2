"""Boxes on photos, and coordinates as publishers count them."""

from __future__ import annotations

import numpy as np

from posezoo.poses.keypoints import Pose, to_pixel_indices


def pixel_indices(pose: Pose) -> np.ndarray:
    """(K, 2): a pose's keypoints, counted from the center of the first pixel, as in COCO's files."""
    return to_pixel_indices(pose.keypoints)[:, :2]


def continuous(pose: Pose) -> np.ndarray:
    """(K, 2): a pose's keypoints, counted from the corner of the first pixel."""
    return pose.keypoints[:, :2]


def random_boxes(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Boxes (N, 4) of people, partly outside an image of this size."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.2, 0.9, (count, 2)) * size
    corners = rng.uniform(-0.1, 0.6, (count, 2)) * size
    return np.concatenate([corners, corners + sides], axis=1)


def corners(box: np.ndarray) -> np.ndarray:
    """(2, 2): the upper left and the lower right corner of a box (x0, y0, x1, y1)."""
    return np.reshape(box, (2, 2))


def cut_square(picture: np.ndarray) -> np.ndarray:
    """The square in the middle of a picture."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
