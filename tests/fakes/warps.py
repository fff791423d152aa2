"""Random warps: images, matrices from the input to the image, sizes and borders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from posezoo.poses.letterbox import ImageTransform

BORDERS = (
    {"borderValue": [0, 0, 0]},
    {"borderValue": [10, 120, 230]},
    {"borderMode": cv2.BORDER_REPLICATE},
)


def random_warps(
    count: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[int, int], dict[str, Any]]]:
    """Each third one only scales, half of them are centered on the image."""
    rng = np.random.default_rng(0)
    for number in range(count):
        height, width = rng.integers(1, 500, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        size = (int(rng.integers(1, 300)), int(rng.integers(1, 300)))
        scale = np.exp(rng.uniform(-4, 4))
        angle = 0 if number % 3 == 0 else rng.uniform(-4, 4)
        across, down = scale * np.cos(angle), scale * np.sin(angle)
        linear = np.array([[across, down], [-down, across * np.exp(rng.uniform(-1, 1))]])
        shift = rng.uniform(-1000, 1000, 2)
        if number % 2:
            shift = np.array([width, height]) / 2 - linear @ (np.array(size) / 2)
        matrix = np.concatenate([linear, shift[:, None]], axis=1)
        yield image, matrix, size, BORDERS[number % 4 % 3]


def digest_of_samples(count: int) -> str:
    """Of the inputs that letterbox makes by these warps."""
    digest = hashlib.sha256()
    for image, matrix, size, border in random_warps(count):
        transform = ImageTransform(cv2.invertAffineTransform(matrix), size)
        digest.update(transform.sample(image, repeats_edges="borderMode" in border).tobytes())
    return digest.hexdigest()
