"""How far two arrays differ, and how far correct programs may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from posezoo.core.arrays import Array

#: A value may differ by ``FACTOR`` times its noise plus ``OFFSET``.
FACTOR = 5
OFFSET = 1e-5

#: The allowed difference of a value whose noise cannot be measured: no input has a floating-point
#: type, or the network rounds its input to a few levels first.
WITHOUT_NOISE = 1e-3

#: If the noise is larger, the outputs of a correct IR and of a wrong one cannot be distinguished.
LARGEST_NOISE = 0.05

#: What a runtime's own rounding changes counts as noise up to this: the limit is then 1e-3. If it
#: changes more, the runtime computes something in another way, and that is no measure for OpenVINO.
LARGEST_OWN_ROUNDING = 2e-4

#: The statistics that can summarise the differences of an output's values.
MEASURES: dict[str, Callable[[Array], Any]] = {
    "max": np.max,
    "p99": lambda differences: np.percentile(differences, 99),
    "median": np.median,
}


def allow_difference(noise: float | None) -> float:
    """How much a value may differ; the noise is 0 if it cannot be measured, None if it was not."""
    return WITHOUT_NOISE if noise == 0 else FACTOR * (noise or 0) + OFFSET


def compute_difference(reference: Array, actual: Array, measure: str = "max") -> float:
    """The difference of an output, relative to the largest absolute value of the original's.

    It is 0 if both are empty, and infinite if their shapes differ. Infinities that both have are
    left out.
    """
    if reference.shape != actual.shape:
        return float("inf")
    is_left_out = ~np.isfinite(reference) & (reference == actual)
    if is_left_out.any():
        reference = reference[~is_left_out]
        actual = actual[~is_left_out]
    reference = reference.astype(np.float64)
    if not reference.size:
        return 0.0
    difference = float(MEASURES[measure](np.abs(reference - actual)))
    largest = float(np.abs(reference).max())
    if difference == 0:
        return 0.0
    return difference / largest if largest else float("inf")
