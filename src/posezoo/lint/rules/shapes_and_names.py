"""Rules on the names, shapes and layouts of inputs and outputs: model.yml and accuracy-check.yml
compared with the card.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain, islice

from posezoo.core.declarations.model import Framework, Input, UnpackArchive, fits
from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.lint.accuracy_check_yml import AccuracyCheckRun, find_node, list_below
from posezoo.lint.card_claims import CardPort, CardPorts, CardValue, Shape
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.decoder_rules import POSES

#: x:0, 0:x, x/sink_port_0, x/placeholder_port_0, x/placeholder_out_port_0
_PORT = re.compile(
    r"^[0-9]{1,3}:|:[0-9]{1,3}$|/(?:sink|placeholder|placeholder_out)_port_[0-9]{1,3}$"
)
_COLOR_CHANNELS = 3
#: The sides of a card that describe the converted model.
CONVERTED = ("", "converted")
ALL_SIDES = ("original", "", "preamble", "converted")
#: Keys of an adapter that name an output; raw_output does not.
_OUTPUT_KEYS = re.compile(r"(?!raw_output$).*_out(?:put)?")
#: Arguments that name a file which the original framework may evaluate.
_FILE_FLAGS = ("--output-file", "--input_model")
#: Smaller outputs are no maps, but rows of numbers, such as 17 keypoints with 3 numbers each.
SMALLEST_MAP = 8
_KEYPOINTS = re.compile(r"\b([1-9][0-9]{1,2}) key ?points\b", re.IGNORECASE)
#: What a name is for, its node, and the names that the model has; empty if these are unknown.
EvaluatedName = tuple[str, YamlNode | None, list[str]]


def _base_name(name: str) -> str:
    """A tensor's name without the node's port number, in any of its spellings."""
    return _PORT.sub("", name.replace("\\", "").strip("\"'"))


@rule()
def port_name(view: ModelView) -> Violations:
    """The card has the names of inputs and outputs that the converter is given: users look inputs
    and outputs up by name.

    Example: name - `prob` on the card, --output=softmax
    """
    for kind, ports in (("input", view.inputs), ("output", view.spec.outputs)):
        declared = [_base_name(port.name) for port in ports if port.name]
        named = declared or _list_evaluated(view, kind)
        if named and not _describes(view, kind):
            message = f"the card has no section on the {kind}s, such as {named[0]}"
            yield RuleViolation(view.card_line(), message, f"{kind}.name", expected=named[0])
        yield from islice(_check_names(view, kind, declared), 1)


def _check_names(view: ModelView, kind: str, declared: Sequence[str]) -> Violations:
    """The declared names are on the card, as often as it lists the inputs or outputs."""
    groups = [_read_names(view, kind, side) for side in ("original", "converted", "")]
    are_renamed = _are_renamed(view, kind, *groups[:2])
    if are_renamed:  # inputs keep the names that the converter is given
        groups = groups[1:] if kind == "input" else [groups[0] | groups[1] | groups[2]]
    for names in filter(None, groups):
        missing = [name for name in declared if not _is_listed(name, names)]
        if are_renamed and kind == "output":
            missing = [name for name in missing if get_close_matches(name, names, cutoff=0.9)]
        if missing:
            unknown = [value for name, value in names.items() if name not in declared]
            expected = ", ".join(missing)
            listed = ", ".join(value.value for value in names.values())
            message = f"the card has no {kind} {expected}, which model.yml names; it has {listed}"
            place = (unknown or [*names.values()])[0]
            yield view.quote(place, message, f"{kind}.name", expected)


def _describes(view: ModelView, kind: str) -> bool:
    """Whether a card has a section on inputs or outputs; true of one that posezoo drew."""
    sections = view.claims.sections_on(kind, *ALL_SIDES)
    return not view.claims.ports or any(each.side != "preamble" or each.ports for each in sections)


def _list_evaluated(view: ModelView, kind: str) -> list[str]:
    names = (each for run in view.runs for each in _list_names(view, run))
    return [str(node.value) for of, node, _ in names if of == kind and node and node.is_text()]


def _read_names(view: ModelView, kind: str, *sides: str) -> dict[str, CardValue[str]]:
    names = [port.name for port in view.claims.ports_on(kind, *sides)]
    return {_base_name(name.value): name for name in reversed(names) if name.value}


def _are_renamed(
    view: ModelView, kind: str, original: Mapping[str, object], converted: Mapping[str, object]
) -> bool:
    """Whether the converter may change names: it replaces parts of a network, or cuts it off
    inside.
    """
    if not original or not converted or original.keys() == converted.keys():
        return False
    if view.spec.framework is Framework.TF or view.argument("--transformations_config"):
        return True
    flags = {argument.flag for argument in view.arguments if ":" in argument.value}
    return f"--{kind}" in flags


def _is_listed(name: str, names: Collection[str]) -> bool:
    """Whether a name is among others, which may include a pattern such as state_*."""
    return name in names or any("*" in pattern and fnmatchcase(name, pattern) for pattern in names)


@rule()
def input_shape(view: ModelView) -> Violations:
    """The card has the shape of an input that the converter gives it, with the channels first or
    last.

    Example: shape - `1, 3, 300, 300` on the card, --input_shape=[1,3,224,224]
    """
    for declared in view.inputs:
        shape = declared.shape
        if not shape:
            continue
        for section in view.claims.sections_on("input", *ALL_SIDES):
            on_card = _find_port(declared, section, len(view.inputs)).shape
            may_transpose = section.side != "original"
            if not _is_same_shape(shape, on_card.value, may_transpose=may_transpose):
                name = f"{declared.name or 'the input'} of the {section.side or 'model'}"
                expected = _format_shape(shape)
                difference = f"{on_card.text} on the card, {expected} in model.yml"
                message = f"{name} has the shape {difference}"
                yield view.quote(on_card, message, "input.shape", expected)


def _find_port(declared: Input, section: CardPorts, count: int) -> CardPort:
    named = [port for port in section.ports if port.name.value == declared.name]
    if not named and len(section.ports) == count == 1:
        named = [*section.ports]
    return named[0] if named else CardPort()


def _is_same_shape(declared: tuple[int, ...], on_card: Shape, *, may_transpose: bool) -> bool:
    if not declared or not on_card:
        return True
    if len(declared) == len(on_card) + 1 and declared[0] in (1, -1):
        declared = declared[1:]  # the card leaves out the batch
    batch, *sizes = declared
    orders = [[*declared]]
    if may_transpose and len(sizes) > 1:
        # The converter may move the channels to just after the batch, or the card may list them
        # last.
        orders += [[batch, sizes[-1], *sizes[:-1]], [batch, *sizes[1:], sizes[0]]]
    return any(fits(order, on_card) for order in orders)


def _format_shape(shape: Shape) -> str:
    return ", ".join(map(str, shape))


@rule(unless=("decoder-outputs",))
def output_shape(view: ModelView) -> Violations:
    """The card has the shape of an output that model.yml declares. The maps of a pose network are
    as large as the input divided by its stride, a whole number; those with the same number of
    channels have one size, and the only one has the channels of the original.

    Example: input `1, 3, 256, 456`, and output `1, 19, 32, 75`, where 57 is meant
    """
    for declared in view.spec.outputs:
        for port in view.claims.ports_on("output", *CONVERTED):
            is_same = _base_name(port.name.value) == _base_name(declared.name)
            if is_same and not _is_same_shape(declared.shape, port.shape.value, may_transpose=True):
                expected = _format_shape(declared.shape)
                message = f"{declared.name} has the shape {port.shape.text} on the card"
                message += f", {expected} in model.yml"
                yield view.quote(port.shape, message, "output.shape", expected)
    if view.spec.task.startswith(POSES):  # one wrong size contradicts several others
        yield from islice(chain(_check_channels(view), _check_sides(view)), 1)


def _check_channels(view: ModelView) -> Violations:
    """The only maps of the original and of the converted model have as many channels."""
    shapes = [
        [port.shape for port in view.claims.ports_on("output", side) if _read_maps(port.shape)]
        for side in ("original", "converted")
    ]
    if [len(each) for each in shapes] != [1, 1]:
        return
    ((original,), (converted,)) = shapes
    if original.value[1] != converted.value[1]:
        message = f"the original has the shape {original.text} on the card"
        message += f", the converted model {converted.text}"
        yield view.quote(converted, message, "output.shape", original.text)


def _check_sides(view: ModelView) -> Violations:
    size = _read_image_size(view)
    shown: dict[int, str] = {}  # height and width of the first maps with so many channels
    for port in view.claims.ports_on("output", "original", "", "converted"):
        maps = _read_maps(port.shape)
        if maps is None:
            continue
        channels, *sides = maps
        text = "x".join(map(str, sides))
        other = shown.setdefault(channels, text)
        problem = ""
        if size and not _have_stride(size, sides):
            other = "x".join(map(str, size))
            problem = f"no stride makes {text} of an input of {other}"
        elif text != other:
            problem = f"another output with {channels} channels has {other}"
        if problem:
            message = f"an output has the shape {port.shape.text} on the card: {problem}"
            yield view.quote(port.shape, message, "output.shape", other)


def _read_maps(on_card: CardValue[Shape]) -> tuple[int, int, int] | None:
    """Channels, height and width of an output, with the channels first; None if it has no maps."""
    shape = on_card.value
    sizes = [size for size in shape if isinstance(size, int)]
    if len(sizes) != len(shape) or len(shape) not in (4, 5) or shape[4:] not in ((), (1,)):
        return None
    _, channels, height, width = sizes[:4]
    if min(height, width) < SMALLEST_MAP:
        return None
    return channels, height, width


def _read_image_size(view: ModelView) -> tuple[int, int] | None:
    """Height and width of the only image that a network takes, as the card states it."""
    found = set()
    for port in view.claims.ports_on("input", "original", "", "converted"):
        sides = dict(zip(port.format.value, port.shape.value, strict=False))
        height, width = sides.get("H"), sides.get("W")
        if isinstance(height, int) and isinstance(width, int):
            found.add((height, width))
    return found.pop() if len(found) == 1 else None


def _have_stride(size: Sequence[int], sides: Sequence[int]) -> bool:
    """Whether maps have the sides of an image, divided by one whole number and rounded."""
    pairs = [*zip(size, sides, strict=True)]
    strides = range(1, max(size) // SMALLEST_MAP + 1)
    return any(all(abs(a / stride - b) < 1 for a, b in pairs) for stride in strides)


@rule(unless=("decoder-outputs", "evaluated-keypoints"))
def keypoint_count(view: ModelView) -> Violations:
    """The number of keypoints in the description and on the card is that of the skeleton, or fits
    the channels of the card's maps: one for each keypoint, and maybe one for the background.

    Example: up to 18 keypoints, and heatmaps of shape `1, 17, 256, 256`
    """
    declared = view.declaration
    if not declared.task.startswith(POSES):
        return
    described = [
        (text, view.location("description")) for text in _find_counts(declared.description)
    ]
    on_card = [
        (text, view.card_line(number, line.index(text) + 1))
        for number, line in (() if view.card_path in view.zoo.drawn_pages else view.own_lines)
        for text in _find_counts(line)
    ]
    known = _list_keypoint_counts(view) or {int(text) for text, _ in described}
    for statements in (described, on_card):
        if known and statements and known.isdisjoint(int(text) for text, _ in statements):
            text, place = statements[0]
            expected = " or ".join(map(str, sorted(known)))
            message = f"{text} keypoints, and {expected} by the skeleton, outputs or description"
            yield RuleViolation(place, message, "keypoints", text, expected=expected)


def _find_counts(text: str) -> list[str]:
    return [match[1] for match in _KEYPOINTS.finditer(text)]


def _list_keypoint_counts(view: ModelView) -> set[int]:
    if view.known_skeleton:
        return {len(view.known_skeleton.keypoints)}
    ports = view.claims.ports_on("output", "original", "", "converted")
    channels = {port.name.value: maps[0] for port in ports if (maps := _read_maps(port.shape))}
    heatmaps = {count for name, count in channels.items() if "heatmap" in name}
    if any("embedding" in name for name in channels):  # such a network has no background
        return heatmaps or {*channels.values()}
    counts = heatmaps or {*channels.values()}
    return {*counts, *(count - 1 for count in counts)}


@rule()
def part_shapes(view: ModelView) -> Violations:
    """A tensor that one part of a composite writes and another part reads has one shape on the
    card.

    Example: `1, 20, 75, 512` for the encoder's features, and `1, 20, 175, 512` for the decoder's
    """
    parts = view.zoo.parts_by_composite[view.entry.composite]
    for other in view.zoo.find_models(parts):
        inputs = other.claims.ports_on("input", *CONVERTED)
        read = {each.name.value: each.shape for each in inputs}
        read.pop("", None)
        for port in view.claims.ports_on("output", *CONVERTED):
            expected = read.get(port.name.value, port.shape)
            # A part may read only a slice, which then has another number of axes.
            is_slice = len(expected.value) != len(port.shape.value)
            if expected.value == port.shape.value or is_slice or other is view:
                continue
            text = expected.text
            message = (
                f"{port.name.value} has the shape {port.shape.text}, and {text} as an input of"
                f" {other.name}"
            )
            yield view.quote(port.shape, message, "output.shape", text)


@rule()
def format_(view: ModelView) -> Violations:
    """A size on a card is a multiple of the number in the card's format, such as N*85.

    Example: shape `1, 26, 26, 255`, format `B, N*85, Cx, Cy`
    """
    for section in view.claims.ports:
        for port in section.ports:
            shape = port.shape
            for format in section.values["format"]:
                has_letters = len(format.value) == len(shape.value)
                if has_letters and not all(map(_may_be_product, shape.value, format.value)):
                    message = f"the shape {shape.text} does not fit the card's format {format.text}"
                    yield view.quote(shape, message, f"{section.kind}.shape", format.text)


def _may_be_product(size: int | str, letter: int | str) -> bool:
    """Whether a size fits a letter: 26 does not fit N*85, the values of N boxes."""
    product = re.fullmatch(r"[A-Z]\*([1-9][0-9]{0,3})", str(letter))
    return product is None or isinstance(size, str) or size % int(product[1]) == 0


def _layout_mismatch(shape: tuple[int, ...], letters: str) -> str:
    if len(shape) != len(letters):
        return f"{len(letters)} letters for {len(shape)} sizes"
    if {"C", "H", "W"} <= set(letters):
        channels, height, width = (shape[letters.index(letter)] for letter in "CHW")
        if channels > 4 and _COLOR_CHANNELS in (height, width):
            return f"C would be {channels}"
    return ""


@rule()
def layout(view: ModelView) -> Violations:
    """The layout of model.yml fits its shape. A card's format of a converted TensorFlow model has
    the channels after the batch, as the converter makes it.

    Example: layout: NCHW, shape: [1, 224, 224, 3]
    """
    key = "input_info" if view.node("input_info") else "inputs"
    for index, declared in enumerate(view.inputs):
        letters = declared.layout
        if not letters:
            has_layout = view.argument("--layout") or view.argument("--disable_nhwc_to_nchw")
            is_moved = view.spec.framework is Framework.TF and not has_layout
            sections = view.claims.sections_on("input", "converted") if is_moved else ()
            for section in sections:
                format = _find_port(declared, section, len(view.inputs)).format
                if format.value[1:] == ("H", "W", "C"):
                    message = f"the converter makes B, C, H, W of the card's format {format.text}"
                    yield view.quote(format, message, "input.format", "B, C, H, W")
            continue
        reason = _layout_mismatch(declared.shape, letters) if declared.shape else ""
        if reason:
            shape = _format_shape(declared.shape)
            message = f"the layout {letters} does not fit the shape {shape}: {reason}"
            place = view.location(key, index, "layout")
            yield RuleViolation(place, message, "layout", letters, expected=shape)


@rule()
def evaluated_names(view: ModelView) -> Violations:
    """accuracy-check.yml evaluates this model, one of its files or what its export writes, and uses
    the names of inputs and of the converted model's outputs that the card has.

    Example: heatmaps_out: maps, and name - `heatmaps` on the card
    """
    for run in view.runs:
        for kind, place, model_names in _list_names(view, run):
            if place is None or not place.is_text():
                continue
            text = str(place.value)
            name = text.rpartition("/")[2] if kind == "file" else _base_name(text)
            if model_names and not _is_listed(name, ("", *model_names)):
                listed = ", ".join(model_names)
                message = f"accuracy-check.yml names the {kind} {name}; the model has {listed}"
                yield RuleViolation(place, message, actual=name, expected=listed)


def _list_names(view: ModelView, run: AccuracyCheckRun) -> Iterator[EvaluatedName]:
    model = find_node(run.node, "name")
    if model and not str(model.value).startswith(view.name):
        yield "model", model, [view.name]
    inputs = _list_on_card(view, run, "input")
    for node in list_below(run.launcher, "inputs"):
        yield "input", find_node(node, "name"), inputs
    if run.is_converted:  # the original framework may have other names for its outputs
        outputs = _list_on_card(view, run, "output")
        adapter = find_node(run.launcher, "adapter")
        if adapter and isinstance(adapter.value, dict):
            for key, node in adapter.value.items():
                if _OUTPUT_KEYS.fullmatch(key):
                    yield "output", node, outputs
        for node in list_below(adapter, "outputs"):
            yield "output", node, outputs
    else:
        files = _list_files(view)
        for key in ("model", "weights"):
            yield "file", find_node(run.launcher, key), files


def _list_files(view: ModelView) -> list[str]:
    spec = view.spec
    if not view.variants or any(isinstance(step, UnpackArchive) for step in spec.postprocessing):
        return []
    arguments = (*view.arguments, *view.export_arguments)
    paths = [argument.value for argument in arguments if argument.flag in _FILE_FLAGS]
    paths += spec.file_names
    return sorted({path.rpartition("/")[2] for path in paths})


def _list_on_card(view: ModelView, run: AccuracyCheckRun, kind: str) -> list[str]:
    ports = view.claims.ports_on(kind, run.side, "")
    on_card = [_base_name(port.name.value) for port in ports]
    if not on_card or "" in on_card:
        return []
    # If model.yml has the name, too, then the card is wrong, and another rule reports it.
    declared = view.spec.outputs if kind == "output" else () if run.is_converted else view.inputs
    on_card += [_base_name(port.name) for port in declared if port.name]
    return list(dict.fromkeys(on_card))
