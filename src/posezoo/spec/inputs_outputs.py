"""What goes into a model and what comes out, as model.yml declares it: ours and Open Model Zoo's."""

from __future__ import annotations

import re

from posezoo.spec.field_types import read_line, read_list, read_word, refuse_duplicates
from posezoo.spec.model import ColorOrder, Input, Output
from posezoo.spec.yaml_nodes import YamlNode, sanitize

INPUT_KEYS = ("name", "shape", "layout", "color", "mean", "scale", "reverse_input_channels", "dynamic")
OUTPUT_KEYS = ("name", "shape", "layout", "role", "note", "original")
INPUT_INFO_KEYS = ("name", "shape", "layout")
LAYOUT = re.compile(r"[A-Z?]+")
MAX_DIMENSIONS = 8
MAX_DIMENSION = 1 << 24


def read_inputs(node: YamlNode | None) -> tuple[Input, ...]:
    """Our ``inputs``."""
    inputs = read_list(node, _input)
    refuse_duplicates(node, [port.name for port in inputs])
    return inputs


def read_outputs(node: YamlNode | None) -> tuple[Output, ...]:
    """Our ``outputs``."""
    outputs = read_list(node, _output)
    refuse_duplicates(node, [output.name for output in outputs])
    return outputs


def read_input_info(node: YamlNode | None) -> tuple[Input, ...]:
    """Open Model Zoo's ``input_info``: names, and where they are known shapes and layouts."""
    inputs = read_list(node, _input_info)
    refuse_duplicates(node, [port.name for port in inputs])
    return inputs


def _input(node: YamlNode) -> Input:
    fields = node.as_mapping(INPUT_KEYS)
    shape = _shape(fields["shape"])
    layout = _layout(fields.get("layout"), shape)
    channels = shape[layout.index("C")] if "C" in layout else 0
    color = fields.get("color")
    reverse = fields.get("reverse_input_channels")
    parsed = Input(
        name=fields["name"].text(),
        shape=shape,
        layout=layout,
        color=ColorOrder(color.choice(ColorOrder)) if color is not None else None,
        mean=_per_channel(fields.get("mean"), channels),
        scale=_per_channel(fields.get("scale"), channels),
        reverse_input_channels=reverse.boolean() if reverse is not None else False,
        dynamic=_dynamic(fields.get("dynamic"), layout),
    )
    if (scale := fields.get("scale")) is not None and 0.0 in parsed.scale:
        raise scale.make_error("a scale of 0 divides by nothing")
    if (parsed.color or parsed.reverse_input_channels) and channels != 3:
        raise node.make_error("a colour order needs a layout with C and three channels there")
    return parsed


def _input_info(node: YamlNode) -> Input:
    fields = node.as_mapping(INPUT_INFO_KEYS)
    shape = _shape(fields["shape"]) if "shape" in fields else ()
    layout = _layout(fields.get("layout"), shape)
    return Input(name=fields["name"].text(), shape=shape or (-1,) * len(layout), layout=layout)


def _shape(node: YamlNode) -> tuple[int, ...]:
    shape = tuple(
        item.integer(minimum=-1, maximum=MAX_DIMENSION) for item in node.as_list(maximum=MAX_DIMENSIONS)
    )
    if not shape or 0 in shape:
        raise node.make_error("expected sizes of at least 1, or -1 where any size will do")
    return shape


def _layout(node: YamlNode | None, shape: tuple[int, ...]) -> str:
    """A letter for each dimension; without a shape, of any number of them."""
    if node is None:
        return ""
    text = node.text()
    if reason := explain_invalid_layout(text):
        raise node.make_error(reason)
    if shape and len(text) != len(shape):
        raise node.make_error(f"{text} names {len(text)} dimensions, the shape has {len(shape)}")
    return text


def _dynamic(node: YamlNode | None, layout: str) -> tuple[str, ...]:
    """Letters of the layout."""
    if node is not None and not layout:
        raise node.make_error("needs a layout, whose letters it names")
    dimension_names = read_list(node, lambda each: each.choice(layout.replace("?", "")))
    refuse_duplicates(node, list(dimension_names))
    return dimension_names


def explain_invalid_layout(text: str) -> str:
    """Why a text is no layout; empty when it is."""
    dimension_names = text.replace("?", "")
    if not LAYOUT.fullmatch(text) or len(set(dimension_names)) != len(dimension_names):
        return f"expected different capital letters such as NCHW, got {sanitize(text)}"
    return "" if len(text) <= MAX_DIMENSIONS else f"names more than {MAX_DIMENSIONS} dimensions"


def _per_channel(node: YamlNode | None, channels: int) -> tuple[float, ...]:
    if node is None:
        return ()
    values = tuple(item.number() for item in node.as_list(maximum=4096))
    if len(values) != channels:
        raise node.make_error(
            f"expected {channels} values, one for each channel, got {len(values)}"
            if channels > 0
            else "needs a layout with C and a fixed number of channels there"
        )
    return values


def _output(node: YamlNode) -> Output:
    fields = node.as_mapping(OUTPUT_KEYS)
    shape = _shape(fields["shape"])
    note, original = fields.get("note"), fields.get("original")
    return Output(
        name=fields["name"].text(),
        shape=shape,
        layout=_layout(fields.get("layout"), shape),
        role=read_word(fields.get("role")),
        note=read_line(note) if note is not None else "",
        original=read_line(original) if original is not None else "",
    )
