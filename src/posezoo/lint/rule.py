"""A lint rule: a requirement for every model, and the function that finds violations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from posezoo.lint.finding import Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.values import frozen

FindViolations = Callable[[ModelView], Violations]
#: Ids of rules that are now part of another rule; baselines and users may still use these ids.
FORMER_IDS = {
    "description-of-another": "description-differs",
    "index-figures-digits": "index-figures",
    "index-accuracy-digits": "accuracy",
    "index-accuracy": "accuracy",
    "published-accuracy": "accuracy",
    "swapped-figures": "index-figures",
    "mean": "preprocessing",
    "scale": "preprocessing",
    "reversal": "color",
    "evaluated-color": "color",
    "license-base": "license-project",
    "input-name": "port-name",
    "output-name": "port-name",
    "network-size": "counted-figures",
    "published-figures": "counted-figures",
    "evaluated-file": "evaluated-names",
    "evaluated-model": "evaluated-names",
    "factor": "unusual-constant",
    "ir-sizes": "weights-size",
    "deprecated-use": "known-model",
    "skeleton-maps": "decoder-outputs",
    "output-size": "decoder-outputs",
}


@frozen
class RuleInfo:
    """A requirement for every model."""

    id: str  # its name in reports, baselines and SARIF
    severity: Severity  # the severity of its findings, unless a finding has its own
    explanation: str  # the requirement, and why it matters
    example: str  # a mistake that the rule finds


@frozen
class Rule(RuleInfo):
    """A rule on metadata."""

    find: FindViolations  # yields the violations in one model
    #: The ids of rules that find the cause: if one has a finding in the model, this one has none.
    unless: tuple[str, ...] = ()


def rule(
    id: str = "",
    explanation: str = "",
    example: str = "",
    *,
    severity: Severity = Severity.ERROR,
    unless: tuple[str, ...] = (),
) -> Callable[[FindViolations], Rule]:
    """Decorator that makes a rule from a function; the arguments are those of ``Rule``.

    Without them, the id is the function's name with hyphens, and its docstring has the explanation
    and, after ``Example:``, the example.
    """
    if callable(id):
        raise TypeError("the decorator needs parentheses: @rule()")

    def decorate(find: FindViolations) -> Rule:
        words = (find.__doc__ or "").split()
        text, _, mistake = " ".join(words).partition(" Example: ")
        name = find.__name__.strip("_").replace("_", "-")
        return Rule(
            id or name, severity, explanation or text, example or mistake, find=find, unless=unless
        )

    return decorate


def defined_rules(namespace: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a module in their order; the argument is its ``globals()``."""
    return tuple(value for value in namespace.values() if isinstance(value, Rule))
