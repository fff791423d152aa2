"""Values compare, hash, show and freeze as those of ``dataclass`` do, though their classes are made
faster.
"""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from posezoo.core.values import frozen, frozen_with_arrays


@frozen
class Nothing:
    """A value without fields."""


@frozen
class Point:
    """A value with a field that is neither compared nor shown."""

    x: int
    y: int = 0
    note: str = field(default="", compare=False, repr=False)


@frozen
class Place(Point):
    """A value of a derived class."""

    name: str = "here"


@frozen
class Named:
    """A value with words of its own."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


@frozen_with_arrays
class Image:
    """A value that only equals itself."""

    pixels: list[int]


@dataclass(frozen=True, slots=True)
class Plain:
    """The same as Point, by dataclass."""

    x: int
    y: int = 0
    note: str = field(default="", compare=False, repr=False)


def test_equal_fields_make_equal_values_with_equal_hashes():
    assert Point(1, 2, "a") == Point(1, 2, "b")
    assert hash(Point(1, 2, "a")) == hash(Point(1, 2, "b"))
    assert {Point(1, 2), Point(1, 2), Point(2, 1)} == {Point(1, 2), Point(2, 1)}
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())


def test_values_of_other_classes_are_not_equal():
    assert Point(1) != Place(1)
    assert Point(1) != Plain(1)
    assert Point(1) != (1, 0)
    assert Place(1, name="there") != Place(1)


def test_values_with_arrays_only_equal_themselves():
    image = Image([1])
    assert image == image
    assert image != Image([1])
    assert len({image, Image([1])}) == 2


def test_values_show_what_dataclass_shows():
    assert repr(Point(1, 2, "a")) == repr(Plain(1, 2, "a")).replace("Plain", "Point")
    assert repr(Place(1)) == "Place(x=1, y=0, name='here')"
    assert repr(Nothing()) == "Nothing()"
    assert repr(Named("mine")) == "<mine>"
    assert repr(Image([1])) == "Image(pixels=[1])"


def test_values_do_not_change():
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.y  # type: ignore[misc]
    assert replace(point, x=2) == Point(2)
    assert point == Point(1)


def test_values_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(Place(1, name="there"))) == Place(1, name="there")


def test_a_field_that_cannot_be_hashed_is_reported():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point([]))  # type: ignore[arg-type]
