"""The displacement of INT8's points from those that FP32 detects in the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from posezoo.core.values import frozen, frozen_with_arrays

#: Two detections are the same person if they share half of the points, and the median distance of
#: these is at most this share of the person's extent.
SAME_PERSON = 0.3


@frozen_with_arrays
class DetectedPoints:
    """A network's detections in one input.

    Attributes:
        points: (people, points, 2) float32: x, y in pixels of the input.
        is_found: (people, points) bool: which points are found.
    """

    points: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.points)


@frozen
class KeypointDisplacement:
    """The displacement of INT8's detections from FP32's.

    Attributes:
        shift_p50_px: the median distance of a point, in pixels of the network's input, over the
            people that both detect; infinite if there are none.
        shift_p90_px: the 90th percentile of this distance.
        found_fp32: number of people that FP32 detects.
        found_int8: number of people that INT8 detects.
        found_both: number of people that both detect.
    """

    shift_p50_px: float
    shift_p90_px: float
    found_fp32: int
    found_int8: int
    found_both: int

    @property
    def agreement(self) -> float:
        """The share of all detected people that both detect, 0..1."""
        either = self.found_fp32 + self.found_int8 - self.found_both
        return self.found_both / either if either else 1.0

    def to_json(self) -> dict[str, float]:
        """The same as JSON values."""
        return {**asdict(self), "agreement": self.agreement}


def measure_keypoint_displacement(
    pairs: Iterable[tuple[DetectedPoints, DetectedPoints]],
) -> KeypointDisplacement:
    """The displacement over many inputs, from the detections of FP32 and of INT8 in each of
    them.
    """
    distances: list[NDArray[np.float64]] = []
    counts = np.zeros(3, int)
    for fp32, int8 in pairs:
        matched = match_people(fp32, int8)
        distances += matched
        counts += len(fp32), len(int8), len(matched)
    if not distances:
        return KeypointDisplacement(np.inf, np.inf, *map(int, counts))
    p50, p90 = np.percentile(np.concatenate(distances), (50, 90))
    return KeypointDisplacement(float(p50), float(p90), *map(int, counts))


def match_people(fp32: DetectedPoints, int8: DetectedPoints) -> Sequence[NDArray[np.float64]]:
    """For each person that both detect, the distance of each point that both detect, in pixels."""
    # Of each pair that may be one person: the median distance, the indices, the distances.
    pairs = []
    for i, is_found in enumerate(fp32.is_found):
        points = fp32.points[i][is_found]
        if not len(points):
            continue
        extent = float(np.hypot(*np.ptp(points, axis=0)))
        for j in range(len(int8)):
            both = is_found & int8.is_found[j]
            if 2 * both.sum() < len(points):
                continue
            offsets = fp32.points[i][both].astype(float) - int8.points[j][both]
            distances = np.hypot(offsets[:, 0], offsets[:, 1])
            median = float(np.median(distances))
            if median <= SAME_PERSON * extent:
                pairs.append((median, i, j, distances))
    matched: dict[int, NDArray[np.float64]] = {}
    used: set[int] = set()
    # Nearest first.
    for _, i, j, distances in sorted(pairs, key=itemgetter(0, 1, 2)):
        if i not in matched and j not in used:
            matched[i] = distances
            used.add(j)
    return list(matched.values())
