"""Rules that compare the metrics of the card with those of the index page."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.rules.metrics import TITLES
from posezoo.lint.text_comparison import equals_rounded, parse_numbers

#: GFLOPs and MParams that differ by a smaller share were computed again, or rounded in another way.
ROUNDING = 2e-3
#: The same for an accuracy.
ACCURACY_ROUNDING = 5e-4


@rule(
    "index-figures",
    "GFLOPs and MParams are the same on the card and in the index; a difference in the last digits is only "
    "a warning.",
    "GFLOPs 0.037 on the card, 0.0758 in the index",
)
def index_figures(view: ModelView) -> Iterator[RuleViolation]:
    for row in view.index_rows:
        for kind, title in TITLES.items():
            on_card, in_index = view.claims.metrics.get(kind), row.cells.get(kind)
            if on_card is None or in_index is None:
                continue
            own, others = parse_numbers(on_card.value), parse_numbers(in_index.value)
            if len(own) != 1 or not others or _is_listed(own[0], others, "~" in in_index.value):
                continue
            is_rounding = any(abs(value - own[0][0]) <= ROUNDING * own[0][0] for value, _ in others)
            location, place = view.card_location(on_card), f"{row.file}:{row.line}"
            message = f"{title} are {on_card.value} on the card and {in_index.value} in the index ({place})"
            severity = Severity.WARNING if is_rounding else None
            field = f"figures.{kind}"
            yield RuleViolation(location, message, field, on_card.value, in_index.value, severity)


def _is_listed(own: tuple[float, int], others: list[tuple[float, int]], is_range: bool) -> bool:
    if is_range and len(others) == 2:
        low, high = sorted(value for value, _ in others)
        if low <= own[0] <= high:
            return True
    return any(equals_rounded(own, other) for other in others)


@rule(
    "index-accuracy",
    "Every accuracy in the index stands on the card; a difference in the last digits is only a warning.",
    "69.04% on the card, 96.04% in the index",
)
def index_accuracy(view: ModelView) -> Iterator[RuleViolation]:
    on_card = [(metric.value, len(metric.text.partition(".")[2])) for metric in view.claims.accuracy]
    texts = ", ".join(dict.fromkeys(metric.text for metric in view.claims.accuracy))
    for row in view.index_rows:
        in_index = row.cells.get("accuracy")
        if in_index is None or not on_card:
            continue
        missing = [
            number
            for number in parse_numbers(in_index.value)
            if not any(equals_rounded(number, own) for own in on_card)
        ]
        if not missing:
            continue
        is_rounding = all(
            any(abs(value - own) <= ACCURACY_ROUNDING * value for own, _ in on_card) for value, _ in missing
        )
        location, severity = FileLocation(row.file, row.line), Severity.WARNING if is_rounding else None
        message = f"the accuracy is {in_index.value} in the index and {texts} on the card"
        yield RuleViolation(location, message, "accuracy", in_index.value, texts, severity)


RULES = defined_rules(globals())
