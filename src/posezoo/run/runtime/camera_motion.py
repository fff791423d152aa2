"""Find how far the camera of a video moves from frame to frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posezoo.core.errors import import_cv2
from posezoo.poses.letterbox import Size, image_size
from posezoo.run.images import Image
from posezoo.run.runtime.scene_cuts import sample_pixels

# The least response of cv2.phaseCorrelate, 0..1, for a shift to count: pans over photos have 0.45
# to 1, and frames with nothing in common less than 0.2.
_LEAST_RESPONSE = 0.3


class CameraMotion:
    """Finds how much of the frames of one video was not seen before."""

    def __init__(self) -> None:
        self._moved = np.zeros(2)
        self._size: Size | None = None
        self._gray: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def begin(self) -> None:
        """Start again: nothing of the last frame counts as new."""
        self._moved[:] = 0

    def add(self, image: Image) -> float:
        """The share of the next frame's width or height that the camera has brought into view since
        ``begin``. Frames that have too little in common count as no motion.
        """
        cv2 = import_cv2()
        last_size, last_gray = self._size, self._gray
        self._size = image_size(image)
        self._gray = sample_pixels(image).sum(axis=2, dtype=np.float32)
        if last_size != self._size:
            return 0.0
        rows, columns = self._gray.shape
        window = cv2.createHanningWindow((columns, rows), cv2.CV_32F)
        (across, down), response = cv2.phaseCorrelate(last_gray, self._gray, window)
        if response >= _LEAST_RESPONSE:
            self._moved += across / columns, down / rows
        return float(np.abs(self._moved).max())
