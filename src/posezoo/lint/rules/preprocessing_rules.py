"""Rules on mean, scale and colour order: model.yml, card and accuracy-check.yml state the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from math import isclose

from posezoo.core.declarations.channel_values import (
    CONSTANTS,
    explain_channel_values,
    format_numbers,
    is_factor,
    is_usual,
)
from posezoo.core.declarations.model import Input
from posezoo.lint.accuracy_check_yml import by_channel
from posezoo.lint.card_claims import CardValue, Numbers, Shape
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import USUAL_SHARE, ModelView
from posezoo.lint.rule import Facts, FactStatement, fact, rule

#: Numbers that differ by less than this share are equal, but written with fewer digits.
ROUNDING = 2e-3
ORIGINAL_SIDES = ("original", "", "preamble")
_OTHER_COLOR = {"RGB": "BGR", "BGR": "RGB"}
#: How a finding ends about a value that may be right.
RIGHT = "; if it is right, say why in published.known_difference"
#: In a registry with fewer models, none is unusual.
MANY = 10


def declared_values(view: ModelView, kind: str) -> Numbers | None:
    """The ``mean`` or ``scale`` of the only input that has one; None if unclear, or for an IR."""
    spec = view.spec
    if not spec.inputs or spec.is_ir:
        return None
    values = {getattr(port, kind) for port in spec.inputs} - {()}
    if len(values) > 1:
        return None
    return next(iter(values), ())


def are_equal(one: Numbers, other: Numbers) -> bool:
    """Whether two lists are equal except for rounding; a single value is used for all channels."""
    if not one or not other:
        return one == other
    if len(one) != len(other) and 1 not in (len(one), len(other)):
        return False
    return all(isclose(a, b, rel_tol=ROUNDING) for a, b in by_channel(one, other))


@rule()
def untold_preprocessing(view: ModelView) -> Violations:
    """A card states the mean and the scale of the original if the converter builds them in, also if
    it has no section about the original.

    Example: --mean_values=data[127.5], and no mean values on the card
    """
    for kind in ("mean", "scale"):
        declared = declared_values(view, kind) or ()
        is_on_card = any(each.values[kind] for each in view.claims.ports)
        if is_on_card or {*declared} in (set(), {0.0}, {1.0}):
            continue
        expected = format_numbers(declared)
        message = f"the card states no {kind} for the original; model.yml has {expected}"
        claims = view.claims
        for section in claims.sections_on("input", "original") or claims.sections_on("input", ""):
            if section.ports:
                location = view.card_line(section.line)
                yield RuleViolation(location, message, f"input.{kind}", expected=expected)


@rule()
def untold_color(view: ModelView) -> Violations:
    """A card states the colour order of images with three channels, and none for images with one.

    Example: shape `1, 3, 224, 224`, format `B, C, H, W`, and neither RGB nor BGR
    """
    sections = [section for section in view.claims.ports if section.kind == "input"]
    colors = [color.value for section in sections for color in section.values["color"]]
    order = ", ".join(dict.fromkeys(colors))
    shapes: dict[int | str, CardValue[Shape]] = {}
    for port in view.claims.ports_on("input", "original", "", "preamble", "converted"):
        letters = port.format.value
        if {*"CHW"} <= {*letters} and len(letters) == len(port.shape.value):
            shapes.setdefault(port.shape.value[letters.index("C")], port.shape)
    if not (shapes.keys() == {1} if order else 3 in shapes):
        return
    shape = next(iter(shapes.values()))
    expected = "" if order else "RGB or BGR"
    message = f"the card's colour order is {order or 'not stated'}, and the input is {shape.text}"
    yield RuleViolation(view.card_location(shape), message, "input.color", order, expected=expected)


@rule()
def unusual_constant(view: ModelView) -> Violations:
    """Means and scales are values with which networks are trained, in every digit: a typing mistake
    costs accuracy and is hard to notice. A model with published: {known_difference: ...} may have
    its own. A scale divides: a value far below 1 was meant to multiply.

    Example: [58.624, 57.12, 57.375], where 58.395 is meant
    """
    for kind in ("mean", "scale"):
        statements = [*_read_card(view, kind, *ORIGINAL_SIDES, "converted")]
        for index, port in enumerate(view.inputs):
            statements.append(
                _read_declared(view, kind, getattr(port, kind), "inputs", index, kind)
            )
        for each in statements:
            is_inverse = kind == "scale" and is_factor(each.value)
            expected = () if view.reasons else _find_intended(each.value)
            if is_inverse:
                expected = tuple(1 / value for value in each.value if value)
            if expected:
                text = format_numbers(expected)
                message = f"the {kind} {each.text} is not the usual {text}{RIGHT}"
                if is_inverse:
                    message = f"a scale of {each.text} divides; did you mean {text}?"
                yield RuleViolation(each.place, message, kind, each.text, expected=text)


def _read_declared(view: ModelView, kind: str, values: Numbers, *keys: str | int) -> FactStatement:
    argument = view.argument(f"--{kind}_values")
    if argument:
        return FactStatement("in model.yml", argument.node, values, argument.value)
    return FactStatement("in model.yml", view.location(*keys), values, format_numbers(values))


def _find_intended(values: Numbers) -> Numbers:
    """The usual constant of which only one number differs, by less than 5 %; empty if none."""
    if len(values) != 3 or values in CONSTANTS:
        return ()
    orders = chain.from_iterable((constant, constant[::-1]) for constant in CONSTANTS)
    for usual in orders:
        differences = sorted(abs(a - b) / b for a, b in zip(values, usual, strict=True))
        if differences[1] <= 1e-6 < differences[2] < 0.05:
            return usual
    return ()


@rule()
def channel_values(view: ModelView) -> Violations:
    """A declared mean and scale are for values from 0 to 255, in the colour order of the network,
    and are not exchanged.

    Example: color: BGR, mean: [123.675, 116.28, 103.53], which is the order of RGB
    """
    for index, port in enumerate(view.inputs):
        problem = ""
        if len(port.mean or port.scale) == 3:
            problem = explain_channel_values(port.mean, port.scale, port.color)
        if problem:
            actual = f"{format_numbers(port.mean)} / {format_numbers(port.scale)}"
            message = f"mean and scale are {actual}: {problem}"
            yield view.declared(f"inputs[{index}].mean", message, actual)


@rule(unless=("channel-values",))
def reversed_channels(view: ModelView) -> Violations:
    """The IR of a model takes images in the same colour order as the IR of almost all models of the
    registry: a camera gives BGR, so a network for RGB has reverse_input_channels.

    Example: color: RGB without reverse_input_channels, in a registry whose IR take BGR
    """
    orders = view.zoo.group(_read_ir_colors)
    for index, port in enumerate(view.inputs if view.is_native else ()):
        if port.color not in _OTHER_COLOR:
            continue
        taken = _ir_color(port)
        others = len(orders[_OTHER_COLOR[taken]])
        if others < MANY or others < USUAL_SHARE * (others + len(orders[taken])):
            continue
        expected = "false" if port.reverse_input_channels else "true"
        message = (
            f"the IR takes {taken}, and that of {others} others {_OTHER_COLOR[taken]}:"
            f" did you mean reverse_input_channels: {expected}?"
        )
        yield view.declared(f"inputs[{index}].color", message, str(port.color), expected)


def _read_ir_colors(view: ModelView) -> Iterator[tuple[str, str]]:
    for port in view.inputs if view.is_native else ():
        if port.color in _OTHER_COLOR:
            yield _ir_color(port), view.name


def _ir_color(port: Input) -> str:
    color = str(port.color)
    return _OTHER_COLOR[color] if port.reverse_input_channels else color


@fact(agree=are_equal, unless=("unusual-constant",))
def preprocessing(view: ModelView) -> Facts:
    """Mean and scale of the original on the card and in accuracy-check.yml are those of model.yml.

    Example: Mean values - [103.53, 116.28, 123.675], --mean_values=data[123.675,116.28,103.53]
    """
    for kind in ("mean", "scale"):
        yield f"input.{kind}", _read_values(view, kind)


def _read_values(view: ModelView, kind: str) -> list[FactStatement]:
    declared = declared_values(view, kind)
    if declared is None:
        return []
    statements = [_read_declared(view, kind, declared, "inputs")]
    on_card = _read_card(view, kind, *ORIGINAL_SIDES)
    statements += [each for each in on_card if not is_factor(each.value)]
    for run in view.runs:
        if run.normalization is not None and not run.is_converted:
            values = run.normalization[kind == "scale"]
            steps = (node for step, node in run.steps if step == "normalization")
            place = next(steps, run.dataset)
            text = format_numbers(values)
            statements.append(FactStatement("in accuracy-check.yml", place, values, text))
    # A slip may have been copied, so that a usual constant is right even if it is stated only once.
    num_usual = sum(is_usual(each.value) for each in statements)
    if not num_usual:
        return statements
    statements.sort(key=lambda each: is_usual(each.value), reverse=True)
    return statements[: num_usual + 1]


def _read_card(view: ModelView, kind: str, *sides: str) -> Iterator[FactStatement]:
    for section in view.claims.sections_on("input", *sides):
        for each in section.values[kind]:
            yield FactStatement("on the card", view.card_location(each), each.value, each.text)


@fact()
def color(view: ModelView) -> Facts:
    """The colour orders of the original and the converted model on the card and in
    accuracy-check.yml differ if the converter reverses the channels, and only then.

    Example: RGB for the original, BGR for the converted model, no --reverse_input_channels
    """
    if not view.variants:
        return
    verb = "does not reverse"
    sides = ["original", "converted", ""]
    originals: Mapping[str, str] = {}  # the other colour orders of the original
    if any(port.reverse_input_channels for port in view.inputs):
        verb = "reverses"
        sides.remove("")
        originals = _OTHER_COLOR
    colors = []
    for side in sides:
        sections = view.claims.sections_on("input", side)
        stated = [value for section in sections for value in section.values["color"]]
        if len({value.value for value in stated}) == 1:
            order = stated[0].value
            place = view.card_location(stated[0])
            colors.append((side, FactStatement("on the card", place, order, order)))
    for run in view.runs:
        if run.color:
            _, node = [("", run.dataset), *run.channel_swaps][-1]
            each = FactStatement("in accuracy-check.yml", node, run.color, run.color)
            colors.append((run.side, each))
    statements = []
    for side, each in colors:
        where = f"for the original {each.where}"
        color = each.value
        if side == "converted":
            where = f"{each.where} with channels that model.yml {verb}"
            color = originals.get(color, color)
        statements.append(replace(each, where=where, value=color))
    yield "input.color", statements
