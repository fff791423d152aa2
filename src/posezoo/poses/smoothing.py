"""Smooth the keypoints of people over time: the One-Euro filter.

G. Casiez, N. Roussel and D. Vogel, "1 Euro Filter", CHI 2012: a low-pass filter whose cutoff
frequency rises with the speed, so a still person does not jitter, and a moving one does not lag. As
in MediaPipe, speeds are in body sizes a second: the result depends neither on the frame rate nor on
the person's distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from posezoo.core.arrays import Bools, Doubles
from posezoo.poses.keypoints import Pose

# In Hz: the cutoff of a point at rest, what it gains for each body size a second, and that of the
# speed itself. Chosen on synthetic walks (tests/fakes/walks.py).
_MIN_CUTOFF = 0.3
_BETA = 25.0
_SPEED_CUTOFF = 1.0


@dataclass(slots=True)
class PoseFilter:
    """The state of the filter for one person.

    Attributes:
        time_s: of the last frame with the person.
        points: (K + 2, 2): the smoothed keypoints and corners of the box; None before the first
            frame.
        speeds: (K + 2, 2), in body sizes a second.
        is_known: (K + 2,): whether a point was found in that frame.
    """

    time_s: float = 0.0
    points: Doubles | None = None
    speeds: Doubles = field(default_factory=lambda: np.zeros(0))
    is_known: Bools = field(default_factory=lambda: np.zeros(0, bool))


def smooth_poses(filters: Sequence[PoseFilter], poses: Sequence[Pose], time_s: float) -> list[Pose]:
    """The smoothed poses of one frame, all people at once; keypoints that are missing stay so.

    Args:
        filters: of the people, in the order of their poses; they are changed.
        poses: of the same skeleton.
        time_s: the time of the frame.
    """
    if not poses:
        return []
    keypoints = np.array([pose.keypoints for pose in poses])
    corners = np.array([pose.box for pose in poses]).reshape(-1, 2, 2)
    points = np.concatenate([keypoints[:, :, :2], corners], axis=1)
    is_found = np.isfinite(points[:, :, 0])
    is_found[:, :-2] &= keypoints[:, :, 2] > 0
    for person, first in zip(filters, points, strict=True):
        if person.points is None:
            person.points = first
            person.speeds = np.zeros_like(first)
            person.is_known = np.zeros(len(first), bool)
    smoothed = _filter(filters, points, is_found, time_s)
    keypoints[:, :, :2] = smoothed[:, :-2]
    boxes = smoothed[:, -2:].reshape(-1, 4).tolist()
    people = zip(poses, keypoints, boxes, strict=True)
    return [
        replace(pose, keypoints=rows, box=(x0, y0, x1, y1))
        for pose, rows, (x0, y0, x1, y1) in people
    ]


def _filter(
    filters: Sequence[PoseFilter],
    points: Doubles,
    is_found: Bools,
    time_s: float,
) -> Doubles:
    """Smooth points, (N, K + 2, 2), by the filters of N people, which are changed."""
    before = np.array([person.points for person in filters])
    speeds = np.array([person.speeds for person in filters])
    is_known = np.array([person.is_known for person in filters])
    times_s = np.array([person.time_s for person in filters])
    spans = points[:, -1] - points[:, -2]
    sizes = np.maximum(spans.max(axis=1), 1.0)
    steps_s = np.maximum(time_s - times_s, 1e-3)
    change = points - before
    moved = change / (steps_s * sizes)[:, None, None]
    weights = _weight(_SPEED_CUTOFF, steps_s)
    speeds += weights[:, None, None] * (moved - speeds)
    total_speeds = np.sqrt((speeds * speeds).sum(axis=2))
    cutoffs = _MIN_CUTOFF + _BETA * total_speeds
    weights = _weight(cutoffs, steps_s[:, None])
    smoothed: Doubles = before + weights[:, :, None] * change
    # The filter of a point that was missing starts again.
    is_new = ~(is_found & is_known)
    smoothed[is_new] = points[is_new]
    speeds[is_new] = 0
    for place, person in enumerate(filters):
        person.time_s = time_s
        person.points = smoothed[place]
        person.speeds = speeds[place]
        person.is_known = is_found[place]
    return smoothed


def _weight(cutoff: Any, step_s: Doubles) -> Any:
    """The weight of a new value in a low-pass filter of this cutoff frequency, in Hz."""
    turn = 2 * np.pi * step_s * cutoff
    return turn / (turn + 1)
