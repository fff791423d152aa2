"""What each pixel of a resized axis takes from the pixels of the original, as ONNX's Resize defines
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.values import frozen


@frozen
class AxisResize:
    """The number of pixels before and after; the scale is not always their quotient."""

    input: int
    output: int
    scale: float


def _locate(size: AxisResize, attributes: Mapping[str, Any]) -> Array:
    """The place in the original of each pixel, in float32 as other runtimes compute it: which of
    two pixels is nearest often depends on the last bit.
    """
    pixels = np.arange(size.output, dtype="f4")
    half = np.float32(0.5)
    scale = np.float32(size.scale)
    positions: Array = (pixels + half) / scale - half
    match attributes.get("coordinate_transformation_mode"):
        case "asymmetric":
            positions = pixels / scale
        case "align_corners":
            positions = pixels * np.float32(size.input - 1) / np.float32(max(1, size.output - 1))
        case "pytorch_half_pixel" if size.output == 1:
            positions = np.zeros(1, "f4")
        case "half_pixel_symmetric":
            covered = np.float32(size.output) / (scale * np.float32(size.input))
            offset = np.float32(size.input / 2) * (np.float32(1) - covered)
            positions = offset + (pixels + half) / scale - half
    return positions


_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda positions: np.ceil(positions - 0.5),
    "round_prefer_ceil": lambda positions: np.floor(positions + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def find_nearest(size: AxisResize, attributes: Mapping[str, Any]) -> Array:
    """The pixel of the original that each pixel is (mode ``nearest``)."""
    rounding = _ROUNDINGS[attributes.get("nearest_mode", "round_prefer_floor")]
    nearest = rounding(_locate(size, attributes))
    return nearest.clip(0, size.input - 1).astype(np.int64)


def compute_weights(size: AxisResize, attributes: Mapping[str, Any]) -> Array:
    """The weight of each pixel of the original (columns) in each pixel (rows), for the modes
    ``linear`` and ``cubic``.
    """
    is_cubic = attributes.get("mode") == "cubic"
    excludes_outside = attributes.get("exclude_outside") == 1
    shrinking = min(1.0, size.scale) if attributes.get("antialias") == 1 else 1.0
    reach = int(np.ceil((2 if is_cubic else 1) / shrinking)) + 1
    positions = _locate(size, attributes)
    nearby = np.floor(positions)[:, None] + np.arange(-reach, reach + 1)
    distances = np.abs(nearby - positions[:, None]) * shrinking
    if is_cubic:
        a = attributes.get("cubic_coeff_a", -0.75)
        near = ((a + 2) * distances - (a + 3)) * distances**2 + 1
        far = ((distances - 5) * distances + 8) * distances * a - 4 * a
        weights = np.where(distances <= 1, near, np.where(distances < 2, far, 0))
    else:
        weights = (1 - distances).clip(0)
    if excludes_outside:
        weights[(nearby < 0) | (nearby >= size.input)] = 0
    weights /= weights.sum(1, keepdims=True)
    table = np.zeros((size.output, size.input))
    columns = nearby.clip(0, size.input - 1).astype(np.int64)
    np.add.at(table, (np.arange(size.output)[:, None], columns), weights)
    return table
