"""A lint rule: what must hold of every model, and the function that finds violations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView

FindViolations = Callable[[ModelView], Iterator[RuleViolation]]
#: Rules that became part of another one; baselines and users may still name them.
FORMER_IDS = {
    "index-figures-digits": "index-figures",
    "index-accuracy-digits": "index-accuracy",
    "license-base": "license-project",
}


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """Something that must hold of every model.

    Attributes:
        id: its name in reports, baselines and SARIF.
        severity: of its findings, if a finding has none of its own.
        explanation: what must hold, and why it matters.
        example: a mistake that it finds.
    """

    id: str
    severity: Severity
    explanation: str
    example: str


@dataclass(frozen=True, slots=True)
class Rule(RuleInfo):
    """A rule on metadata.

    Attributes:
        find: yields the violations in one model.
    """

    find: FindViolations


def rule(
    id: str, explanation: str, example: str, *, severity: Severity = Severity.ERROR
) -> Callable[[FindViolations], Rule]:
    """Make a rule of the function below; the arguments are those of ``RuleInfo``."""
    return lambda find: Rule(id, severity, explanation, example, find)


def defined_rules(namespace: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a module in their order; the argument is its ``globals()``."""
    return tuple(value for value in namespace.values() if isinstance(value, Rule))
