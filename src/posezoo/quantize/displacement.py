"""How far what INT8 finds lies from what FP32 finds in the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.quantize.detected_points import DetectedPoints

#: Two findings are of one person where they share half of its points, and these lie, in the median, at most
#: this share of the person's own extent apart.
SAME_PERSON = 0.3


@dataclass(frozen=True, slots=True)
class KeypointDisplacement:
    """How far INT8 moved what FP32 finds.

    Attributes:
        shift_p50_px: the median distance of a point, in pixels of the network's input, over the people that
            both found; infinite where there are none.
        shift_p90_px: nine of ten points moved less.
        found_fp32: how many people FP32 found.
        found_int8: how many INT8 found.
        found_both: how many of them are the same.
    """

    shift_p50_px: float
    shift_p90_px: float
    found_fp32: int
    found_int8: int
    found_both: int

    @property
    def agreement(self) -> float:
        """The share that both found of all people that either did, 0..1."""
        either = self.found_fp32 + self.found_int8 - self.found_both
        return self.found_both / either if either else 1.0

    def to_json(self) -> dict[str, float]:
        """The same in JSON's types."""
        return {**asdict(self), "agreement": self.agreement}


def measure_keypoint_displacement(
    pairs: Iterable[tuple[DetectedPoints, DetectedPoints]],
) -> KeypointDisplacement:
    """The shift over many inputs.

    Args:
        pairs: what FP32 and what INT8 found in each.
    """
    distances: list[NDArray[np.float64]] = []
    counts = np.zeros(3, int)
    for fp32, int8 in pairs:
        same = match_people(fp32, int8)
        distances += same
        counts += len(fp32), len(int8), len(same)
    if not distances:
        return KeypointDisplacement(np.inf, np.inf, *map(int, counts))
    p50, p90 = np.percentile(np.concatenate(distances), (50, 90))
    return KeypointDisplacement(float(p50), float(p90), *map(int, counts))


def match_people(fp32: DetectedPoints, int8: DetectedPoints) -> Sequence[NDArray[np.float64]]:
    """For each person that both found, how far each point that both found moved, in pixels."""
    candidates = []
    for one in range(len(fp32)):
        extent = _extent(fp32.points[one][fp32.is_found[one]])
        for other in range(len(int8)):
            both = fp32.is_found[one] & int8.is_found[other]
            if not both.any() or 2 * both.sum() < fp32.is_found[one].sum():
                continue
            moved = fp32.points[one][both].astype(float) - int8.points[other][both]
            distances = np.hypot(moved[:, 0], moved[:, 1])
            middle = float(np.median(distances))
            if middle <= SAME_PERSON * extent:
                candidates.append((middle, one, other, distances))
    same, taken_fp32, taken_int8 = [], set(), set()
    for _, one, other, distances in sorted(candidates, key=lambda each: each[:3]):  # the nearest first
        if one not in taken_fp32 and other not in taken_int8:
            taken_fp32.add(one)
            taken_int8.add(other)
            same.append(distances)
    return same


def _extent(points: NDArray[np.float32]) -> float:
    """The diagonal of what a person's points span, in pixels."""
    return float(np.hypot(*np.ptp(points, axis=0))) if len(points) else 0.0
