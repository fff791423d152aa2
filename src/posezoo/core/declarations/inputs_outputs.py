"""A model's inputs and outputs, as model.yml declares them in our form and in Open Model Zoo's."""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter
from typing import Any

from posezoo.core.declarations.field_types import (
    BOOLEAN,
    LINE,
    NUMBER,
    TEXT,
    WORD,
    FieldType,
    Key,
    explained,
    integer,
    list_of,
    one_of,
    record,
    required_key,
)
from posezoo.core.declarations.model import ColorOrder, Input, Output
from posezoo.core.declarations.yaml_nodes import YamlMapping, YamlNode
from posezoo.core.errors import sanitize, suggest

#: N and B: batch, C: channels, D: depth, H: height, W: width, S and L: sequence, T: time.
LETTERS = "NBCDHWSLT"
LAYOUT_PATTERN = re.compile(rf"[{LETTERS}?]+")
#: For hints.
_USUAL_LAYOUTS = ("NCHW", "NHWC", "NC", "CHW", "HWC", "NCDHW", "NDHWC", "NCH", "NDC")
MAX_DIMENSIONS = 8
MAX_DIMENSION = 1 << 24

#: Mean nothing in a layout of OpenVINO, in which B is another name of N.
_FREE_LETTERS = "EFGIJKLM"


def explain_invalid_layout(text: str) -> str:
    """Why a text is not a layout; empty if it is one."""
    unknown = re.sub(rf"[{LETTERS}?]", "", text)
    if unknown and text.isalpha() and text.isupper():
        usual = [layout for layout in _USUAL_LAYOUTS if len(layout) == len(text)]
        hint = suggest(text, usual) or f"known: {', '.join(LETTERS)}, ?"
        return f"{unknown[0]} in {sanitize(text)} is no letter of a layout; {hint}"
    letters = text.replace("?", "")
    are_different = len(set(letters)) == len(letters)
    if not LAYOUT_PATTERN.fullmatch(text) or not are_different:
        return f"expected different capital letters such as NCHW, got {sanitize(text)}"
    if len(text) <= MAX_DIMENSIONS:
        return ""
    return f"names more than {MAX_DIMENSIONS} dimensions"


def with_full_layouts(port: Input, rank: int) -> Input:
    """The input with a letter for each of ``rank`` dimensions, where Model Optimizer's "..."
    (N...C) stands for some; those of an IR in another layout keep their letters.
    """
    if not port.has_open_layout:
        return port
    layout, target = (
        text.replace("...", "?" * (rank - len(text) + 3)) for text in (port.layout, port.to_layout)
    )
    if target:
        layout = _with_letters(layout, target + _FREE_LETTERS)
        target = _with_letters(target, layout)
    return replace(port, layout=layout, to_layout=target if target != layout else "")


def _with_letters(layout: str, letters: str) -> str:
    unused = iter([letter for letter in letters if letter not in layout])
    return "".join(next(unused, letter) if letter == "?" else letter for letter in layout)


def _read_shape(node: YamlNode) -> tuple[int, ...]:
    items = node.as_list(maximum=MAX_DIMENSIONS)
    shape = tuple(item.integer(minimum=-1, maximum=MAX_DIMENSION) for item in items)
    if not shape or 0 in shape:
        raise node.make_error("expected sizes of at least 1, or -1 for any size")
    return shape


def explain_other_rank(port: Input | Output) -> str:
    """Why the layout does not fit the shape; empty if it does, or one of both is not declared."""
    rank = len(port.shape)
    dimensions = len(port.layout)
    if not rank or dimensions in (0, rank):
        return ""
    return f"{port.layout} names {dimensions} dimensions, the shape has {rank}"


def _check_layout(fields: YamlMapping, port: Input | Output) -> None:
    reason = explain_other_rank(port)
    if reason:
        raise fields["layout"].make_error(reason)


def _make_own_input(**values: Any) -> Input:
    port = Input(**values)
    takes_images = len(port.layout) == 4 and port.sides.get("C") == 3
    return replace(port, is_unstated=takes_images and not port.states_preparation)


def _check_input(fields: YamlMapping, port: Input) -> None:
    _check_layout(fields, port)
    channels = 0
    if "C" in port.layout:
        channels = port.shape[port.layout.index("C")]
    for name, values in (("mean", port.mean), ("scale", port.scale)):
        node = fields.get(name)
        if node and len(values) != channels:
            problem = "needs a layout with C and a fixed number of channels there"
            if channels > 0:
                problem = f"expected {channels} values, one for each channel, got {len(values)}"
            raise node.make_error(problem)
    if 0.0 in port.scale:
        raise fields["scale"].make_error("a scale of 0 divides by zero")
    dynamic = fields.get("dynamic")
    if dynamic:
        if not port.layout:
            raise dynamic.make_error("needs a layout, because it refers to letters of the layout")
        letters = port.layout.replace("?", "")
        for node in dynamic.as_list():
            node.choice(letters)
    if (port.color or port.reverse_input_channels) and channels != 3:
        raise fields.node.make_error(
            "a colour order needs a layout with C and three channels there"
        )


_SIZES = {"type": "integer", "maximum": MAX_DIMENSION, "anyOf": [{"const": -1}, {"minimum": 1}]}
_SHAPE_SCHEMA = {
    "type": "array",
    "items": _SIZES,
    "minItems": 1,
    "maxItems": MAX_DIMENSIONS,
    "description": "-1 for any size.",
}
SHAPE = FieldType(_read_shape, _SHAPE_SCHEMA)
_LAYOUT_SCHEMA = {
    "type": "string",
    "pattern": rf"^(?!.*([A-Z]).*\1)(?:{LAYOUT_PATTERN.pattern})$",
    "maxLength": MAX_DIMENSIONS,
    "description": "Such as NCHW; ? for a dimension without a letter.",
}
LAYOUT = explained(explain_invalid_layout, "{reason}", _LAYOUT_SCHEMA)
VALUES = list_of(NUMBER, minimum=1, maximum=4096, empty="is empty: give one value for each channel")
_LETTER = FieldType(TEXT.read, {"type": "string", "pattern": "^[A-Z]$"})
_LETTERS = list_of(_LETTER, maximum=MAX_DIMENSIONS, unique=str)
_DYNAMIC = FieldType(_LETTERS.read, {**_LETTERS.schema, "uniqueItems": True})
_SIZE = list_of(integer(1, MAX_DIMENSION), minimum=2, maximum=2)
_PORT_KEYS = (required_key("name", TEXT), required_key("shape", SHAPE), Key("layout", LAYOUT))

INPUT_KEYS = (
    *_PORT_KEYS,
    Key("color", one_of(ColorOrder), "What the network was trained on."),
    Key("mean", VALUES),
    Key("scale", VALUES),
    Key("reverse_input_channels", BOOLEAN),
    Key("dynamic", _DYNAMIC, "Dimensions of the layout that --dynamic leaves open."),
    Key(
        "reshaped",
        BOOLEAN,
        "Whether the IR gets this shape, although the network's file has another.",
    ),
    Key("usual_size", _SIZE, "Height and width for measurements, if the shape leaves them open."),
)
OUTPUT_KEYS = (
    *_PORT_KEYS,
    Key("role", WORD),
    Key("note", LINE),
    Key("original", LINE, "What the original has in its place, if that is not the same."),
    Key("unit", WORD, "The unit of all its values, such as px for pixels of the input."),
)
_INPUT = record(_make_own_input, *INPUT_KEYS, check=_check_input)
_OUTPUT = record(Output, *OUTPUT_KEYS, check=_check_layout)
_name_of = attrgetter("name")
INPUTS = list_of(_INPUT, unique=_name_of)
OUTPUTS = list_of(_OUTPUT, unique=_name_of)


_INFO = record(
    Input,
    required_key("name", TEXT),
    Key("shape", SHAPE),
    Key("layout", LAYOUT),
    check=_check_layout,
)
#: Open Model Zoo's inputs: their names, and their shapes and layouts if known.
INPUT_INFO = list_of(_INFO, unique=_name_of)
