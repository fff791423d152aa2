"""Values are frozen, and equal if what they hold is; so are those with arrays."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import numpy as np
import pytest

from posezoo.core.arrays import Array
from posezoo.core.values import frozen, frozen_with_arrays


@frozen
class Point:
    """A value."""

    x: int


@frozen_with_arrays
class Image:
    """A value with arrays."""

    pixels: Array
    name: str = ""
    box: tuple[float, ...] = ()
    by_name: dict[str, Array] = field(default_factory=dict)


def test_equal_fields_make_equal_values_that_do_not_change():
    point = Point(1)
    assert point == Point(1) != Point(2)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    assert not hasattr(point, "__dict__")


def full_image() -> Image:
    """Each time of new objects."""
    pixels = np.array([[1.0, np.nan]], np.float32)
    return Image(pixels, "one", (0.0, float("nan")), {"mask": np.zeros(3, bool)})


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_of_a_value_with_arrays_equals_it(copied: Callable[[Image], Image]):
    image = full_image()
    assert copied(image) == image == full_image()
    assert len({copied(image), image, full_image()}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": np.zeros((1, 2), np.float32)},
        {"pixels": None},
        {"name": "two"},
        {"box": (0.0,)},
        {"by_name": {"mask": np.ones(3, bool)}},
    ],
)
def test_another_array_or_number_makes_another_value(changes: dict[str, Any]):
    assert replace(full_image(), **changes) != full_image()


def test_a_value_with_arrays_equals_nothing_of_another_type():
    assert full_image() not in (None, 1, "one", Point(1), [full_image().pixels])
