"""The facts that a card, model.yml, accuracy-check.yml and the index state: all must state the
same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from posezoo.cards.card_reader import to_plain_text
from posezoo.errors import SpecError
from posezoo.lint.accuracy_check_yml import AccuracyCheckRun
from posezoo.lint.card_claims import CardValue, Numbers
from posezoo.lint.facts import Agree, Statement, fact
from posezoo.lint.finding import FileLocation
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules
from posezoo.lint.rules.metrics import read_size
from posezoo.lint.rules.preprocessing_rules import (
    are_equal,
    declared_values,
    format_numbers,
    is_factor,
    is_usual,
)
from posezoo.lint.text_comparison import equals_rounded, parse_numbers, simplify
from posezoo.measured import counted_figures
from posezoo.spec.model import Framework, Precision
from posezoo.spec.yaml_nodes import YamlNode

ORIGINAL_SIDES = ("original", "", "preamble")
#: The names of the frameworks on cards. Files in ONNX's format come from any framework.
FRAMEWORKS = {name: name for name in (*Framework, "onnx")} | {
    "tensorflow": Framework.TF, "keras": Framework.TF, "tensorflowjs": Framework.TF,
}  # fmt: skip
_OTHER_COLOR = {"RGB": "BGR", "BGR": "RGB"}
#: GFLOPs and MParams that differ by less than this share were computed again or rounded
#: differently.
ROUNDING = 2e-3
#: The same for an accuracy.
ACCURACY_ROUNDING = 5e-4
#: Publishers' rules for counting GFLOPs and MParams differ a little from ours.
COUNTED = 0.02
#: A number with its number of decimal places.
Number = tuple[float, int]
#: The field and the statements of each fact.
Facts = Iterator[tuple[str, Sequence[Statement]]]


@fact(agree=are_equal)
def preprocessing(view: ModelView) -> Facts:
    """Mean and scale of the original on the card and in accuracy-check.yml are those of model.yml.

    Example: Mean values - [103.53, 116.28, 123.675], --mean_values=data[123.675,116.28,103.53]
    """
    for kind in ("mean", "scale"):
        yield f"input.{kind}", _read_values(view, kind)


def _read_values(view: ModelView, kind: str) -> list[Statement]:
    declared = declared_values(view, kind)
    if declared is None:
        return []
    argument = view.argument(f"--{kind}_values")
    place = argument.node if argument is not None else view.location("inputs")
    text = argument.value if argument is not None else format_numbers(declared)
    stated = [Statement("in model.yml", place, declared, text)]
    for section in view.claims.sections_on("input", *ORIGINAL_SIDES):
        for each in section.values[kind]:
            if not is_factor(each.value):
                stated.append(
                    Statement("on the card", view.card_location(each), each.value, each.text)
                )
    for run, values in _evaluated_values(view, kind):
        if not run.is_converted:
            text = format_numbers(values)
            stated.append(Statement("in accuracy-check.yml", _normalization(run), values, text))
    usual = [each for each in stated if is_usual(each.value)]
    # A slip may have been copied, so that a usual constant is right even if it is stated only once.
    return (
        [*usual, *(each for each in stated if each not in usual)][: len(usual) + 1]
        if usual
        else stated
    )


def _evaluated_values(view: ModelView, kind: str) -> Iterator[tuple[AccuracyCheckRun, Numbers]]:
    for run in view.runs:
        if run.normalization is not None:
            yield run, run.normalization[kind == "scale"]


def _normalization(run: AccuracyCheckRun) -> YamlNode:
    return next((node for kind, node in run.steps if kind == "normalization"), run.dataset)


@fact()
def color(view: ModelView) -> Facts:
    """The colour orders of the original and the converted model on the card and in
    accuracy-check.yml differ if the converter reverses the channels, and only then.

    Example: RGB for the original, BGR for the converted model, no --reverse_input_channels
    """
    if view.spec is None:
        return
    is_reversed = any(port.reverse_input_channels for port in view.inputs)
    stated = [*_read_colors(view, () if is_reversed else ("",))]
    for run in view.runs:
        if run.color:
            place = run.channel_swaps[-1][1] if run.channel_swaps else run.dataset
            stated.append(
                (run.side, Statement("in accuracy-check.yml", place, run.color, run.color))
            )
    change = f"with channels that model.yml {'reverses' if is_reversed else 'does not reverse'}"
    statements: list[Statement] = []
    for side, each in stated:
        if side != "converted":
            statements.append(replace(each, where=f"for the original {each.where}"))
            continue
        original = _OTHER_COLOR[each.value] if is_reversed else each.value
        statements.append(replace(each, where=f"{each.where} {change}", value=original))
    yield "input.color", statements


def _read_colors(view: ModelView, others: Sequence[str]) -> Iterator[tuple[str, Statement]]:
    """The card's colour order for the original, for the converted model, and on other sides."""
    for side in ("original", "converted", *others):
        sections = view.claims.sections_on("input", side)
        colors = [color for section in sections for color in section.colors]
        if len({color.value for color in colors}) == 1:
            value = colors[0].value
            yield side, Statement("on the card", view.card_location(colors[0]), value, value)


@fact()
def framework(view: ModelView) -> Facts:
    """The source framework on the card and in the index is the framework that model.yml declares.

    Example: Source framework: Caffe on the card, framework: tf
    """
    spec, on_card = view.spec, view.claims.metrics.get("framework")
    declared = spec.origin.framework or spec.framework if spec is not None else Framework.DLDT
    if declared in (Framework.DLDT, Framework.ONNX, Framework.TFLITE):
        return
    stated = [Statement("in model.yml", view.location("framework"), declared, declared)]
    if on_card is not None:
        text = to_plain_text(on_card.value)
        stated.append(Statement("on the card", view.card_location(on_card), simplify(text), text))
    for row in view.zoo.index.get(view.name, ()):
        if "framework" in row.cells:
            text, place = row.cells["framework"].value, FileLocation(row.file, row.line)
            stated.append(Statement("in the index", place, simplify(text), text))
    yield (
        "framework",
        [
            Statement(each.where, each.place, FRAMEWORKS[each.value], each.text)
            for each in stated
            if each.value in FRAMEWORKS
        ],
    )


def _equal_rounded(one: Sequence[Number], other: Sequence[Number]) -> bool:
    return any(equals_rounded(a, b) for a in one for b in other)


def _nearly_equal(one: Sequence[Number], other: Sequence[Number]) -> bool:
    return any(abs(a - b) <= ROUNDING * max(a, b) for a, _ in one for b, _ in other)


@fact(agree=_equal_rounded, nearly=_nearly_equal)
def index_figures(view: ModelView) -> Facts:
    """GFLOPs and MParams are the same on the card, in the index and in model.yml; a difference in
    the last digits is only a warning.

    Example: GFLOPs 0.037 on the card, 0.0758 in the index
    """
    for kind in ("gflops", "mparams"):
        yield f"figures.{kind}", _read_figures(view, kind)


def _read_figures(view: ModelView, kind: str) -> list[Statement]:
    stated = []
    for row in view.zoo.index.get(view.name, ()):
        if kind in row.cells and "~" not in row.cells[kind].value:  # a range of several models
            text, place = row.cells[kind].value, FileLocation(row.file, row.line)
            stated.append(Statement("in the index", place, parse_numbers(text), text))
    on_card = view.claims.metrics.get(kind)
    if on_card is not None and len(numbers := parse_numbers(on_card.value)) == 1:
        stated.append(Statement("on the card", view.card_location(on_card), numbers, on_card.value))
    published = getattr(view.spec.published, kind) if view.spec is not None else None
    size = read_size(view) if kind == "mparams" else None
    evidence = size.millions if size is not None and size.is_exact else published
    if evidence:
        stated.sort(
            key=lambda each: min((abs(value - evidence) for value, _ in each.value), default=0)
        )
    if published:
        text = f"{published:.9g}"
        declared = view.location("published", kind)
        stated.append(Statement("in model.yml", declared, parse_numbers(text), text))
    return [each for each in stated if each.value]


@fact(agree=lambda one, other: abs(one / other - 1) <= COUNTED)
def published_figures(view: ModelView) -> Facts:
    """The published GFLOPs and MParams are near those that were counted.

    Example: gflops: 9.9, and 5.9206 were counted
    """
    spec = view.spec
    if spec is None or spec.published.known_difference:
        return
    with suppress(SpecError):  # another rule reports it
        for counts in counted_figures(spec, Precision.FP32)[:1]:
            for kind in ("gflops", "mparams"):
                counted, published = counts.get(kind), getattr(spec.published, kind)
                if counted and published:
                    place = view.location("published", kind)
                    measured = Statement("in measured.yml", place, counted, f"{counted:g}")
                    declared = Statement("in model.yml", place, published, f"{published:g}")
                    yield f"published.{kind}", [measured, declared]


def _knows_all(same: Callable[[Number, Number], bool]) -> Agree:
    """Compares two lists: they contradict each other if each has values that the other does not
    have.
    """

    def agree(one: Sequence[Number], other: Sequence[Number]) -> bool:
        is_known = all(any(same(a, b) for b in other) for a in one)
        return is_known or all(any(same(a, b) for a in one) for b in other)

    return agree


def _is_same_accuracy(one: Number, other: Number) -> bool:
    """In any unit: fractions or percentages, millimetres or centimetres."""
    value, digits = other
    return any(
        equals_rounded(one, (value * 10.0**power, digits - power)) for power in (0, 2, -2, 1, -1)
    )


def _is_near_accuracy(one: Number, other: Number) -> bool:
    return abs(one[0] - other[0]) <= ACCURACY_ROUNDING * max(one[0], other[0])


@fact(agree=_knows_all(_is_same_accuracy), nearly=_knows_all(_is_near_accuracy))
def accuracy(view: ModelView) -> Facts:
    """The accuracy in the index and in model.yml is also on the card; a difference in the last
    digits is only a warning.

    Example: 69.04% on the card, 96.04% in the index
    """
    on_card = view.claims.accuracy
    for row in view.zoo.index.get(view.name, ()):
        if "accuracy" in row.cells:
            text = row.cells["accuracy"].value
            place = FileLocation(row.file, row.line)
            yield (
                "accuracy",
                [
                    *_state(view, on_card),
                    Statement("in the index", place, parse_numbers(text), text),
                ],
            )
    for index, claim in enumerate(view.spec.published.accuracy if view.spec is not None else ()):
        rows = [
            each for each in on_card if re.search(rf"\b{re.escape(claim.metric)}\b", each.label)
        ]
        for value in (claim.value, claim.converted):
            if value is not None:
                text, node = f"{value:.9g}", view.location("published", "accuracy", index)
                declared = Statement("in model.yml", node, parse_numbers(text), text)
                yield f"published.accuracy[{index}]", [*_state(view, rows or on_card), declared]


def _state(view: ModelView, values: Sequence[CardValue[float]]) -> list[Statement]:
    """What the card states, as a list of at most one statement."""
    numbers = [(each.value, len(each.text.partition(".")[2])) for each in values if each.value]
    text = ", ".join(dict.fromkeys(each.text for each in values))
    return (
        [Statement("on the card", view.card_location(values[0]), numbers, text)] if numbers else []
    )


RULES = defined_rules(globals())
