"""The decorators of classes whose instances are values: they do not change after they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    frozen = dataclass(frozen=True, slots=True)
    frozen_with_arrays = dataclass(frozen=True, slots=True, eq=False)
