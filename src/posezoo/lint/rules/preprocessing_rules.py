"""Mean, scale and colour order: the converter's arguments, the card, and accuracy-check.yml."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.lint.card_claims import Numbers
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule

#: What networks are trained with: means and divisors of ImageNet's channels, in 0..255, and their like.
CONSTANTS = (
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375),
    (123.68, 116.78, 103.94), (123.68, 116.779, 103.939),
    (127.5, 127.5, 127.5), (255.0, 255.0, 255.0), (128.0, 128.0, 128.0),
)  # fmt: skip
#: Numbers closer than this share of them are the same, written with fewer digits.
SAME = 2e-3


def _mean(view: ModelView) -> Iterator[RuleViolation]:
    yield from _held(view, "mean")


def _scale(view: ModelView) -> Iterator[RuleViolation]:
    yield from _held(view, "scale")


def _held(view: ModelView, kind: str) -> Iterator[RuleViolation]:
    """What the card says that the original needs is what the converter puts in."""
    for ends in view.claims.select_ports("input", "original", "", "preamble"):
        requested = declared_values(view, kind)
        for said in ends.means if kind == "mean" else ends.scales:
            if requested is None or are_equal(said.value, requested) or _is_factor(said.value):
                continue
            yield RuleViolation(
                view.card_location(said),
                f"the card's {kind} is {format_numbers(said.value)}, model.yml's "
                f"{format_numbers(requested) if requested else 'none'}{_why(said.value, requested)}",
                f"input.{kind}",
                format_numbers(said.value),
                format_numbers(requested),
            )


def declared_values(view: ModelView, kind: str) -> Numbers | None:
    """What model.yml says of the only input that has any; None where that is not clear."""
    spec = view.spec
    if spec is None or not spec.inputs or spec.is_ir:
        return None
    values = {getattr(port, kind) for port in spec.inputs} - {()}
    if len(values) > 1:
        return None
    return next(iter(values), ())


def _untold(view: ModelView) -> Iterator[RuleViolation]:
    """What the converter puts in is told on the card, where the original's input is described."""
    for ends in view.claims.select_ports("input", "original"):
        for kind, told in (("mean", ends.means), ("scale", ends.scales)):
            requested = declared_values(view, kind)
            if requested and not told and ends.ports and set(requested) not in ({0.0}, {1.0}):
                if any(end.means if kind == "mean" else end.scales for end in view.claims.ends):
                    continue
                yield RuleViolation(
                    FileLocation(str(view.card_path), ends.line),
                    f"the card tells no {kind} of the original, model.yml has {format_numbers(requested)}",
                    f"input.{kind}",
                    "",
                    format_numbers(requested),
                )


def are_equal(one: Numbers, other: Numbers) -> bool:
    """Whether two lists say the same, one value for all channels or one for each; rounding apart."""
    if not one or not other:
        return one == other
    length = max(len(one), len(other))
    if len(one) not in (1, length) or len(other) not in (1, length):
        return False
    one, other = one * (length // len(one)), other * (length // len(other))
    return all(abs(a - b) <= SAME * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _why(one: Numbers, other: Numbers) -> str:
    if other and are_equal(one[::-1], other):
        return ": in the other order"
    return ""


def format_numbers(values: Numbers) -> str:
    """Numbers as they are told."""
    return ", ".join(f"{each:.7g}" for each in values)


def _reversal(view: ModelView) -> Iterator[RuleViolation]:
    """The converter turns the channels around where the two colour orders differ, and nowhere else."""
    spec = view.spec
    if spec is None or spec.is_ir or not spec.inputs:
        return
    originals = [said for ends in view.claims.select_ports("input", "original") for said in ends.colors]
    converted = [said for ends in view.claims.select_ports("input", "converted") for said in ends.colors]
    if len({said.value for said in originals}) != 1 or len({said.value for said in converted}) != 1:
        return
    differ = originals[0].value != converted[0].value
    reverses = any(port.reverse_input_channels for port in spec.inputs)
    if differ != reverses:
        told = f"{originals[0].value} for the original and {converted[0].value} for the converted model"
        yield RuleViolation(
            view.card_location(converted[0]),
            f"the card says {told}, and model.yml reverses {'the' if reverses else 'no'} channels",
            "input.color",
            told,
            "reversed" if reverses else "not reversed",
        )


def _constants(view: ModelView) -> Iterator[RuleViolation]:
    """Means and scales are those that networks are trained with, to the digit."""
    spec = view.spec
    told = [
        (view.card_location(said), f"the card's {kind}", said.value)
        for ends in view.claims.select_ports("input", "original", "", "preamble", "converted")
        for kind, found in (("mean", ends.means), ("scale", ends.scales))
        for said in found
    ]
    for kind, flag in (("mean", "--mean_values"), ("scale", "--scale_values")):
        argument = view.argument(flag)
        for index, each in enumerate(spec.inputs if spec is not None else ()):
            if getattr(each, kind):
                where = view.location("inputs", index, kind)
                if argument is not None:
                    where = view.location("model_optimizer_args", int(argument.node.key.strip("[]")))
                told.append((where, f"the {kind}", getattr(each, kind)))
    for where, what, values in told:
        if meant := _meant(values):
            yield RuleViolation(
                where,
                f"{what} {format_numbers(values)} is not the usual {format_numbers(meant)}",
                what.split()[-1],
                format_numbers(values),
                format_numbers(meant),
            )


def _meant(values: Numbers) -> Numbers | None:
    """The usual numbers of which all but one are here, that one being near."""
    if len(values) != 3:
        return None
    for default in (each for constant in CONSTANTS for each in {constant, constant[::-1]}):
        off = [abs(a - b) / b for a, b in zip(values, default, strict=True)]
        if sorted(off)[1] <= 1e-6 < max(off) < 0.05 and values not in CONSTANTS:
            return default
    return None


def _is_factor(scale: Numbers) -> bool:
    return bool(scale) and 0 < max(scale) < 0.1


def _inverse(values: Numbers) -> Numbers:
    return tuple(1 / each for each in values if each)


def _factor(view: ModelView) -> Iterator[RuleViolation]:
    """A scale divides: one below 1 is a factor that was meant to multiply."""
    spec = view.spec
    for index, each in enumerate(spec.inputs if spec is not None else ()):
        if _is_factor(each.scale):
            yield RuleViolation(
                view.location("inputs", index, "scale"),
                f"a scale of {format_numbers(each.scale)} divides: it makes the input larger; "
                f"{format_numbers(_inverse(each.scale))} is its inverse",
                "scale",
                format_numbers(each.scale),
                format_numbers(_inverse(each.scale)),
            )
    for ends in view.claims.select_ports("input", "original", "", "preamble", "converted"):
        for said in ends.scales:
            if _is_factor(said.value):
                yield RuleViolation(
                    view.card_location(said),
                    f"the card's scale {format_numbers(said.value)} divides, "
                    f"so that it makes the input larger; "
                    f"a divisor of {format_numbers(_inverse(said.value))} is meant",
                    "input.scale",
                    format_numbers(said.value),
                    format_numbers(_inverse(said.value)),
                )


RULES: tuple[Rule, ...] = (
    Rule(
        "mean",
        Severity.ERROR,
        "The mean that the card tells of the original is the one that the converter puts in.",
        "Mean values - [103.53, 116.28, 123.675], --mean_values=data[123.675,116.28,103.53]",
        _mean,
    ),
    Rule(
        "scale",
        Severity.ERROR,
        "The scale that the card tells of the original is the one that the converter puts in.",
        "scale values - [58.395, 57.12, 57.375], --scale_values=data[58.624,57.12,57.375]",
        _scale,
    ),
    Rule(
        "untold-preprocessing",
        Severity.ERROR,
        "A card tells mean and scale of the original where the converter puts some in.",
        "--mean_values=data[127.5], and no mean values on the card",
        _untold,
    ),
    Rule(
        "reversal",
        Severity.ERROR,
        "The converter turns the channels around where the two colour orders differ, and nowhere else.",
        "RGB for the original, BGR for the converted model, no --reverse_input_channels",
        _reversal,
    ),
    Rule(
        "unusual-constant",
        Severity.ERROR,
        "Means and scales are those that networks are trained with, to the digit: a slip costs "
        "accuracy that nobody misses.",
        "[58.624, 57.12, 57.375], where 58.395 is meant",
        _constants,
    ),
    Rule(
        "factor",
        Severity.ERROR,
        "A scale divides: one far below 1 is a factor that was meant to multiply.",
        "scale: 0.00390625 (1/256), where 256 is meant",
        _factor,
    ),
)
