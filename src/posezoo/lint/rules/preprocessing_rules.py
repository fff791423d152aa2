"""Rules on mean, scale and colour order: the converter's arguments compared with the card."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.lint.card_claims import Numbers
from posezoo.lint.finding import Place, RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.spec.model import ColorOrder, Input

#: Usual training constants: means and divisors of ImageNet's channels in 0..255, RGB, and similar
#: values.
MEANS = ((123.675, 116.28, 103.53), (123.68, 116.78, 103.94), (123.68, 116.779, 103.939))
SCALES = ((58.395, 57.12, 57.375),)
CONSTANTS = (*MEANS, *SCALES, (127.5, 127.5, 127.5), (255.0, 255.0, 255.0), (128.0, 128.0, 128.0))
#: Numbers that differ by less than this share are equal, but written with fewer digits.
ROUNDING = 2e-3


def declared_values(view: ModelView, kind: str) -> Numbers | None:
    """The ``mean`` or ``scale`` of the only input that has one; None if unclear, or for an IR."""
    spec = view.spec
    if spec is None or not spec.inputs or spec.is_ir:
        return None
    values = {getattr(port, kind) for port in spec.inputs} - {()}
    return next(iter(values), ()) if len(values) <= 1 else None


def are_equal(one: Numbers, other: Numbers) -> bool:
    """Whether two lists are equal except for rounding; a single value is used for all channels."""
    if not one or not other:
        return one == other
    length = max(len(one), len(other))
    if len(one) not in (1, length) or len(other) not in (1, length):
        return False
    one, other = one * (length // len(one)), other * (length // len(other))
    return all(
        abs(a - b) <= ROUNDING * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True)
    )


def is_usual(values: Numbers) -> bool:
    """Whether these are usual constants, in the order RGB or BGR, perhaps computed in two steps."""
    rounded = tuple(round(value, 3) for value in values)
    return rounded in CONSTANTS or rounded[::-1] in CONSTANTS


def format_numbers(values: Numbers) -> str:
    """Numbers in the form that reports use."""
    return ", ".join(f"{value:.7g}" for value in values)


@rule()
def untold_preprocessing(view: ModelView) -> Violations:
    """A card states the mean and the scale of the original if the converter builds them in, also if
    it has no section about the original.

    Example: --mean_values=data[127.5], and no mean values on the card
    """
    for kind in ("mean", "scale"):
        declared = declared_values(view, kind)
        is_on_card = any(each.values[kind] for each in view.claims.ports)
        if not declared or set(declared) in ({0.0}, {1.0}) or is_on_card:
            continue
        sections = view.claims.sections_on("input", "original") or view.claims.sections_on(
            "input", ""
        )
        for section in sections:
            if section.ports:
                expected = format_numbers(declared)
                location = view.card_line(section.line)
                message = f"the card states no {kind} for the original; model.yml has {expected}"
                yield RuleViolation(location, message, f"input.{kind}", "", expected)


@rule()
def untold_color(view: ModelView) -> Violations:
    """A card states the colour order of images with three channels, and none for images with one.

    Example: shape `1, 3, 224, 224`, format `B, C, H, W`, and neither RGB nor BGR
    """
    sections = [section for section in view.claims.ports if section.kind == "input"]
    colors = [color.value for section in sections for color in section.colors]
    stated = ", ".join(dict.fromkeys(colors))
    ports = [port for section in sections for port in section.ports]
    shapes = {port.sizes["C"]: port.shape for port in ports if {*"CHW"} <= port.sizes.keys()}
    shape = next(iter(shapes.values()), None)
    is_wrong = shapes.keys() == {1} if stated else 3 in shapes
    if shape is None or not is_wrong:
        return
    expected = "" if stated else "RGB or BGR"
    message = f"the card's colour order is {stated or 'not stated'}, and the input is {shape.text}"
    yield RuleViolation(view.card_location(shape), message, "input.color", stated, expected)


def _stated_values(view: ModelView) -> Iterator[tuple[Place, str, Numbers, str]]:
    """Every mean and scale of the card and of model.yml: its place, ``mean`` or ``scale``, and its
    text.
    """
    for section in view.claims.sections_on("input", "original", "", "preamble", "converted"):
        for kind, values in section.values.items():
            yield from ((view.card_location(each), kind, each.value, each.text) for each in values)
    for kind in ("mean", "scale"):
        argument = view.argument(f"--{kind}_values")
        for index, port in enumerate(view.inputs):
            values = getattr(port, kind)
            place = argument.node if argument is not None else view.location("inputs", index, kind)
            yield (
                place,
                kind,
                values,
                argument.value if argument is not None else format_numbers(values),
            )


@rule()
def unusual_constant(view: ModelView) -> Violations:
    """Means and scales are those that networks are trained with, in every digit: a slip costs
    accuracy and is hard to notice.

    Example: [58.624, 57.12, 57.375], where 58.395 is meant
    """
    orders = [order for constant in CONSTANTS for order in (constant, constant[::-1])]
    for place, kind, values, actual in _stated_values(view):
        if len(values) != 3 or values in CONSTANTS:
            continue
        for usual in orders:
            # Only one number differs, by less than 5 %.
            differences = sorted(abs(a - b) / b for a, b in zip(values, usual, strict=True))
            if differences[1] <= 1e-6 < differences[2] < 0.05:
                expected = format_numbers(usual)
                message = f"the {kind} {actual} is not the usual {expected}"
                yield RuleViolation(place, message, kind, actual, expected)
                break


@rule()
def channel_values(view: ModelView) -> Violations:
    # The inputs of one of our networks are compared with those of the network.
    """A declared mean and scale are for values from 0 to 255, in the colour order of the network,
    and have not changed places.

    Example: color: BGR, mean: [123.675, 116.28, 103.53], which is the order of RGB
    """
    has_network = view.spec is not None and view.spec.network is not None
    for index, port in enumerate(() if has_network else view.inputs):
        problem = _find_channel_problem(port) if len(port.mean or port.scale) == 3 else ""
        if problem:
            actual = f"{format_numbers(port.mean)} / {format_numbers(port.scale)}"
            yield view.declared(
                f"inputs[{index}].mean", f"mean and scale are {actual}: {problem}", actual
            )


def _find_channel_problem(port: Input) -> str:
    if any(port.mean) and max(port.mean) <= 1:
        return "a mean from 0 to 1 is of values that were divided by 255"
    if port.scale and max(port.scale) < 1 and not is_factor(port.scale):
        return "a scale below 1 is of values that were divided by 255"
    if port.scale in MEANS or port.scale[::-1] in MEANS or (port.mean and max(port.mean) > 200):
        return "they have changed places"
    step = 1 if port.color is ColorOrder.BGR else -1
    is_other_order = any(values[::step] in MEANS + SCALES for values in (port.mean, port.scale))
    if port.color is not None and is_other_order:
        return f"their order is not that of {port.color}"
    return ""


@rule()
def factor(view: ModelView) -> Violations:
    """A scale divides: one far below 1 is a factor that was meant to multiply.

    Example: scale: 0.00390625 (1/256), where 256 is meant
    """
    for place, kind, values, actual in _stated_values(view):
        if kind == "scale" and is_factor(values):
            inverse = format_numbers(tuple(1 / value for value in values if value))
            message = (
                f"a scale of {actual} divides, which makes the input larger; did you mean"
                f" {inverse}?"
            )
            field = "input.scale" if place.file == str(view.card_path) else "scale"
            yield RuleViolation(place, message, field, actual, inverse)


def is_factor(scale: Numbers) -> bool:
    """Whether a scale is so small that it was meant to multiply."""
    return bool(scale) and 0 < max(scale) < 0.1


RULES = defined_rules(globals())
