"""TensorFlow's formats: frozen graph, MetaGraph, SavedModel and TensorFlow.js graph model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posezoo.core.arrays import Array
from posezoo.core.convert.formats import ModelFormat
from posezoo.core.convert.protobuf_reader import (
    LENGTH,
    VARINT,
    ProtobufError,
    find_messages,
    has_fields,
    map_file,
    read_fields,
    read_integers,
    read_texts,
)
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import SAVED_MODEL_FILE
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.formats import read_array
from posezoo.formats.darknet.darknet_format import DARKNET
from posezoo.formats.region_configs import find_detector
from posezoo.formats.tensorflow_js import GRAPH_MODEL, Operation, encode_node

# GraphDef of tensorflow/core/framework/graph.proto; its nodes are field 1.
_GRAPH = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}

# MetaGraphDef of tensorflow/core/protobuf/meta_graph.proto; its graph is field 2.
_META_GRAPH = dict.fromkeys(range(1, 8), LENGTH)

# SavedModel of tensorflow/core/protobuf/saved_model.proto; its networks are field 2.
_SAVED_MODEL = {1: VARINT, 2: LENGTH}


def is_frozen_graph(path: Path) -> bool:
    """Whether a file is a complete GraphDef whose nodes all have a name and an operation."""
    with map_file(path) as buffer:
        try:
            nodes = [field for field in read_fields(buffer) if field.number == 1]
            numbers = ({field.number for field in read_fields(buffer, node)} for node in nodes)
            are_nodes = all(each >= {1, 2} for each in numbers)
        except ProtobufError:
            return False
    return are_nodes and has_fields(path, _GRAPH, needed=1)


def is_meta_graph(path: Path) -> bool:
    """Whether a file is a complete MetaGraphDef with a graph."""
    return not is_frozen_graph(path) and has_fields(path, _META_GRAPH, needed=2)


def is_saved_model(path: Path) -> bool:
    """Whether a file is a complete SavedModel with a network."""
    return has_fields(path, _SAVED_MODEL, needed=2)


class _GraphNode(NamedTuple):
    content: bytes  # the whole field of the graph
    inputs: tuple[str, ...] = ()  # what it reads: node, node:1, ^node


def cut_at_tensors(input_model: Any, _spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Make an OpenVINO InputModel end at inner tensors, whose names its frontend loses at the
    conversion.
    """
    names = {name for place in input_model.get_outputs() for name in place.get_names()}
    cuts = list(map(input_model.get_place_by_tensor_name, outputs))
    # TensorFlow's tensor heatmaps:0 is also called heatmaps.
    if not all(name in names or f"{name}:0" in names for name in outputs) and all(cuts):
        input_model.override_all_outputs(cuts)


def _cut_input_model(input_model: Any, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Cut a graph before the frontend rewrites it, which moves transpositions across the cuts."""
    cut_at_tensors(input_model, spec, outputs)
    inputs = input_model.get_inputs()
    declared = [port for port in spec.inputs if port.name]
    names = [port.name for port in declared]
    names += supported_mo_args.frozen_inputs(spec.mo_args)
    if find_detector(spec.mo_args) or _are_called(names, inputs):
        return
    starts = [_find_place(input_model, name) for name in names]
    ends = [_find_place(input_model, name) for name in spec.output_names]
    if None in starts or None in ends:
        return  # a later check reports the missing one
    others = [] if declared else inputs
    input_model.extract_subgraph([*others, *starts], ends or input_model.get_outputs())
    for port, place in zip(declared, starts, strict=False):
        shape = port.bounds or list(port.shape)
        if shape:
            input_model.set_partial_shape(place, import_openvino().PartialShape(shape))


def _are_called(names: Sequence[str], places: Sequence[Any]) -> bool:
    """Whether each name is that of one of the places; a first output is ``name`` or ``name:0``."""
    known = {name.removesuffix(":0") for place in places for name in place.get_names()}
    return all(name.removesuffix(":0") in known for name in names)


def _find_place(input_model: Any, name: str) -> Any | None:
    """The place of a tensor, of an operation, of its output ``name:1`` or of its input
    ``0:name``; None if there is none.
    """
    place = input_model.get_place_by_tensor_name(name)
    place = place or input_model.get_place_by_operation_name(name)
    first, _, last = name.partition(":")
    if place or not last:
        return place
    if first.isdecimal():
        operation = input_model.get_place_by_operation_name(last)
        return operation and operation.get_input_port(input_port_index=int(first))
    operation = input_model.get_place_by_operation_name(first)
    if operation is None or not last.isdecimal():
        return None
    return operation.get_output_port(output_port_index=int(last))


def cut_graph(path: Path, ends: Collection[str], starts: Mapping[str, Sequence[int]]) -> bytes:
    """The frozen graph of a file without the nodes that none of its new ends depends on.

    OpenVINO looks for the ends of each loop in the whole graph, which takes ten times as long with
    the loops of an SSD's boxes.

    Args:
        ends: the new ends; a loop's input (TensorArrayScatterV3) becomes the tensor that it gives
            to the loop.
        starts: the nodes that become inputs, with their shapes.

    Raises:
        ConversionError: the graph has no node of that name.
    """
    nodes = _read_nodes(path)
    try:
        for name in ends:
            if name.endswith("/TensorArrayScatterV3"):
                values = nodes[name].inputs[2:3]
                nodes[name] = _make_node(name, "Identity", "T", inputs=values)
        for name in starts.keys() & nodes.keys():
            nodes[name] = _make_node(name, "Placeholder", "dtype", starts[name])
        kept = set[str]()
        pending = list(ends)
        while pending:
            name = pending.pop().removeprefix("^").partition(":")[0]
            if name not in kept:
                kept.add(name)
                pending += nodes[name].inputs
    except KeyError as error:
        raise ConversionError(f"{path}: its graph has no {sanitize(error.args[0])}") from error
    return b"".join(node.content for name, node in nodes.items() if name in kept)


def _make_node(
    name: str, operation: str, kind: str, shape: Sequence[int] = (), inputs: Sequence[str] = ()
) -> _GraphNode:
    """A node of floats; ``kind`` is the name of the attribute that says so."""
    attributes: dict[str, Any] = {kind: {"type": "DT_FLOAT"}}
    if shape:
        attributes["shape"] = {"shape": {"dim": [{"size": size} for size in shape]}}
    content = encode_node(Operation(name, operation, inputs, attributes))
    return _GraphNode(content, tuple(inputs))


def _read_nodes(path: Path) -> dict[str, _GraphNode]:
    nodes = {}
    with map_file(path) as buffer:
        end = 0
        for field in read_fields(buffer):
            content = buffer[end : field.end]
            end = field.end
            if field.number != 1:
                continue
            names, inputs = read_texts(buffer, field, 1, 3)
            nodes[names[-1]] = _GraphNode(content, tuple(inputs))
    return nodes


def _read_weights(_spec: ModelSpec, path: Path) -> Iterator[Array]:
    """The float constants whose values are in the file as they are in memory."""
    with map_file(path) as buffer:
        # The nodes, their attributes, values, tensors.
        for tensor in find_messages(buffer, 1, 5, 2, 8):
            parts = {field.number: field for field in read_fields(buffer, tensor)}
            if not {1, 2, 4} <= set(parts) or buffer[parts[1].start] != 1:  # DT_FLOAT
                continue
            sizes = []
            for dim in read_fields(buffer, parts[2]):
                for field in read_fields(buffer, dim):
                    sizes += read_integers(buffer, field) if field.number == 1 else []
            yield from read_array(path, parts[4].start, parts[4].end, "<f4", sizes)


FORMAT = ModelFormat(
    "a frozen TensorFlow graph",
    is_frozen_graph,
    frontend="tf",
    image_layout="NHWC",
    endings=(".pb", ".json"),
    cut_before_conversion=_cut_input_model,
    read_weights=_read_weights,
    by_file_name={
        SAVED_MODEL_FILE: ModelFormat(
            "a TensorFlow SavedModel",
            is_saved_model,
            frontend="tf",
            image_layout="NHWC",
            openvino_input=lambda spec, path: path.parent,
            # The frontend would drop outputs that the file's signature does not name.
            cut_before_conversion=lambda model, spec, _: _cut_input_model(model, spec, ()),
        ),
        ".json": GRAPH_MODEL,
        ".weights": DARKNET,
        ".meta": ModelFormat(
            "a TensorFlow MetaGraph",
            is_meta_graph,
            frontend="tf",
            image_layout="NHWC",
            cut_before_conversion=_cut_input_model,
        ),
    },
)
