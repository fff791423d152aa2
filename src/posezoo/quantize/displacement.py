"""The displacement of INT8's points from those that FP32 detects in the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

#: Two detections are the same person if they share half of the points, and the median distance of
#: these is at most this share of the person's extent.
SAME_PERSON = 0.3


@dataclass(frozen=True, eq=False, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    candidates = []
    for i in range(len(fp32)):
        own = fp32.points[i][fp32.is_found[i]]
        extent = float(np.hypot(*np.ptp(own, axis=0))) if len(own) else 0.0
        for j in range(len(int8)):
            both = fp32.is_found[i] & int8.is_found[j]
            if not both.any() or 2 * both.sum() < fp32.is_found[i].sum():
                continue
            offsets = fp32.points[i][both].astype(float) - int8.points[j][both]
            distances = np.hypot(offsets[:, 0], offsets[:, 1])
            median = float(np.median(distances))
            if median <= SAME_PERSON * extent:
                candidates.append((median, i, j, distances))
    matched, used_fp32, used_int8 = [], set(), set()
    # Nearest first.
    for _, i, j, distances in sorted(candidates, key=lambda candidate: candidate[:3]):
        if i not in used_fp32 and j not in used_int8:
            used_fp32.add(i)
            used_int8.add(j)
            matched.append(distances)
    return matched
