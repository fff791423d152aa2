"""One person from SimCC: each joint's x and y are classified apart, into bins finer than pixels.

Y. Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, 2022,
arXiv:2107.03332; as RTMPose does it (T. Jiang et al., 2023, arXiv:2303.07399, ``get_simcc_maximum``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posezoo.errors import InferenceError
from posezoo.pose.keypoints import Floats, Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.top_down import TopDownOptions

SKELETON = "coco-17"
JOINTS = 17


@dataclass(frozen=True, slots=True)
class SimccOptions(TopDownOptions):
    """What may be said about the decoding, beside ``TopDownOptions``.

    Attributes:
        split: bins in a pixel.
    """

    split: float = 2.0

    def __post_init__(self) -> None:
        TopDownOptions.__post_init__(self)
        if not 0 < self.split <= 100:
            raise InferenceError(f"decoder option split: expected above 0 to 100, got {self.split}")


def decode_simcc(across: Floats, down: Floats, size: Size, options: SimccOptions) -> list[Pose]:
    """The one person; nobody where no joint has a score above zero.

    A keypoint's score is the lower one of its two maxima, and none is found where that is not above zero; a
    pose's is the mean over all, at most 1. A whole number is the centre of a pixel.

    Args:
        across: (17, width x split) float32, of the x coordinates.
        down: (17, height x split) float32, of the y coordinates.
        size: width and height of the input, in pixels.
        options: see there.
    """
    bins = round(size[0] * options.split), round(size[1] * options.split)
    if (across.shape[1], down.shape[1]) != bins:
        raise InferenceError(
            f"simcc has {across.shape[1]} and {down.shape[1]} bins, but an input of {size[0]}x{size[1]} with "
            f"{options.split:g} in a pixel has {bins[0]} and {bins[1]}",
            hint="split is the number of bins in a pixel",
        )
    keypoints: Floats = np.zeros((1, JOINTS, 3), np.float32)
    keypoints[0, :, 0] = across.argmax(axis=1) / options.split
    keypoints[0, :, 1] = down.argmax(axis=1) / options.split
    keypoints[0, :, 2] = np.minimum(across.max(axis=1), down.max(axis=1))
    missing = ~(np.isfinite(keypoints[0, :, 2]) & (keypoints[0, :, 2] > 0))
    keypoints[0, missing] = 0
    if missing.all():
        return []
    score = min(float(keypoints[0, :, 2].mean()), 1.0)
    return create_poses(keypoints, np.array([score]), SKELETON, size)
