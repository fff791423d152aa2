"""Whether another scene begins in a video."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np

from posezoo.core.arrays import Doubles
from posezoo.media.frames import USUAL_FPS
from posezoo.media.images import Image
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size, image_size
from posezoo.poses.tracking import PoseTracker

# A frame is compared by this many of its pixels, in blocks. These values were chosen on photos, for
# pans by a third of the picture, flashes, and people who walk past the camera.
_ROWS, _COLUMNS = 48, 64
_BLOCKS = 4  # in each direction

# At a cut, the histogram of colors changes for more than this share of the pixels, ...
_NEW_COLORS = 0.26
# ... and less than this share of the blocks keeps its pattern, which does not depend on the light.
_SAME_BLOCKS = 0.3
_SAME_CORRELATION = 0.6

# The standard deviation of a picture that shows nothing, such as one that a flash makes white.
_EMPTY = 12.0


class SceneCuts:
    """Finds the frames of one video in which another scene begins.

    A fast pan keeps the colors of the image; a flash or a lamp keeps the pattern in all of its
    blocks, and a person who passes by in some.
    """

    def __init__(self) -> None:
        self._size: Size | None = None
        self._colors = np.zeros(0)
        self._blocks = np.zeros(0)

    def begins(self, image: Image) -> bool:
        """Whether the next frame, (H, W, 3) uint8, shows another scene than the frame before.

        A frame of another size does; frames that show nothing, such as black ones, are ignored.
        """
        width, height = size = image_size(image)
        rows = np.arange(_ROWS) * height // _ROWS
        columns = np.arange(_COLUMNS) * width // _COLUMNS
        pixels = image[rows[:, None], columns]
        if self._size == size and pixels.std() < _EMPTY:
            return False
        last_size, last_colors, last_blocks = self._size, self._colors, self._blocks
        self._size = size
        self._colors, self._blocks = _count_colors(pixels), _blocks(pixels)
        if last_size != self._size:
            return last_size is not None
        kept_colors = np.minimum(last_colors, self._colors).sum()
        correlations = (last_blocks * self._blocks).sum(axis=1)
        same_blocks = (correlations > _SAME_CORRELATION).mean()
        return bool(kept_colors < 1 - _NEW_COLORS and same_blocks < _SAME_BLOCKS)


class SceneTracker(PoseTracker):
    """A ``PoseTracker`` that forgets all people when another scene begins."""

    def __init__(self, *, smooth: bool = False) -> None:
        super().__init__(smooth=smooth)
        self._cuts = SceneCuts()
        self._frames = count()

    def track(self, image: Image, poses: Sequence[Pose], time_s: float | None = None) -> list[Pose]:
        """As ``update``, for the poses in a frame, (H, W, 3) uint8; without a time, there are
        ``USUAL_FPS``.
        """
        if self._cuts.begins(image):
            self.begin_scene()
        usual_s = next(self._frames) / USUAL_FPS
        return self.update(poses, usual_s if time_s is None else time_s)


def _count_colors(pixels: Image) -> Doubles:
    """(64,) the share of the pixels with each color, of four levels in each channel."""
    levels = (pixels >> 6).astype(np.int64)
    counts = np.bincount((levels @ [16, 4, 1]).ravel(), minlength=64)
    return counts / (_ROWS * _COLUMNS)


def _blocks(pixels: Image) -> Doubles:
    """(16, N) the brightness in each block, less its mean, as vectors of length 1."""
    gray = pixels.sum(axis=2, dtype=np.float64)
    grid = gray.reshape(_BLOCKS, _ROWS // _BLOCKS, _BLOCKS, _COLUMNS // _BLOCKS)
    blocks = grid.swapaxes(1, 2).reshape(_BLOCKS**2, -1)
    blocks -= blocks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(blocks, axis=1, keepdims=True)
    directions: Doubles = blocks / (lengths + 1)
    return directions
