"""Names, shapes and layouts of what goes in and comes out: model.yml against the card, and each in itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from posezoo.lint.card_claims import CardPort, CardPorts, CardValue, Shape
from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.lint.rules.converter_arguments import exported_shape
from posezoo.spec.model import Framework, Input

#: Letters that mean the same in cards and in layouts.
_LETTERS = {"B": "N", "CH": "C", "CN": "C"}
#: x:0, 0:x, x/sink_port_0, x/placeholder_port_0, x/placeholder_out_port_0
_PORT = re.compile(r"^[0-9]{1,3}:|:[0-9]{1,3}$|/(?:sink|placeholder|placeholder_out)_port_[0-9]{1,3}$")
#: How many channels a picture has, where it has several.
_IMAGE_CHANNELS = (3,)


def _input_names(view: ModelView) -> Iterator[RuleViolation]:
    """The card calls the inputs of the original as model.yml does."""
    spec = view.spec
    declared = [port.name for port in spec.inputs if port.name] if spec is not None else []
    yield from _names(view, "input", declared)


def _output_names(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    declared = [output.name for output in spec.outputs if output.name] if spec is not None else []
    yield from _names(view, "output", declared)


def _names(view: ModelView, kind: str, declared: list[str]) -> Iterator[RuleViolation]:
    sides = [
        [
            port.name
            for ends in view.claims.select_ports(kind, side)
            for port in ends.ports
            if port.name is not None
        ]
        for side in ("original", "converted", "")
    ]
    requested = {base_name(name) for name in declared}
    told = [said for side in sides for said in side]
    alike = not _are_renamed(view, kind)
    for side in filter(None, sides) if alike else [told]:
        names = {base_name(said.value) for said in side}
        missing = [name for name in declared if not _is_told(base_name(name), names)]
        if not alike and kind == "output":
            missing = [name for name in missing if get_close_matches(base_name(name), names, cutoff=0.9)]
        if not missing or not side:
            continue
        said = next((said for said in side if base_name(said.value) not in requested), side[0])
        yield RuleViolation(
            view.card_location(said),
            f"the card tells of no {kind} {', '.join(missing)}, which model.yml names; it tells of "
            f"{', '.join(dict.fromkeys(each.value for each in side))}",
            f"{kind}.name",
            said.value,
            ", ".join(missing),
        )
        return


def _is_told(name: str, names: set[str]) -> bool:
    """Whether a name is among others, of which one may stand for many: state_*."""
    return name in names or any("*" in each and fnmatchcase(name, each) for each in names)


def _are_renamed(view: ModelView, kind: str) -> bool:
    """Whether the converter may give other names than the original's, and the card knows of both.

    It does so where it replaces parts of a network, and where it cuts one off inside.
    """
    return (
        view.argument("--transformations_config") is not None
        or (view.spec is not None and view.spec.framework is Framework.TF)
        or any(
            ":" in name
            for argument in view.arguments
            if argument.flag == f"--{kind}"
            for name in [argument.value]
        )
    ) and _differ(view, kind)


def _differ(view: ModelView, kind: str) -> bool:
    original, converted = (
        {
            base_name(port.name.value)
            for ends in view.claims.select_ports(kind, side)
            for port in ends.ports
            if port.name is not None
        }
        for side in ("original", "converted")
    )
    return bool(original and converted) and original != converted


def base_name(name: str) -> str:
    """A tensor's name without the number of the node's port, however that is written."""
    return _PORT.sub("", name.replace("\\", "").strip("\"'"))


def _shapes(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    for declared in spec.inputs if spec is not None else ():
        declared = replace(declared, shape=declared.shape or _exported_shape(view))
        if not declared.shape:
            continue
        for side in ("original", "", "preamble", "converted"):
            for ends in view.claims.select_ports("input", side):
                port = _port_of(declared, ends, len(spec.inputs) if spec else 0)
                if port is None or port.shape is None:
                    continue
                if not _is_shape(
                    declared.shape, port.shape.value, turned=side in ("converted", "preamble", "")
                ):
                    yield RuleViolation(
                        view.card_location(port.shape),
                        f"the card gives {declared.name or 'the input'} of the {side or 'model'} the shape "
                        f"{_text(port.shape.value)}, model.yml {_text(declared.shape)}",
                        "input.shape",
                        _text(port.shape.value),
                        _text(declared.shape),
                    )


def _exported_shape(view: ModelView) -> tuple[int, ...]:
    """The shape of the only input of the export to ONNX, which a converter that is told no other keeps."""
    shape = exported_shape(view)
    if shape is None or shape.value.count("[") > 1 or view.argument("--input_shape") is not None:
        return ()
    return tuple(int(size) for size in re.findall(r"-?[0-9]{1,9}", shape.value))


def _output_shapes(view: ModelView) -> Iterator[RuleViolation]:
    """The card gives an output the shape that model.yml declares."""
    spec = view.spec
    declared = (
        {output.name: output.shape for output in spec.outputs if output.shape} if spec is not None else {}
    )
    for ends in view.claims.select_ports("output", "converted", ""):
        for port in ends.ports:
            shape = declared.get(base_name(port.name.value)) if port.name is not None else None
            if shape and port.shape is not None and not _is_shape(shape, port.shape.value, turned=False):
                one, two = _text(port.shape.value), _text(shape)
                message = (
                    f"the card gives {port.name.value if port.name else ''} the shape {one}, model.yml {two}"
                )
                yield RuleViolation(view.card_location(port.shape), message, "output.shape", one, two)


def _port_of(declared: Input, ends: CardPorts, count: int) -> CardPort | None:
    named = [port for port in ends.ports if port.name is not None and port.name.value == declared.name]
    if named:
        return named[0]
    return ends.ports[0] if len(ends.ports) == 1 and count == 1 else None


def _is_shape(declared: tuple[int, ...], told: Shape, *, turned: bool) -> bool:
    if len(declared) == len(told) + 1 and declared[0] in (1, -1):
        declared = declared[1:]  # of one picture
    if len(declared) != len(told):
        return False
    orders = [tuple(range(len(declared)))]
    if turned and len(declared) > 2:
        # Converters put the channels behind the batch, or leave them where they were.
        last = len(declared) - 1
        orders += [(0, last, *range(1, last)), (0, *range(2, last + 1), 1)]
    return any(_fits([declared[index] for index in order], told) for order in orders)


def _fits(sizes: list[int], told: Shape) -> bool:
    return all(
        size == -1 or isinstance(each, str) or each in (size, -1)
        for size, each in zip(sizes, told, strict=True)
    )


def _text(shape: Shape | tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _sides(view: ModelView) -> Iterator[RuleViolation]:
    """The original and the converted model take the same sizes, if in another order."""
    for kind in ("input", "output"):
        originals, converted = (
            _by_name(view.claims.select_ports(kind, side)) for side in ("original", "converted")
        )
        for name, shape in converted.items():
            other = originals.get(name)
            if other is None or (kind == "output" and len(other.value) != len(shape.value)):
                continue
            sizes = [sorted(each for each in said.value if isinstance(each, int)) for said in (other, shape)]
            if (
                len(sizes[0]) == len(other.value)
                and len(sizes[1]) == len(shape.value)
                and sizes[0] != sizes[1]
            ):
                yield RuleViolation(
                    view.card_location(shape),
                    f"the card gives {name} the shape {_text(shape.value)} in the converted model and "
                    f"{_text(other.value)} in the original",
                    f"{kind}.shape",
                    _text(shape.value),
                    _text(other.value),
                )


def _by_name(ends: Iterable[CardPorts]) -> dict[str, CardValue[Shape]]:
    """The shapes of what has a name of its own."""
    named = [(port.name.value, port.shape) for end in ends for port in end.ports if port.name]
    counts = Counter(name for name, _ in named)
    return {name: shape for name, shape in named if shape is not None and counts[name] == 1}


def _formats(view: ModelView) -> Iterator[RuleViolation]:
    """A format has as many letters as the shape has sizes, and the channels where it says."""
    for ends in view.claims.ends:
        for port in ends.ports:
            if port.shape is None or port.format is None or not _is_format(port.format.value):
                continue
            reason = _why_not_laid_out(port.shape.value, port.format.value, ends.kind)
            if reason:
                yield RuleViolation(
                    view.card_location(port.format),
                    f"the card's format {_text(port.format.value)} does not go with the shape "
                    f"{_text(port.shape.value)}: {reason}",
                    f"{ends.kind}.format",
                    _text(port.format.value),
                    _text(port.shape.value),
                )


def _is_format(dimension_names: Shape) -> bool:
    """Whether each is a letter or a size, and not a coordinate's name."""
    return all(isinstance(letter, int) or len(letter) == 1 for letter in dimension_names)


def _why_not_laid_out(shape: Shape, dimension_names: Shape, kind: str) -> str:
    if len(shape) != len(dimension_names):
        return f"{len(dimension_names)} dimensions, and {len(shape)}"
    for size, letter in zip(shape, dimension_names, strict=True):
        if isinstance(letter, int) and isinstance(size, int) and size != letter:
            return f"{letter} is not {size}"
    if kind == "input" and {"C", "H", "W"} <= set(dimension_names):
        channels = shape[dimension_names.index("C")]
        others = [size for size, letter in zip(shape, dimension_names, strict=True) if letter in ("H", "W")]
        if isinstance(channels, int) and channels > 4 and any(size in _IMAGE_CHANNELS for size in others):
            return f"C would be {channels}"
    return ""


def _layouts(view: ModelView) -> Iterator[RuleViolation]:
    """The layout that model.yml declares goes with its shape, and with the card's format."""
    spec = view.spec
    for index, declared in enumerate(spec.inputs if spec is not None else ()):
        if not declared.layout:
            continue
        where = (
            view.location("input_info", index, "layout")
            if view.node("input_info")
            else view.location("inputs", index, "layout")
        )
        if declared.shape and (reason := _why_not_laid_out(declared.shape, tuple(declared.layout), "input")):
            yield RuleViolation(
                where,
                f"the layout {declared.layout} does not go with the shape {_text(declared.shape)}: {reason}",
                "layout",
                declared.layout,
                _text(declared.shape),
            )
            continue
        for ends in view.claims.select_ports("input", "original", "converted", ""):
            port = _port_of(declared, ends, len(spec.inputs) if spec else 0)
            if port is None or port.format is None or ends.side == "original":
                continue
            dimension_names = "".join(_LETTERS.get(str(each), str(each)) for each in port.format.value)
            known = sorted(dimension_names) == sorted(declared.layout)
            if known and dimension_names not in (declared.layout, declared.ir_layout):
                yield RuleViolation(
                    view.card_location(port.format),
                    f"the card's format is {dimension_names}, model.yml's layout {declared.layout}",
                    "input.format",
                    dimension_names,
                    declared.layout,
                )


RULES = (
    Rule(
        "input-name",
        Severity.ERROR,
        "The card calls the inputs as the converter is told to: a user asks for them by name.",
        "name - `prob` among the inputs, --input=data",
        _input_names,
    ),
    Rule(
        "output-name",
        Severity.ERROR,
        "The card calls the outputs as the converter is told to: a user asks for them by name.",
        "name - `prob` on the card, --output=softmax",
        _output_names,
    ),
    Rule(
        "input-shape",
        Severity.ERROR,
        "The card gives an input the shape that the converter gives it, its channels before or behind.",
        "shape - `1, 3, 300, 300` on the card, --input_shape=[1,3,224,224]",
        _shapes,
    ),
    Rule(
        "output-shape",
        Severity.ERROR,
        "The card gives an output the shape that model.yml declares.",
        "shape: [1, 17, 64, 48], and `1, 17, 48, 64` on the card",
        _output_shapes,
    ),
    Rule(
        "card-shapes",
        Severity.ERROR,
        "On a card, original and converted model have inputs and outputs of the same sizes.",
        "`1, 3, 224, 224` for the original, `1, 3, 256, 256` for the converted model",
        _sides,
    ),
    Rule(
        "format",
        Severity.ERROR,
        "A card's format has a letter for each size, and the channels where the shape has them.",
        "shape `1, 224, 224, 3`, format `B, C, H, W`",
        _formats,
    ),
    Rule(
        "layout",
        Severity.ERROR,
        "model.yml's layout goes with its shape, and with the format that the card gives.",
        "layout: NCHW, shape: [1, 224, 224, 3]",
        _layouts,
    ),
)
