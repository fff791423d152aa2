"""COCO's compressed run-length encoding of masks, which pycocotools reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from posezoo.core.arrays import Bools


def encode_mask(mask: Bools) -> dict[str, Any]:
    """``size``, the height and width of a mask (H, W), and ``counts``, the lengths of its runs.

    The runs go down the columns, the first one is outside of the mask.
    """
    pixels = np.concatenate([[False], mask.ravel(order="F")])
    ends = np.flatnonzero(np.diff(pixels))
    lengths = np.diff(ends, prepend=0, append=mask.size).tolist()
    # From the fourth on, the difference from the last length of the same kind.
    earlier = [0, 0, 0, *lengths[1:]]
    numbers = [length - before for length, before in zip(lengths, earlier, strict=False)]
    return {"size": list(mask.shape), "counts": "".join(map(_encode_number, numbers))}


def _encode_number(number: int) -> str:
    """Five bits a letter, the lowest first; a sixth bit says that others follow."""
    letters = ""
    while not -16 <= number < 16:
        letters += chr(48 + 32 + (number & 31))
        number >>= 5
    return letters + chr(48 + (number & 31))
