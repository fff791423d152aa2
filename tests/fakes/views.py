"""The way of points into a view, of which the product needs the way back only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.poses.letterbox import ImageTransform


def to_input(view: ImageTransform, points: NDArray[Any]) -> NDArray[np.float32]:
    """Points (..., 2) in image pixels, in input pixels."""
    moved = points @ view.matrix[:, :2].T + view.matrix[:, 2]
    return moved.astype(np.float32)  # as precise as what a network puts out
