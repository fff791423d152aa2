"""Mean, scale and colour order: the converter's arguments, the card, and accuracy-check.yml."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.spec.reader import Node
from posezoo.verify.accuracy_check import runs_of
from posezoo.verify.claims import Numbers
from posezoo.verify.finding import Found, Place, Rule, Severity
from posezoo.verify.view import ModelView, place

#: What networks are trained with: means and divisors of ImageNet's channels, in 0..255, and their like.
CONSTANTS = (
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375),
    (123.68, 116.78, 103.94), (123.68, 116.779, 103.939),
    (127.5, 127.5, 127.5), (255.0, 255.0, 255.0), (128.0, 128.0, 128.0),
)  # fmt: skip
#: Numbers closer than this share of them are the same, written with fewer digits.
SAME = 2e-3


def _mean(view: ModelView) -> Iterator[Found]:
    yield from _held(view, "mean")


def _scale(view: ModelView) -> Iterator[Found]:
    yield from _held(view, "scale")


def _held(view: ModelView, kind: str) -> Iterator[Found]:
    """What the card says that the original needs is what the converter puts in."""
    for ends in view.claims.of("input", "original", "", "preamble"):
        declared = _declared(view, kind)
        for said in ends.means if kind == "mean" else ends.scales:
            if declared is None or _same(said.value, declared) or _is_factor(said.value):
                continue
            yield Found(
                view.on_card(said),
                f"the card's {kind} is {_text(said.value)}, model.yml's "
                f"{_text(declared) if declared else 'none'}{_why(said.value, declared)}",
                f"input.{kind}",
                _text(said.value),
                _text(declared),
            )


def _declared(view: ModelView, kind: str) -> Numbers | None:
    """What model.yml says of the only input that has any; None where that is not clear."""
    spec = view.spec
    if spec is None or not spec.inputs or spec.is_ir:
        return None
    values = {getattr(each, kind) for each in spec.inputs} - {()}
    if len(values) > 1:
        return None
    return next(iter(values), ())


def _untold(view: ModelView) -> Iterator[Found]:
    """What the converter puts in is told on the card, where the original's input is described."""
    for ends in view.claims.of("input", "original"):
        for kind, told in (("mean", ends.means), ("scale", ends.scales)):
            declared = _declared(view, kind)
            if declared and not told and ends.ports and set(declared) not in ({0.0}, {1.0}):
                if any(each.means if kind == "mean" else each.scales for each in view.claims.ends):
                    continue
                yield Found(
                    Place(str(view.card_path), ends.line),
                    f"the card tells no {kind} of the original, model.yml has {_text(declared)}",
                    f"input.{kind}",
                    "",
                    _text(declared),
                )


def _same(one: Numbers, other: Numbers) -> bool:
    if not one or not other:
        return one == other
    length = max(len(one), len(other))
    if len(one) not in (1, length) or len(other) not in (1, length):
        return False
    one, other = one * (length // len(one)), other * (length // len(other))
    return all(abs(a - b) <= SAME * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _why(one: Numbers, other: Numbers) -> str:
    if other and _same(one[::-1], other):
        return ": in the other order"
    return ""


def _text(values: Numbers) -> str:
    return ", ".join(f"{each:.7g}" for each in values)


def _reversal(view: ModelView) -> Iterator[Found]:
    """The converter turns the channels around where the two colour orders differ, and nowhere else."""
    spec = view.spec
    if spec is None or spec.is_ir or not spec.inputs:
        return
    originals = [said for ends in view.claims.of("input", "original") for said in ends.colors]
    converted = [said for ends in view.claims.of("input", "converted") for said in ends.colors]
    if len({said.value for said in originals}) != 1 or len({said.value for said in converted}) != 1:
        return
    differ = originals[0].value != converted[0].value
    reverses = any(each.reverse_input_channels for each in spec.inputs)
    if differ != reverses:
        told = f"{originals[0].value} for the original and {converted[0].value} for the converted model"
        yield Found(
            view.on_card(converted[0]),
            f"the card says {told}, and model.yml reverses {'the' if reverses else 'no'} channels",
            "input.color",
            told,
            "reversed" if reverses else "not reversed",
        )


def _evaluated_color(view: ModelView) -> Iterator[Found]:
    """accuracy-check.yml gives the network the colour order that the card says it takes."""
    for run in runs_of(view.accuracy_check):
        sides = ("converted", "") if run.is_converted else ("original",)
        told = [said for ends in view.claims.of("input", *sides) for said in ends.colors]
        if len({said.value for said in told}) == 1 and run.color and run.color != told[0].value:
            at = run.turns[-1].node if run.turns else run.dataset
            yield Found(
                place(at, view.folder),
                f"accuracy-check.yml gives pictures in {run.color} to the "
                f"{'converted' if run.is_converted else 'original'} model, the card says {told[0].value}",
                "preprocessing",
                run.color,
                told[0].value,
            )


def _evaluated_values(view: ModelView) -> Iterator[Found]:
    """accuracy-check.yml normalizes for the original as the converter does, for the IR not at all."""
    spec = view.spec
    if spec is None or spec.is_ir:
        return
    for run in runs_of(view.accuracy_check):
        normal = [step for step in run.steps if step.type == "normalization"]
        for kind in ("mean", "scale"):
            declared = _declared(view, kind)
            told = [step.mean if kind == "mean" else step.std for step in normal]
            if (
                declared is None
                or len(normal) > 1
                or (told and told[0] is None and _has(normal[0].node, kind))
            ):
                continue
            values = (told[0] if told else None) or ()
            if run.is_converted:
                if values and declared:
                    yield Found(
                        place(normal[0].node, view.folder),
                        f"accuracy-check.yml applies the {kind} {_text(values)} for the converted model, "
                        f"which has {_text(declared)} inside",
                        f"preprocessing.{kind}", _text(values), "",
                    )  # fmt: skip
            elif (values or declared) and not _same(values, declared):
                yield Found(
                    place(normal[0].node if normal else run.dataset, view.folder),
                    f"accuracy-check.yml's {kind} for the original is {_text(values) or 'none'}, model.yml's "
                    f"{_text(declared) or 'none'}",
                    f"preprocessing.{kind}", _text(values), _text(declared),
                )  # fmt: skip


def _has(node: Node, kind: str) -> bool:
    return isinstance(node.value, dict) and ("mean" if kind == "mean" else "std") in node.value


def _constants(view: ModelView) -> Iterator[Found]:
    """Means and scales are those that networks are trained with, to the digit."""
    spec = view.spec
    told = [
        (view.on_card(said), f"the card's {kind}", said.value)
        for ends in view.claims.of("input", "original", "", "preamble", "converted")
        for kind, found in (("mean", ends.means), ("scale", ends.scales))
        for said in found
    ]
    for kind, flag in (("mean", "--mean_values"), ("scale", "--scale_values")):
        argument = view.argument(flag)
        for index, each in enumerate(spec.inputs if spec is not None else ()):
            if getattr(each, kind):
                where = view.at("inputs", index, kind)
                if argument is not None:
                    where = view.at("model_optimizer_args", int(argument.node.key.strip("[]")))
                told.append((where, f"the {kind}", getattr(each, kind)))
    for where, what, values in told:
        if meant := _meant(values):
            yield Found(
                where,
                f"{what} {_text(values)} is not the usual {_text(meant)}",
                what.split()[-1],
                _text(values),
                _text(meant),
            )


def _meant(values: Numbers) -> Numbers | None:
    """The usual numbers of which all but one are here, that one being near."""
    if len(values) != 3:
        return None
    for usual in (each for constant in CONSTANTS for each in {constant, constant[::-1]}):
        off = [abs(a - b) / b for a, b in zip(values, usual, strict=True)]
        if sorted(off)[1] <= 1e-6 < max(off) < 0.05 and values not in CONSTANTS:
            return usual
    return None


def _is_factor(scale: Numbers) -> bool:
    return bool(scale) and 0 < max(scale) < 0.1


def _inverse(values: Numbers) -> Numbers:
    return tuple(1 / each for each in values if each)


def _factor(view: ModelView) -> Iterator[Found]:
    """A scale divides: one below 1 is a factor that was meant to multiply."""
    spec = view.spec
    for index, each in enumerate(spec.inputs if spec is not None else ()):
        if _is_factor(each.scale):
            yield Found(
                view.at("inputs", index, "scale"),
                f"a scale of {_text(each.scale)} divides, so that it makes the input larger; "
                f"{_text(_inverse(each.scale))} is its inverse",
                "scale",
                _text(each.scale),
                _text(_inverse(each.scale)),
            )
    for ends in view.claims.of("input", "original", "", "preamble", "converted"):
        for said in ends.scales:
            if _is_factor(said.value):
                yield Found(
                    view.on_card(said),
                    f"the card's scale {_text(said.value)} divides, so that it makes the input larger; "
                    f"a divisor of {_text(_inverse(said.value))} is meant",
                    "input.scale",
                    _text(said.value),
                    _text(_inverse(said.value)),
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
        "evaluated-color",
        Severity.ERROR,
        "accuracy-check.yml gives the network the colour order that the card says it takes.",
        "Channel order is `RGB`, and no bgr_to_rgb in the preprocessing",
        _evaluated_color,
    ),
    Rule(
        "evaluated-values",
        Severity.ERROR,
        "accuracy-check.yml normalizes for the original as the converter does, and not once more "
        "for the converted model.",
        "std: 57.12 in accuracy-check.yml, --scale_values=data[58.395]",
        _evaluated_values,
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
