"""The decorators of classes whose instances are values: they do not change after they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

ClassT = TypeVar("ClassT")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def frozen(cls: type[ClassT]) -> type[ClassT]:
        """Make a dataclass that is frozen and has slots, as ``attrs.frozen`` does."""

    @dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
    def frozen_with_arrays(cls: type[ClassT]) -> type[ClassT]:
        """The same for a class with arrays, which are equal if their shapes and numbers are; NaN
        equals NaN, as in a copy.
        """

else:
    frozen = dataclass(frozen=True, slots=True)

    def frozen_with_arrays(cls):  # noqa: D103
        made = dataclass(frozen=True, slots=True, eq=False)(cls)
        made.__eq__ = _has_same_fields
        made.__hash__ = _hash_of_numbers
        return made


def _has_same_fields(one: Any, other: Any) -> Any:
    if type(one) is not type(other):
        return NotImplemented
    return all(_is_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))


def _hash_of_numbers(value: Any) -> int:
    """Of the names and numbers alone: arrays may change."""
    kept = (_hashable(getattr(value, each.name)) for each in fields(value))
    return hash((type(value), *kept))


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if hasattr(one, "dtype") or hasattr(other, "dtype"):
        import numpy as np

        are_floats = all(np.asarray(each).dtype.kind in "fc" for each in (one, other))
        return np.array_equal(one, other, equal_nan=are_floats)
    if isinstance(one, (tuple, list)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    is_nan = one != one and other != other
    return bool(is_nan or one == other)


def _hashable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_hashable, value))
    is_plain = isinstance(value, (str, Real)) and value == value  # the hashes of two NaN differ
    return value if is_plain else None
