"""The types of numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: By the names of inputs, outputs or tensors.
NamedArrays = Mapping[str, Array]


def widen_bfloat16(bits: Array) -> Floats:
    """The values of a tensor in bfloat16, which numpy does not have, from its bits (uint16)."""
    widened: Floats = (bits.astype(np.uint32) << 16).view(np.float32)
    return widened
