"""Figures of the card against those of the index."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.lint.rules.metrics import TITLES
from posezoo.lint.text_comparison import equals_rounded, parse_numbers

#: A figure that differs by no more than this share of it was measured again, or rounded another way.
NEARLY = 2e-3
#: The same of a figure of accuracy.
NEARLY_ACCURATE = 5e-4


def _index_figures(view: ModelView) -> Iterator[RuleViolation]:
    yield from _held_against_index(view, nearly=False)


def _index_digits(view: ModelView) -> Iterator[RuleViolation]:
    yield from _held_against_index(view, nearly=True)


def _held_against_index(view: ModelView, *, nearly: bool) -> Iterator[RuleViolation]:
    """GFLOPs and MParams that differ on the card and in the index: by little, or by more."""
    for row in view.index_rows:
        for kind, title in TITLES.items():
            told, listed = view.claims.figures.get(kind), row.cells.get(kind)
            if told is None or listed is None:
                continue
            own, other = parse_numbers(told.value), parse_numbers(listed.value)
            if len(own) != 1 or not other or _is_among(own[0], other, "~" in listed.value):
                continue
            if nearly is not any(abs(each[0] - own[0][0]) <= NEARLY * own[0][0] for each in other):
                continue
            yield RuleViolation(
                view.card_location(told),
                f"the card's {title} are {told.value}, the index says {listed.value} ({row.file}:{row.line})",
                f"figures.{kind}",
                told.value,
                listed.value,
            )


def _is_among(own: tuple[float, int], others: list[tuple[float, int]], is_range: bool) -> bool:
    if is_range and len(others) == 2:
        low, high = sorted(value for value, _ in others)
        if low <= own[0] <= high:
            return True
    return any(equals_rounded(own, other) for other in others)


def _index_accuracy(view: ModelView) -> Iterator[RuleViolation]:
    yield from _accuracy_against_index(view, nearly=False)


def _index_accuracy_digits(view: ModelView) -> Iterator[RuleViolation]:
    yield from _accuracy_against_index(view, nearly=True)


def _accuracy_against_index(view: ModelView, *, nearly: bool) -> Iterator[RuleViolation]:
    """Figures of accuracy in the index that the card does not tell: nearly the same, or not at all."""
    told = [(said.value, len(said.text.partition(".")[2])) for said in view.claims.accuracy]
    for row in view.index_rows:
        listed = row.cells.get("accuracy")
        if listed is None or not told:
            continue
        missing = [
            number
            for number in parse_numbers(listed.value)
            if not any(equals_rounded(number, own) for own in told)
        ]
        near = all(
            any(abs(each[0] - own[0]) <= NEARLY_ACCURATE * each[0] for own in told) for each in missing
        )
        if missing and near is nearly:
            yield RuleViolation(
                FileLocation(row.file, row.line),
                f"the index says an accuracy of {listed.value}; the card tells "
                f"{', '.join(dict.fromkeys(said.text for said in view.claims.accuracy)) or 'none'}",
                "accuracy",
                listed.value,
                ", ".join(dict.fromkeys(said.text for said in view.claims.accuracy)),
            )


RULES: tuple[Rule, ...] = (
    Rule(
        "index-figures",
        Severity.ERROR,
        "GFLOPs and MParams are the same on the card and in the index.",
        "GFLOPs 0.037 on the card, 0.0758 in the index",
        _index_figures,
    ),
    Rule(
        "index-figures-digits",
        Severity.WARNING,
        "GFLOPs and MParams are the same on the card and in the index, to the digits that both have.",
        "GFLOPs 0.786 on the card, 0.785 in the index",
        _index_digits,
    ),
    Rule(
        "index-accuracy",
        Severity.ERROR,
        "Every figure of accuracy in the index is one that the card tells.",
        "69.04% on the card, 96.04% in the index",
        _index_accuracy,
    ),
    Rule(
        "index-accuracy-digits",
        Severity.WARNING,
        "Every figure of accuracy in the index is one of the card's, to the digits that both have.",
        "78.15% on the card, 78.17% in the index",
        _index_accuracy_digits,
    ),
)
