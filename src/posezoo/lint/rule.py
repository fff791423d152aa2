"""A lint rule: a requirement for every model, and the function that finds violations.

Of a fact that several files state, one comparison finds which of the statements is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from operator import eq
from typing import Any

from posezoo.core.values import frozen
from posezoo.lint.finding import Place, RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView

FindViolations = Callable[[ModelView], Violations]


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


#: Whether two values of a fact agree; the order of the arguments does not matter.
Agree = Callable[[Any, Any], bool]


@frozen
class FactStatement:
    """What one place states of a fact; ``where`` continues a sentence: on the card."""

    where: str
    place: Place
    value: Any
    text: str


#: The statements of each fact, the most trusted first, with the field that violations name.
Facts = Iterable[tuple[str, Sequence[FactStatement]]]
ReadFacts = Callable[[ModelView], Facts]


def fact(
    *, agree: Agree = eq, nearly: Agree | None = None, unless: tuple[str, ...] = ()
) -> Callable[[ReadFacts], Rule]:
    """Decorator that makes a rule from a reader: of statements that do not agree, one is a
    violation, or only a warning if they ``nearly`` agree.
    """

    def decorate(read: ReadFacts) -> Rule:
        @rule(unless=unless)
        @wraps(read)
        def find(view: ModelView) -> Violations:
            for field, statements in read(view):
                contradiction = find_contradiction(statements, agree)
                if contradiction is None:
                    continue
                wrong, other = contradiction
                is_near = nearly is not None and nearly(wrong.value, other.value)
                severity = Severity.WARNING if is_near else None
                texts = (wrong.text or "nothing", other.text or "nothing")
                title = field.rpartition(".")[2]
                message = f"{title}: {texts[0]} {wrong.where}, and {texts[1]} {other.where}"
                yield RuleViolation(
                    wrong.place, message, field, wrong.text, expected=other.text, severity=severity
                )

        return find

    return decorate


def find_contradiction(
    statements: Sequence[FactStatement], agree: Agree
) -> tuple[FactStatement, FactStatement] | None:
    """The statement that most others contradict, or the last such, and the first that contradicts
    it; None if all agree.
    """
    contradicting = [
        [other for other in statements if not agree(one.value, other.value)] for one in statements
    ]
    most = max(map(len, contradicting), default=0)
    if not most:
        return None
    index = max(index for index, others in enumerate(contradicting) if len(others) == most)
    return statements[index], contradicting[index][0]


def defined_rules(namespace: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a module in their order; the argument is its ``globals()``."""
    return tuple(value for value in namespace.values() if isinstance(value, Rule))
