"""Find whether something new has come into view in a video."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from posezoo.core.arrays import Bools, Floats
from posezoo.core.errors import import_cv2
from posezoo.poses.letterbox import Size, image_size
from posezoo.poses.ssd_detection import Box
from posezoo.run.images import Image

# A frame is compared in this many cells, each the mean of so many pixels along each side: the noise
# of a camera hardly changes a mean.
_ROWS, _COLUMNS = 48, 64
_PIXELS = 4

# A cell is new if its brightness, 0..255, is so far outside the brightness of the cells around it
# before: a hand that shakes moves the picture by less than a cell. So many cells are something new.
# Chosen on generated videos (benchmarks/measure_changing_videos.py), with other people than those
# of the results there.
_NEW_BRIGHTNESS = 12
_NEW_CELLS = 4


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
