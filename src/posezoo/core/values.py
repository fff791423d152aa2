"""The decorator of classes whose instances are values: they do not change after they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    ClassT = TypeVar("ClassT")

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def frozen(cls: type[ClassT]) -> type[ClassT]:
        """Make a dataclass that is frozen and has slots, as ``attrs.frozen`` does."""

    @dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
    def frozen_with_arrays(cls: type[ClassT]) -> type[ClassT]:
        """The same for a class with arrays, which ``==`` cannot compare: it only equals itself."""

else:
    # dataclass would compile these methods for each class, in 0.17 ms of its 0.41: a command makes
    # more than a hundred classes, and instances of a few.
    _make = dataclass(frozen=True, repr=False, eq=False, slots=True)

    def frozen(cls):
        """See above."""
        made = frozen_with_arrays(cls)
        compared = attrgetter("__class__", *(each.name for each in fields(made) if each.compare))

        def equals(value, other):
            is_alike = type(other) is type(value)
            return compared(value) == compared(other) if is_alike else NotImplemented

        made.__eq__ = equals
        made.__hash__ = lambda value: hash(compared(value))
        return made

    def frozen_with_arrays(cls):
        """See above."""
        if "__repr__" not in vars(cls):
            cls.__repr__ = _describe
        return _make(cls)

    def _describe(value):
        shown = [each.name for each in fields(value) if each.repr]
        words = (f"{name}={getattr(value, name)!r}" for name in shown)
        return f"{type(value).__qualname__}({', '.join(words)})"
