"""What a rule is: what must hold of every model, and what finds where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """Something that must hold of every model.

    Attributes:
        explanation: what must hold, and why it matters.
        example: a mistake against it.
    """

    id: str
    severity: Severity
    explanation: str
    example: str


@dataclass(frozen=True, slots=True)
class Rule(RuleInfo):
    """A demand, and what finds where it is not met.

    Attributes:
        find: what is wrong with a model.
    """

    find: Callable[[ModelView], Iterator[RuleViolation]]
