"""Values are frozen; those with arrays only equal themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from posezoo.core.values import frozen, frozen_with_arrays


@frozen
class Point:
    """A value."""

    x: int


@frozen_with_arrays
class Image:
    """A value that only equals itself."""

    pixels: list[int]


def test_equal_fields_make_equal_values_that_do_not_change():
    point = Point(1)
    assert point == Point(1) != Point(2)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    assert not hasattr(point, "__dict__")


def test_values_with_arrays_only_equal_themselves():
    image = Image([1])
    assert image == image
    assert image != Image([1])
    assert len({image, Image([1])}) == 2
