"""Rules on the names, shapes and layouts of inputs and outputs: model.yml compared with the
card.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

from posezoo.lint.card_claims import CardPort, CardPorts, CardValue, Shape
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.rules.converter_arguments import EXPORTED_SHAPES
from posezoo.spec.model import Framework, Input

#: Letters of cards, and the letters of layouts with the same meaning.
_LETTERS = {"B": "N", "CH": "C", "CN": "C"}
#: x:0, 0:x, x/sink_port_0, x/placeholder_port_0, x/placeholder_out_port_0
_PORT = re.compile(
    r"^[0-9]{1,3}:|:[0-9]{1,3}$|/(?:sink|placeholder|placeholder_out)_port_[0-9]{1,3}$"
)
_COLOR_CHANNELS = 3
#: The letters of a format for each axis, and a line that explains one letter with an axis.
AXES = {
    "batch": "BN", "channel": "C", "channels": "C", "height": "H", "width": "W",
    "horizontal": "W", "vertical": "H",
}  # fmt: skip
_AXIS = re.compile(
    r"\s*[-*+]\s+`?([BCHNW])`?\s*[-–—:]\s*"
    r"(?:the |number of |input |image |mask )*(batch|channels?|height|width|horizontal|vertical)\b"
)


def base_name(name: str) -> str:
    """A tensor's name without the node's port number, in any of its spellings."""
    return _PORT.sub("", name.replace("\\", "").strip("\"'"))


@rule()
def input_name(view: ModelView) -> Violations:
    """The card has the names of the inputs that the converter is given: users look inputs up by
    name.

    Example: name - `prob` among the inputs, --input=data
    """
    yield from _compare_names(view, "input", [port.name for port in view.inputs if port.name])


@rule()
def output_name(view: ModelView) -> Violations:
    """The card has the names of the outputs that the converter is given: users look outputs up by
    name.

    Example: name - `prob` on the card, --output=softmax
    """
    yield from _compare_names(
        view, "output", [output.name for output in view.outputs if output.name]
    )


def _compare_names(view: ModelView, kind: str, declared: list[str]) -> Violations:
    groups, are_renamed = _group_names(view, kind)
    for on_card in filter(None, groups):
        names = _base_names(on_card)
        missing = [name for name in map(base_name, declared) if not is_listed(name, names)]
        if are_renamed and kind == "output":
            missing = [name for name in missing if get_close_matches(name, names, cutoff=0.9)]
        if missing:
            known = {base_name(name) for name in declared}
            unknown = [name for name in on_card if base_name(name.value) not in known]
            expected = ", ".join(missing)
            listed = ", ".join(dict.fromkeys(name.value for name in on_card))
            message = f"the card has no {kind} {expected}, which model.yml names; it has {listed}"
            yield view.quote((unknown or on_card)[0], message, f"{kind}.name", expected)
            return


def _group_names(view: ModelView, kind: str) -> tuple[list[list[CardValue[str]]], bool]:
    """The card's names, of which each group has all declared ones, and whether the converter may
    change names.
    """
    original, converted, both = (
        [port.name for port in view.claims.ports_on(kind, side) if port.name is not None]
        for side in ("original", "converted", "")
    )
    if not _are_renamed(view, kind, _base_names(original), _base_names(converted)):
        return [original, converted, both], False
    groups = [[*original, *converted, *both]]  # a declared name may be on either side
    if kind == "input":  # the converter's inputs have the names that it is given
        groups.append(converted)
    return groups, True


def _base_names(values: list[CardValue[str]]) -> set[str]:
    return {base_name(value.value) for value in values}


def _are_renamed(view: ModelView, kind: str, original: set[str], converted: set[str]) -> bool:
    """Whether the converter may change names: it replaces parts of a network, or cuts it off
    inside.
    """
    if not original or not converted or original == converted:
        return False
    flags = {argument.flag for argument in view.arguments if ":" in argument.value}
    is_tf = view.spec is not None and view.spec.framework is Framework.TF
    return is_tf or f"--{kind}" in flags or view.argument("--transformations_config") is not None


def is_listed(name: str, names: Collection[str]) -> bool:
    """Whether a name is among others, which may include a pattern such as state_*."""
    return name in names or any("*" in pattern and fnmatchcase(name, pattern) for pattern in names)


@rule()
def input_shape(view: ModelView) -> Violations:
    """The card has the shape of an input that the converter gives it, with the channels first or
    last.

    Example: shape - `1, 3, 300, 300` on the card, --input_shape=[1,3,224,224]
    """
    for declared in view.inputs:
        shape = declared.shape or _read_exported_shape(view)
        if not shape:
            continue
        for section in view.claims.sections_on("input", "original", "", "preamble", "converted"):
            port = _find_port(declared, section, len(view.inputs))
            if port is None or port.shape is None:
                continue
            may_transpose = section.side != "original"
            if not _is_same_shape(shape, port.shape.value, may_transpose=may_transpose):
                name = f"{declared.name or 'the input'} of the {section.side or 'model'}"
                yield _other_shape(view, "input", name, port.shape, shape)


def _read_exported_shape(view: ModelView) -> tuple[int, ...]:
    """The shape of the export's only input; empty if the converter has an argument for it."""
    shapes = [each.value for each in view.export_arguments if each.flag in EXPORTED_SHAPES]
    if not shapes or shapes[0].count("[") > 1 or view.argument("--input_shape"):
        return ()
    return tuple(int(size) for size in re.findall(r"-?[0-9]{1,9}", shapes[0]))


def _other_shape(
    view: ModelView, kind: str, name: str, on_card: CardValue[Shape], shape: Shape
) -> RuleViolation:
    expected = _format_shape(shape)
    message = f"{name} has the shape {on_card.text} on the card, {expected} in model.yml"
    return view.quote(on_card, message, f"{kind}.shape", expected)


def _find_port(declared: Input, section: CardPorts, count: int) -> CardPort | None:
    """The port of a section that has the input's name, or the only one if the model has one
    input.
    """
    for port in section.ports:
        if port.name is not None and port.name.value == declared.name:
            return port
    return section.ports[0] if len(section.ports) == 1 and count == 1 else None


def _is_same_shape(declared: tuple[int, ...], on_card: Shape, *, may_transpose: bool) -> bool:
    if len(declared) == len(on_card) + 1 and declared[0] in (1, -1):
        declared = declared[1:]  # the card leaves out the batch
    orders = [declared]
    if may_transpose and len(declared) > 2:
        # The converter may move the channels to just after the batch, or the card may list them
        # last.
        batch, *sizes = declared
        orders += [(batch, sizes[-1], *sizes[:-1]), (batch, *sizes[1:], sizes[0])]
    return any(_fits(order, on_card) for order in orders)


def _fits(declared: tuple[int, ...], on_card: Shape) -> bool:
    if len(declared) != len(on_card):
        return False
    pairs = zip(declared, on_card, strict=True)
    return all(isinstance(b, str) or a == b or -1 in (a, b) for a, b in pairs)


def _format_shape(shape: Shape) -> str:
    return ", ".join(map(str, shape))


@rule()
def part_shapes(view: ModelView) -> Violations:
    """A tensor that one part of a composite writes and another reads has the same shape in both on
    the card.

    Example: `1, 20, 75, 512` for the encoder's features, and `1, 20, 175, 512` for the decoder's
    """
    parts = view.zoo.parts_by_composite.get(view.entry.composite, ())
    others = (name for name in parts if name != view.name and name in view.zoo.models)
    for other in map(view.zoo.models.__getitem__, others):
        read = _shapes_by_name(other.claims.ports_on("input", "", "converted"))
        for name, shape in _shapes_by_name(view.claims.ports_on("output", "", "converted")).items():
            # A part may read only a slice, which then has another number of axes.
            if (
                name in read
                and len(read[name].value) == len(shape.value)
                and read[name].value != shape.value
            ):
                expected = read[name].text
                message = (
                    f"{name} has the shape {shape.text}, and {expected} as an input of {other.name}"
                )
                yield view.quote(shape, message, "output.shape", expected)


def _shapes_by_name(ports: list[CardPort]) -> dict[str, CardValue[Shape]]:
    """The shapes of the ports whose name occurs once."""
    named = [(port.name.value, port.shape) for port in ports if port.name]
    counts = Counter(name for name, _ in named)
    return {name: shape for name, shape in named if shape is not None and counts[name] == 1}


@rule()
def format_(view: ModelView) -> Violations:
    """A card's format has a letter for each size, and the letter C where the shape has the
    channels.

    Example: shape `1, 224, 224, 3`, format `B, C, H, W`
    """
    for section in view.claims.ports:
        for port in section.ports:
            if port.shape is not None:
                yield from _check_format(view, section.kind, port.shape, port.format)
                yield from _check_products(view, section, port.shape)


def _check_format(
    view: ModelView, kind: str, shape: CardValue[Shape], format: CardValue[Shape] | None
) -> Violations:
    # Longer words may name the coordinates of a box.
    if format is None or any(len(str(each)) > 1 for each in format.value if isinstance(each, str)):
        return
    if reason := _layout_mismatch(shape.value, format.value, kind):
        message = f"the card's format {format.text} does not fit the shape {shape.text}: {reason}"
        yield view.quote(format, message, f"{kind}.format", shape.text)


def _check_products(view: ModelView, section: CardPorts, shape: CardValue[Shape]) -> Violations:
    """A size such as 26 does not fit N*85, the values of N boxes."""
    for format in section.formats:
        products = [re.fullmatch(r"[A-Z]\*([0-9]{1,4})", str(letter)) for letter in format.value]
        if len(products) != len(shape.value):
            continue
        pairs = zip(shape.value, products, strict=True)
        sizes = [(size, int(each[1])) for size, each in pairs if each and isinstance(size, int)]
        if any(size % factor for size, factor in sizes):
            message = f"the shape {shape.text} does not fit the card's format {format.text}"
            yield view.quote(shape, message, f"{section.kind}.shape", format.text)


def _layout_mismatch(shape: Shape, letters: Shape, kind: str) -> str:
    """Why a layout does not fit a shape; empty if it does."""
    if len(shape) != len(letters):
        return f"{len(letters)} letters for {len(shape)} sizes"
    for size, letter in zip(shape, letters, strict=True):
        if isinstance(letter, int) and isinstance(size, int) and size != letter:
            return f"{letter} is not {size}"
    if kind == "input" and {"C", "H", "W"} <= set(letters):
        channels, height, width = (shape[letters.index(letter)] for letter in "CHW")
        if isinstance(channels, int) and channels > 4 and _COLOR_CHANNELS in (height, width):
            return f"C would be {channels}"
    return ""


@rule()
def axis_words(view: ModelView) -> Violations:
    """A card explains a letter of a format with the word for its axis.

    Example: - `H` - width
    """
    for number, line in view.own_lines:
        match = _AXIS.match(line)
        if match and match[1] not in AXES[match[2]]:
            message = f"the letter {match[1]} is explained as {match[2]}"
            location, expected = view.card_line(number, match.start(1) + 1), AXES[match[2]][0]
            yield RuleViolation(location, message, "format", match[1], expected)


@rule()
def layout(view: ModelView) -> Violations:
    """The layout of model.yml fits its shape, and is the format of the card.

    Example: layout: NCHW, shape: [1, 224, 224, 3]
    """
    key = "input_info" if view.node("input_info") else "inputs"
    for index, declared in enumerate(view.inputs):
        letters = declared.layout
        shape = _format_shape(declared.shape)
        if not letters:
            yield from _find_last_channels(view, declared)
        elif declared.shape and (
            reason := _layout_mismatch(declared.shape, tuple(letters), "input")
        ):
            message = f"the layout {letters} does not fit the shape {shape}: {reason}"
            place = view.location(key, index, "layout")
            yield RuleViolation(place, message, "layout", letters, shape)
        else:
            yield from _compare_layouts(view, declared)


def _compare_layouts(view: ModelView, declared: Input) -> Violations:
    for format in _find_formats(view, declared, "converted", ""):
        letters = "".join(_LETTERS.get(str(each), str(each)) for each in format.value)
        is_permutation = sorted(letters) == sorted(declared.layout)
        if is_permutation and letters not in (declared.layout, declared.ir_layout):
            expected = declared.layout
            message = f"the format is {letters} on the card, the layout {expected} in model.yml"
            yield view.quote(format, message, "input.format", expected)


def _find_formats(view: ModelView, declared: Input, *sides: str) -> Iterator[CardValue[Shape]]:
    for section in view.claims.sections_on("input", *sides):
        port = _find_port(declared, section, len(view.inputs))
        if port is not None and port.format is not None:
            yield port.format


def _find_last_channels(view: ModelView, declared: Input) -> Violations:
    """A format with the channels last of a converted TensorFlow model: the converter moves them
    forward.
    """
    is_tf = view.spec is not None and view.spec.framework is Framework.TF
    if not is_tf or view.argument("--layout") or view.argument("--disable_nhwc_to_nchw"):
        return
    for format in _find_formats(view, declared, "converted"):
        if format.value[1:] == ("H", "W", "C"):
            message = f"the converter makes the card's format {format.text} B, C, H, W"
            yield view.quote(format, message, "input.format", "B, C, H, W")


RULES = defined_rules(globals())
