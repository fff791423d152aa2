"""Smooth the keypoints of one person over time: the One-Euro filter.

G. Casiez, N. Roussel and D. Vogel, "1 Euro Filter", CHI 2012: a low-pass filter whose cutoff
frequency rises with the speed, so a still person does not jitter, and a moving one does not lag. As
in MediaPipe, speeds are in body sizes a second: the result depends neither on the frame rate nor on
the person's distance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.pose.keypoints import Pose

Array = NDArray[np.float64]

# In Hz: the cutoff of a point at rest, what it gains for each body size a second, and that of the
# speed itself. Chosen on generated walks (benchmarks/bench_tracking.py).
_MIN_CUTOFF = 0.3
_BETA = 25.0
_SPEED_CUTOFF = 1.0


class PoseFilter:
    """Smooths the poses of one person: the keypoints in the image, and the box."""

    def __init__(self) -> None:
        self._time_s = 0.0
        self._points: Array = np.zeros((0, 2))
        self._speeds: Array = np.zeros((0, 2))
        self._is_known: NDArray[np.bool_] = np.zeros(0, bool)

    def smooth(self, pose: Pose, time_s: float) -> Pose:
        """The smoothed pose; keypoints that are missing stay so.

        Args:
            pose: the person's next pose.
            time_s: the time of its frame.
        """
        x0, y0, x1, y1 = pose.box
        points = np.empty((len(pose.keypoints) + 2, 2))
        points[:-2] = pose.keypoints[:, :2]
        points[-2] = x0, y0
        points[-1] = x1, y1
        is_found = np.isfinite(points[:, 0])
        is_found[:-2] &= pose.keypoints[:, 2] > 0
        smoothed = self._filter(points, is_found, max(x1 - x0, y1 - y0, 1.0), time_s)
        keypoints = pose.keypoints.copy()
        keypoints[:, :2] = smoothed[:-2]
        left, top, right, bottom = smoothed[-2:].ravel().tolist()
        return replace(pose, keypoints=keypoints, box=(left, top, right, bottom))

    def _filter(
        self, points: Array, is_found: NDArray[np.bool_], size: float, time_s: float
    ) -> Array:
        if not len(self._points):
            self._points = points
            self._speeds = np.zeros_like(points)
            self._is_known = np.zeros_like(is_found)
        step_s = max(time_s - self._time_s, 1e-3)
        change = points - self._points
        self._speeds += _weight(_SPEED_CUTOFF, step_s) * (change / (step_s * size) - self._speeds)
        cutoffs = _MIN_CUTOFF + _BETA * np.sqrt((self._speeds * self._speeds).sum(axis=1))
        smoothed: Array = self._points + _weight(cutoffs, step_s)[:, None] * change
        # A point that was missing begins anew.
        is_new = ~(is_found & self._is_known)
        if is_new.any():
            smoothed[is_new] = points[is_new]
            self._speeds[is_new] = 0
        self._points = smoothed
        self._is_known = is_found
        self._time_s = time_s
        return smoothed


def _weight(cutoff: Any, step_s: float) -> Any:
    """The weight of a new value in a low-pass filter of this cutoff frequency, in Hz."""
    turn = 2 * np.pi * step_s * cutoff
    return turn / (turn + 1)
