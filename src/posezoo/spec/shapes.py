"""Compare declared shapes, in which sizes may be open."""

from __future__ import annotations

from collections.abc import Sequence


def fits(shape: Sequence[int], other: Sequence[int | str]) -> bool:
    """Whether two shapes are equal; -1 and letters stand for any size."""
    if len(shape) != len(other):
        return False
    pairs = zip(shape, other, strict=True)
    return all(isinstance(b, str) or a == b or -1 in (a, b) for a, b in pairs)
