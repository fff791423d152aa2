"""Findings of lint rules, and the violations that rules return."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.errors import SpecError, escape_control_characters
from posezoo.core.values import frozen


class Severity(str, Enum):
    """How serious a finding is; only an error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    __str__ = str.__str__


@frozen
class FileLocation:
    """A position in a file; lines and columns count from 1."""

    file: str | Path
    line: int = 1
    column: int = 1


#: A node of a YAML file and an error know their position, too.
Place = FileLocation | YamlNode | SpecError


@frozen
class RuleViolation:
    """A violation of a rule in one model."""

    place: Place  # its location
    message: str  # what is wrong
    #: The key of model.yml, or the part of a card; if empty, the path of a YAML node.
    field: str = ""
    actual: str = ""  # the text at this location
    #: The text that the rule expects, for example from another file; empty if there is none.
    expected: str = ""
    severity: Severity | None = None  # the severity; None for the rule's severity


Violations = Iterator[RuleViolation]


@frozen
class Finding:
    """A violation of a rule in one model, in the form that is reported."""

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


#: The largest number of characters that a finding repeats from an untrusted text.
MAX_TEXT_LENGTH = 300


def create_finding(rule: str, severity: Severity, model: str, violation: RuleViolation) -> Finding:
    """The finding for a violation; its texts are safe on a terminal."""
    place = violation.place
    severity = violation.severity or severity
    field = violation.field or (place.field_path if isinstance(place, YamlNode) else "")
    return Finding(
        rule,
        severity,
        to_safe_line(model),
        str(place.file),
        line=place.line,
        column=place.column,
        field=to_safe_line(field),
        found=to_safe_line(violation.actual),
        expected=to_safe_line(violation.expected),
        message=to_safe_line(violation.message),
    )


def describe_error(error: SpecError) -> str:
    """What is wrong in a file, without its position, and what to do."""
    problem = error.problem.removeprefix(f"{error.file}:{error.line}:{error.column}: ")
    return f"{problem}; {error.hint}" if error.hint else problem


def to_safe_line(text: str) -> str:
    """An untrusted text as one short line that is safe on a terminal."""
    short = text if len(text) <= MAX_TEXT_LENGTH else f"{text[: MAX_TEXT_LENGTH - 1]}…"
    return escape_control_characters(short)
