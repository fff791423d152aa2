"""The decorators of classes whose instances are values: they do not change after they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from numbers import Real
from reprlib import recursive_repr
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

    def frozen(cls):  # noqa: D103
        return _make_values(cls, __eq__=_is_equal, __hash__=_hash)

    def frozen_with_arrays(cls):  # noqa: D103
        return _make_values(cls, __eq__=_has_same_fields, __hash__=_hash_of_numbers)


def _make_values(cls: type[ClassT], **methods: Any) -> type[ClassT]:
    """``dataclass`` compiles methods for each class, which takes a seventh of the CPU time of
    ``posezoo run`` on one photo: half of them are the same for all classes, and made only once.
    """
    methods["__repr__"] = _show
    own = [name for name in methods if cls.__dict__.get(name)]
    cls.__doc__ = cls.__doc__ or cls.__name__  # else it is made from the signature
    made = dataclass(frozen=True, slots=True, repr=False, eq=False)(cls)
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made


@cache
def _names(cls: type, use: str) -> tuple[str, ...]:
    """The fields that are compared, hashed or shown (``compare``, ``hash``, ``repr``)."""
    used = ((each, getattr(each, use)) for each in fields(cls))
    return tuple(
        each.name for each, is_used in used if (each.compare if is_used is None else is_used)
    )


def _values(value: Any, use: str) -> tuple[Any, ...]:
    kind: Any = type(value)
    return tuple([getattr(value, name) for name in _names(kind, use)])


def _is_equal(one: Any, other: Any) -> Any:
    if type(one) is not type(other):
        return NotImplemented
    return _values(one, "compare") == _values(other, "compare")


def _hash(value: Any) -> int:
    return hash(_values(value, "hash"))


@recursive_repr()
def _show(value: Any) -> str:
    kind: Any = type(value)
    shown = (f"{name}={getattr(value, name)!r}" for name in _names(kind, "repr"))
    return f"{kind.__qualname__}({', '.join(shown)})"


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
