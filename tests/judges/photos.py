"""Boxes on photos, and coordinates as publishers count them."""

from __future__ import annotations

import numpy as np

from posezoo.pose.keypoints import Pose


def pixel_indices(pose: Pose) -> np.ndarray:
    """(K, 2): a pose's keypoints, counted from the center of the first pixel, as in COCO's files."""
    return pose.keypoints[:, :2] - 0.5


def random_boxes(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Boxes (N, 4) of people, partly outside an image of this size."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.2, 0.9, (count, 2)) * size
    corners = rng.uniform(-0.1, 0.6, (count, 2)) * size
    return np.concatenate([corners, corners + sides], axis=1)
