"""Filters over the frames of a video, as in MediaPipe's ``landmarks_smoothing_calculator.cc``.

Each coordinate has its own speed, unlike in ``poses.tracking``, where a point has one.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array
from posezoo.poses.tracking import low_pass_weight

# MediaPipe's Python takes all videos for ones of 30 frames a second.
_FRAME_S = 0.033333
_SPEED_CUTOFF = 1.0  # in Hz

# The weight of a new visibility.
_VISIBILITY_SHARE = 0.1


class OneEuroFilter:
    """The One-Euro filter of an array (G. Casiez et al., CHI 2012).

    Args:
        min_cutoff: the cutoff frequency at rest, in Hz.
        beta: what it gains for each unit a second.
    """

    def __init__(self, min_cutoff: float, beta: float) -> None:
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._raw: Array | None = None

    def __call__(self, values: Array, size: float = 1.0, frames: int = 1) -> Array:
        """The smoothed values, this many frames after the last ones; speeds are relative to the
        size.
        """
        step_s = frames * _FRAME_S
        if self._raw is None:
            self._smooth = values
            self._speed = np.zeros_like(values)
        else:
            speed = (values - self._raw) / (size * step_s)
            share = low_pass_weight(_SPEED_CUTOFF, step_s)
            self._speed = self._speed + share * (speed - self._speed)
            share = low_pass_weight(self._min_cutoff + self._beta * np.abs(self._speed), step_s)
            self._smooth = self._smooth + share * (values - self._smooth)
        self._raw = values
        return self._smooth


class BodyFilter:
    """Smooths the landmarks of one person.

    If the person is lost, the filters of landmarks start again, but not those of world landmarks
    and visibilities, as in MediaPipe.
    """

    def __init__(self) -> None:
        self._world = OneEuroFilter(min_cutoff=0.1, beta=40)
        self._visibility: Array | None = None
        self._frames = 1
        self._begin()

    def _begin(self) -> None:
        self._landmarks = OneEuroFilter(min_cutoff=0.05, beta=80)
        self._axis = OneEuroFilter(min_cutoff=0.01, beta=10)

    def lose(self) -> None:
        """The person is not found in a frame."""
        self._frames += 1
        self._begin()

    def smooth_axis(self, axis: Array) -> tuple[Array, float]:
        """The smoothed axis of the body, and the size to which speeds are relative."""
        hip, top = axis
        size = 2 * float(np.hypot(*(top - hip)))
        return self._axis(axis, size), size

    def smooth(self, landmarks: Array, world: Array, size: float) -> tuple[Array, Array]:
        """Smoothed landmarks and world landmarks, both (33, 4): x, y, z and the visibility."""
        before = landmarks[:, 3] if self._visibility is None else self._visibility
        self._visibility = before + _VISIBILITY_SHARE * (landmarks[:, 3] - before)
        landmarks = self._landmarks(landmarks[:, :3], size)
        world = self._world(world[:, :3], frames=self._frames)
        self._frames = 1
        column = self._visibility[:, None]
        first, second = (np.concatenate([each, column], axis=1) for each in (landmarks, world))
        return first, second
