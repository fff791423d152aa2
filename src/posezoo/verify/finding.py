"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posezoo.verify.view import ModelView


class Severity(str, Enum):
    """How sure a finding is to be a mistake that harms; only an error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule has seen in a model.

    ``field`` is the key or the part of a card that says it, ``found`` what it says, and ``expected`` what
    the other place says that it is held against; empty where there is none.
    """

    place: Place
    message: str
    field: str = ""
    found: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold of every model.

    Attributes:
        explanation: what must hold, and why it matters.
        example: a mistake that the rule finds.
        find: what is wrong with a model.
    """

    id: str
    severity: Severity
    explanation: str
    example: str
    find: Callable[[ModelView], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a registry that cannot be right."""

    rule: str
    severity: Severity
    model: str
    file: str
    line: int
    column: int
    field: str
    found: str
    expected: str
    message: str

    def as_row(self) -> dict[str, object]:
        """As ``--format json`` tells it."""
        keys = ("rule", "severity", "model", "file", "line", "field", "found", "expected", "message")
        return {key: getattr(self, key) for key in keys}
