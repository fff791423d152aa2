"""What a rule finds, and how it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How sure a finding is to be a mistake that harms; only an error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """What a rule has seen in a model.

    ``field`` is the key or the part of a card that says it, ``actual`` what it says, and ``expected`` what
    the other place says that it is held against; empty where there is none.
    """

    place: FileLocation
    message: str
    field: str = ""
    actual: str = ""
    expected: str = ""


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

    def to_row(self) -> dict[str, object]:
        """As ``--format json`` tells it."""
        keys = ("rule", "severity", "model", "file", "line", "field", "found", "expected", "message")
        return {key: getattr(self, key) for key in keys}


#: The most characters of a stranger's text that a finding repeats.
LONGEST = 300


def create_finding(rule: str, severity: Severity, model: str, found: RuleViolation) -> Finding:
    """What a rule has seen, as it is told: in single lines that are safe on a terminal."""
    location = found.place
    texts = [to_safe_line(text) for text in (found.field, found.actual, found.expected, found.message)]
    return Finding(rule, severity, to_safe_line(model), location.file, location.line, location.column, *texts)


def to_safe_line(text: str) -> str:
    """A text of strangers in one line that is safe on a terminal, and no longer than can be read."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
