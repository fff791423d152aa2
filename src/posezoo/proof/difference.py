"""How far two arrays differ, and how far correct programs may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.proof_result import LARGEST_NOISE

#: A value may differ by ``FACTOR`` times its noise plus ``OFFSET``.
FACTOR = 5
OFFSET = 1e-5

#: The allowed difference of a value whose noise cannot be measured: no input has a floating-point
#: type, or the network rounds its input to a few levels first.
WITHOUT_NOISE = 1e-3

#: If a runtime in single precision differs from itself in double precision, a value may differ by
#: ``FACTOR`` times that, but not by more than this, or twice that.
#: OpenVINO's own rounding was up to 3.3 times as large, in the variance of 27,648 values.
LARGEST_OWN_ROUNDING = 1e-3

#: Differences are relative to at least this: OpenVINO takes numbers below 1.2e-38 for 0, which
#: changes a sum of thousands of products with such weights by up to 1e-32.
SMALLEST_VALUE = 1e-28

# OpenVINO computes the maximum of -inf alone as the smallest number of float32.
_INFINITE = float(np.finfo(np.float32).max)

#: The statistics that can summarise the differences of an output's values.
MEASURES: dict[str, Callable[[Array], Any]] = {
    "max": np.max,
    "p99": lambda differences: np.percentile(differences, 99),
    "median": np.median,
    "mean": np.mean,
}


def allow_difference(noise: float | None) -> float:
    """How much a value may differ; ``noise`` is None if it was not measured."""
    return FACTOR * (noise or 0) + OFFSET


def allow_own_rounding(rounding: float) -> float:
    """How much more a value may differ if a runtime's own rounding changes it by this."""
    if not rounding <= LARGEST_NOISE:
        return 0.0
    return min(FACTOR * rounding, max(LARGEST_OWN_ROUNDING, 2 * rounding))


def compute_difference(reference: Array, actual: Array, measure: str = "max") -> float:
    """The difference of an output, relative to the largest absolute value of the original's: 0 if
    both are empty, infinite if their shapes differ; infinities that both have are left out.
    """
    if reference.shape != actual.shape:
        return float("inf")
    is_finite = np.isfinite(reference)
    if not is_finite.all():
        if not (is_finite | find_same_infinities(reference, actual)).all():
            return float("inf")
        reference = reference[is_finite]
        actual = actual[is_finite]
    reference = reference.astype(np.float64)
    if not reference.size:
        return 0.0
    difference = float(MEASURES[measure](np.abs(reference - actual)))
    return difference / max(float(np.abs(reference).max()), SMALLEST_VALUE)


def find_same_infinities(reference: Array, actual: Array) -> Array:
    """Where two arrays of one shape have the same infinity."""
    # Of float16, the limit would overflow; of truths, there is no sign.
    is_infinite = np.isinf(reference) & (np.abs(actual.astype(np.float64)) >= _INFINITE)
    same: Array = is_infinite & ((reference > 0) == (actual > 0))
    return same
