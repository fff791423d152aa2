"""Compare an IR in FP16 with the IR in FP32 of the same network: the same graph, and rounded
constants.

OpenVINO stores a constant in FP16 followed by a conversion to FP32, or keeps it in FP32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import zip_longest
from pathlib import Path
from typing import Any

# The files are written by this process.
from xml.etree import ElementTree

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import Output
from posezoo.core.errors import ConversionError
from posezoo.core.ir.ir_writer import LARGEST_HALF
from posezoo.core.ir.provenance import OutputRounding
from posezoo.core.regular_files import open_regular
from posezoo.core.values import frozen
from posezoo.proof.difference import find_same_infinities

# The bits of infinity in FP16 without the sign; those of nan are larger.
_INFINITE = 0x7C00

# How many values of a constant are compared at a time.
_BLOCK = 1 << 20

_FLOATS = {"f64": "<f8", "f32": "<f4", "f16": "<f2"}
_TYPES = {**_FLOATS, "i8": "i1", "u8": "u1"}


@frozen
class Fp16Comparison:
    """How an IR in FP16 differs from the FP32 IR with its constants rounded."""

    difference: str  # the first node that differs, and how; empty if none does
    is_clipped: bool = False  # whether a constant has values that are too large for FP16
    is_exact: bool = True  # whether the rounding changes no constant


@frozen
class StoredConstant:
    """A constant of an IR, whose values are read from disk when they are compared: a check needs
    the memory of one.

    Attributes:
        path: the .bin, in which the values are ``size`` bytes from ``offset`` on.
    """

    name: str
    shape: tuple[int, ...]
    path: Path
    element_type: str
    offset: int
    size: int

    @property
    def is_float(self) -> bool:
        """Whether its values are floats."""
        return self.element_type in _FLOATS

    def read(self) -> Array:
        """Its values; those of wider integers are bytes in one row."""
        dtype = np.dtype(_TYPES.get(self.element_type, "u1"))
        with open_regular(self.path) as stream:
            values = np.fromfile(stream, dtype, self.size // dtype.itemsize, offset=self.offset)
        return values.reshape(self.shape) if self.element_type in _TYPES else values

    def read_blocks(self) -> Iterator[Array]:
        """Its values as ``read`` gives them, some at a time."""
        dtype = np.dtype(_TYPES.get(self.element_type, "u1"))
        for start in range(0, self.size // dtype.itemsize, _BLOCK):
            count = min(_BLOCK, self.size // dtype.itemsize - start)
            offset = self.offset + start * dtype.itemsize
            with open_regular(self.path) as stream:
                yield np.fromfile(stream, dtype, count, offset=offset)


def find_types(graph: Any, types: Set[str]) -> list[str]:
    """Which of these types the layers of an IR have, also those in bodies."""
    return sorted(types & {layer.get("type") for layer in graph.iter("layer")})


def find_bfloat16(graph: Any) -> set[str]:
    """The names of an IR's tensors in bfloat16."""
    ports = graph.iterfind("layers/layer/output/port[@precision='BF16']")
    return {name for port in ports for name in port.get("names", "").split(",")}


@frozen
class _IrNode:
    name: str
    facts: tuple[object, ...]  # the type, attributes, shapes and sources of the operation
    constant: StoredConstant | None = None  # None for another operation


def compare_with_fp32(fp32_xml: Path, fp16_xml: Path) -> Fp16Comparison:
    """Compare every operation and every value of two IR on disk."""
    is_clipped = False
    is_exact = True
    for node32, node16 in zip_longest(_read_nodes(fp32_xml), _read_nodes(fp16_xml)):
        if node32 is None or node16 is None:
            return Fp16Comparison(f"only one of them has {(node32 or node16).name}")
        if node32.name != node16.name or node32.facts != node16.facts:
            return Fp16Comparison(f"it differs first in {node16.name}")
        if node32.constant is None or node16.constant is None:
            continue
        blocks = zip_longest(
            node32.constant.read_blocks(), node16.constant.read_blocks(), fillvalue=np.empty(0)
        )
        for values32, values16 in blocks:
            is_same, is_too_large = _compare_values(values32, values16)
            if not is_same:
                return Fp16Comparison(f"it differs first in the constant {node16.name}")
            is_clipped = is_clipped or is_too_large
            is_exact = is_exact and np.array_equal(values32, values16)
    return Fp16Comparison("", is_clipped, is_exact)


def _compare_values(values32: Array, values16: Array) -> tuple[bool, bool]:
    """Whether a constant is the other one, rounded; and whether values are too large for FP16."""
    if values32.dtype == values16.dtype:
        return values32.tobytes() == values16.tobytes(), False
    if values32.dtype.kind != "f" or values16.dtype != np.float16:
        return False, False
    with np.errstate(over="ignore"):
        values32 = values32.astype(np.float32, copy=False)  # OpenVINO rounds float64 twice
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = values32.astype(np.float16)
    # np.isfinite takes five times as long.
    if not bool((rounded.view(np.uint16) & 0x7FFF).max(initial=0) >= _INFINITE):
        return np.array_equal(rounded.view(np.uint16), values16.view(np.uint16)), False
    finite = np.clip(values32, -LARGEST_HALF, LARGEST_HALF)
    rounded = np.where(np.isinf(values32), values32, finite).astype(np.float16)
    rounded[np.isnan(values32)] = values16[np.isnan(values32)]
    is_too_large = bool((np.abs(values32[np.isfinite(values32)]) > LARGEST_HALF).any())
    return np.array_equal(rounded.view(np.uint16), values16.view(np.uint16)), is_too_large


def measure_rounding(
    port: Output, fp32: Sequence[NamedArrays], fp16: Sequence[NamedArrays]
) -> OutputRounding:
    """How far the rounding to FP16 moves the values of an output, for each input."""
    moved = 0.0
    largest = 0.0
    for exact, rounded in zip(fp32, fp16, strict=True):
        is_compared = ~find_same_infinities(exact[port.name], rounded[port.name])
        values = exact[port.name][is_compared].astype(np.float64)
        others = rounded[port.name][is_compared]
        # np.fmax would ignore nan.
        moved = float(np.maximum(moved, np.abs(others - values).max(initial=0)))
        largest = max(largest, float(np.abs(values).max(initial=0)))
    relative = moved / largest if largest else moved
    return OutputRounding(relative, moved, port.unit)


def _read_nodes(xml: Path) -> list[_IrNode]:
    """The operations of an IR in the order of its file, without conversions of constants from
    FP16.
    """
    nodes: list[_IrNode] = []
    _add_nodes(read_xml(xml), xml, nodes)
    return nodes


def read_xml(xml: Path) -> Any:
    """The root of an IR's .xml."""
    try:
        return ElementTree.parse(xml).getroot()
    except ElementTree.ParseError as error:
        # A name in a subgraph has a character that XML does not allow.
        raise ConversionError(
            f"{xml.name}: OpenVINO wrote an IR that is not valid XML: {error}"
        ) from error


def _add_nodes(graph: Any, xml: Path, nodes: list[_IrNode]) -> dict[str, int]:
    layers = {layer.get("id"): layer for layer in graph.iterfind("layers/layer")}
    sources = _find_sources(graph)
    # Constants in FP16 by the number of their conversion.
    compressed = {
        number: source
        for number, layer in layers.items()
        if layer.get("type") == "Convert"
        and _is_half_constant(source := layers[sources[number][0][1]])
    }
    skipped = {constant.get("id") for constant in compressed.values()}
    numbers: dict[str, int] = {}
    for number, layer in layers.items():
        if number in skipped:
            continue
        numbers[number] = len(nodes)
        constant = compressed.get(number, layer)
        if constant.get("type") == "Const":
            described = _describe_constant(constant, xml)
            nodes.append(_IrNode(layer.get("name"), ("Const", described.shape), described))
            continue
        inputs = []
        for port, source, end in sorted(sources.get(number, ())):
            # A constant has the output 0, its conversion from FP16 the output 1.
            is_constant = layers[source].get("type") == "Const" or source in compressed
            inputs.append((port, numbers[source], "" if is_constant else end))
            if source not in compressed:
                continue
            # If a constant is an output, OpenVINO writes the precision before the conversion.
            kind = layers[source].find("data").get("destination_type")
            for described in layer.iterfind(f"input/port[@id='{port}']"):
                described.set("precision", f"FP{kind.removeprefix('f')}")
        nodes.append(_IrNode(layer.get("name"), ()))
        parts = _describe_parts(layer, xml, nodes)
        facts = (layer.get("type"), layer.get("version"), inputs, *parts)
        nodes[numbers[number]] = _IrNode(layer.get("name"), facts)
    return numbers


def _find_sources(graph: Any) -> dict[str, list[tuple[str, str, str]]]:
    """Each layer's inputs by the layer's number: the port, and the layer and port before it."""
    sources: dict[str, list[tuple[str, str, str]]] = {}
    for edge in graph.iterfind("edges/edge"):
        source = edge.get("to-port"), edge.get("from-layer"), edge.get("from-port")
        sources.setdefault(edge.get("to-layer"), []).append(source)
    return sources


def _is_half_constant(layer: Any) -> bool:
    is_half: bool = layer.get("type") == "Const" and layer.find("data").get("element_type") == "f16"
    return is_half


def _describe_parts(
    layer: Any, xml: Path, nodes: list[_IrNode]
) -> Iterator[list[tuple[object, ...]]]:
    bodies: dict[str, dict[str, int]] = {}
    parts = []
    for part in layer:
        if part.find("layers") is not None:
            bodies[part.tag] = _add_nodes(part, xml, nodes)
        elif part.tag != "rt_info":
            parts.append(part)
    for part in parts:
        # The else_port_map has numbers of layers in the else_body.
        inner = bodies.get(part.tag.replace("port_map", "body")) or bodies.get("body", {})
        yield [_facts_of(element, inner) for element in part.iter()]


def _describe_constant(constant: Any, xml: Path) -> StoredConstant:
    data = constant.find("data")
    offset, size = (int(data.get(name)) for name in ("offset", "size"))
    shape = tuple(int(side) for side in data.get("shape").split(",") if side.strip())
    binary = xml.with_suffix(".bin")
    kind = data.get("element_type")
    return StoredConstant(constant.get("name"), shape, binary, kind, offset=offset, size=size)


def _facts_of(element: Any, inner: Mapping[str, int]) -> tuple[object, ...]:
    if not inner:
        return element.tag, element.attrib, element.text
    attributes = dict(element.items())
    for name, value in element.items():
        if name.endswith(("layer_id", "-layer")):
            attributes[name] = inner.get(value, value)
    return element.tag, attributes, element.text
