"""What changes from frame to frame of a video: whether another scene begins, and whether something
new has come into view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np

from posezoo.core.arrays import Bools, Doubles, Floats
from posezoo.core.errors import import_cv2
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size, image_size
from posezoo.poses.ssd_detection import Box
from posezoo.poses.tracking import PoseTracker
from posezoo.run.images import Image

#: Frames per second of a video whose rate is unknown; most cameras have this rate.
USUAL_FPS = 30.0

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

# The brightness is compared in as many cells, each the mean of so many pixels along each side: the
# noise of a camera hardly changes a mean.
_PIXELS = 4

# A cell is new if its brightness, 0..255, is so far outside the brightness of the cells around it
# before: a hand that shakes moves the picture by less than a cell. So many cells are something new.
# Chosen on generated videos (benchmarks/measure_changing_videos.py), with other people than those
# of the results there.
_NEW_BRIGHTNESS = 12
_NEW_CELLS = 4


class SceneCuts:
    """Finds the frames of one video in which another scene begins.

    A fast pan keeps the colors of the image. A flash or a lamp keeps the pattern in all of its
    blocks, and a person who passes by in some of them.
    """

    def __init__(self) -> None:
        self._size: Size | None = None
        self._colors = np.zeros(0)
        self._blocks = np.zeros(0)

    def begins(self, image: Image) -> bool:
        """Whether the next frame, (H, W, 3) uint8, shows another scene than the frame before.

        A frame of another size does. Frames that show nothing, such as black ones, are ignored.
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


class ViewChanges:
    """Finds whether the frames of one video show something that was not there before.

    A light that changes all of the picture does not count, nor does a camera that shakes by less
    than a cell.
    """

    def __init__(self) -> None:
        self._before: Floats = np.zeros((_ROWS, _COLUMNS), np.float32)
        self._now = self._before
        self._is_expected: Bools = np.zeros((_ROWS, _COLUMNS), bool)

    def begin(self) -> None:
        """Compare the next frames with the last one, and expect no changes in them so far."""
        self._before = self._now
        self._is_expected[:] = False

    def add(self, image: Image, boxes: Iterable[Box]) -> bool:
        """Whether the next frame, (H, W, 3) uint8, shows something new since ``begin``.

        Args:
            image: the frame, of the same size as the others.
            boxes: where changes are expected, in this frame and in the next ones until ``begin``.
        """
        cv2 = import_cv2()
        self._now = _shrink(image)
        for box in boxes:
            self._is_expected[_cells_of(box, image_size(image))] = True
        light = np.median((self._now + 1) / (self._before + 1))
        before = np.minimum(light * self._before, 255)
        around = np.ones((3, 3), np.uint8)
        brighter = self._now - cv2.dilate(before, around)
        darker = cv2.erode(before, around) - self._now
        is_new = np.maximum(brighter, darker) > _NEW_BRIGHTNESS
        return bool((is_new & ~self._is_expected).sum() >= _NEW_CELLS)


def _shrink(image: Image) -> Floats:
    """(48, 64) the brightness of each cell, 0..255."""
    cv2 = import_cv2()
    # Not the mean of all pixels of a cell, which takes longer the larger the frame is.
    sampled = cv2.resize(
        image, (_COLUMNS * _PIXELS, _ROWS * _PIXELS), interpolation=cv2.INTER_NEAREST
    )
    cells = cv2.resize(sampled, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    brightness: Floats = cells.mean(axis=2, dtype=np.float32)
    return brightness


def _cells_of(box: Box, size: Size) -> tuple[slice, slice]:
    """The rows and columns of the cells that a box covers, also in part."""
    inside = box.clip(size)
    width, height = size
    top = int(inside.y0 * _ROWS / height)
    left = int(inside.x0 * _COLUMNS / width)
    bottom = int(np.ceil(inside.y1 * _ROWS / height))
    right = int(np.ceil(inside.x1 * _COLUMNS / width))
    return slice(top, bottom), slice(left, right)
