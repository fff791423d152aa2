"""Replace operations of an ONNX file that OpenVINO reads wrongly, or not at all.

OpenVINO ignores some attributes without a word, so these operations are found before. What replaces
them computes the same; an operation that depends on unknown sizes stays, and the self-check
compares it with ONNX Runtime, or the file is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import starmap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.feature_steps import OnnxRewriting
from posezoo.core.convert.protobuf_reader import (
    VARINT,
    Buffer,
    ProtobufField,
    encode_field,
    find_messages,
    map_file,
    read_fields,
    read_texts,
    read_varint,
)
from posezoo.core.errors import ConversionError, MissingPackageError, import_optional, sanitize
from posezoo.core.values import frozen
from posezoo.formats.onnx_inlining import inline_functions
from posezoo.formats.resize_weights import AxisResize, compute_weights, find_nearest

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# The types of TensorProto.
_FLOATS = {1: "f4", 10: "f2", 11: "f8"}
_BFLOAT16 = 16

# The attributes whose operations are replaced: their names with integers or texts.
_ATTRIBUTES: Sequence[tuple[bytes, int | bytes]] = (
    (b"antialias", 1),
    (b"exclude_outside", 1),
    (b"coordinate_transformation_mode", b"half_pixel_symmetric"),
    (b"keep_aspect_ratio_policy", b"not_larger"),
    (b"keep_aspect_ratio_policy", b"not_smaller"),
    (b"mode", b"wrap"),
    (b"ceil_mode", 1),
)
# Of Softmax, which then has one axis in each version.
_LAST_AXIS = encode_field(1, b"axis") + encode_field(3, -1)
# From version 13 of the standard, Softmax has one axis; in these it has all from there on.
_FLAT_SOFTMAX = {11, 12}
# The values of all weights that one resize needs: 64 MB.
_MAX_WEIGHTS = 1 << 24


def rewrite_operations(path: Path, *, is_compared: bool) -> bytes | None:
    """The ONNX file without operations that OpenVINO reads wrongly; None if it has none, or if
    their sizes are unknown.

    Args:
        path: the file.
        is_compared: whether the result is compared with ONNX Runtime if that is installed.

    Raises:
        ConversionError: there is one that cannot be replaced, and the result is not compared.
    """
    misread = _find_misread(path)
    if not misread:
        return None
    try:
        onnx = import_optional("onnx", extra="convert")
    except MissingPackageError as error:
        _require_comparison(path, misread, error, is_compared=is_compared)
        return None
    model = onnx.load(path)
    graph = _OnnxGraph(onnx, model)
    is_changed = _store_bfloat16_as_bytes(graph)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        replace = _REWRITES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        try:
            replaced = replace(graph, node) if replace else None
        except _UnknownSizesError:
            operation = f"{node.op_type} {sanitize(node.output[0])}"
            _require_comparison(path, operation, is_compared=is_compared)
            replaced = None
        is_changed |= replaced is not None
        nodes.extend([node] if replaced is None else replaced)
    if not is_changed:
        return None
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


class _UnknownSizesError(Exception):
    """An operation is read wrongly, and cannot be replaced."""


def _require_comparison(
    path: Path, operation: str, missing: MissingPackageError | None = None, *, is_compared: bool
) -> None:
    if is_compared and find_spec("onnxruntime"):
        return
    reason = "it cannot be replaced, as sizes are unknown"
    hint = "export it with fixed sizes, or use posezoo convert, which compares the IR"
    if missing:
        reason = "the package onnx, which replaces it, is not installed"
        hint = missing.hint
    comparison = "an ONNX file that is run directly is not compared with ONNX Runtime"
    if is_compared:
        comparison = "ONNX Runtime, which the IR would be compared with, is not installed"
        hint = MissingPackageError("onnxruntime", extra="run").hint
    raise ConversionError(
        f"{path}: OpenVINO may read its {operation} wrongly: {reason}, and {comparison}", hint=hint
    )


def _find_misread(path: Path) -> str:
    with map_file(path) as buffer:
        patterns = _list_misread(buffer)
        for node in find_messages(buffer, 7, 1):  # the graph, its nodes
            content = buffer[node.start : node.end]
            is_misread = any(pattern in content for pattern in patterns)
            # A Constant has a tensor (field 5) in an attribute (5).
            tensors = find_messages(buffer, 5, 5, within=node)
            is_misread |= any(_is_misread_weight(buffer, tensor) for tensor in tensors)
            if is_misread and _LAST_AXIS not in content:
                outputs, kinds = read_texts(buffer, node, 2, 4)
                return f"{kinds[-1]} {sanitize(outputs[0])}" if kinds and outputs else "graph"
        for weight in find_messages(buffer, 7, 5):  # its initializers
            if _is_misread_weight(buffer, weight):
                return "weight in bfloat16"
    return ""


def _list_misread(buffer: Buffer) -> list[bytes]:
    """The bytes that one of the operations has which OpenVINO reads wrongly, in this version of the
    standard.
    """
    # The name is field 1, an integer field 3, a text field 4.
    patterns = [
        encode_field(1, name) + encode_field(4 if isinstance(value, bytes) else 3, value)
        for name, value in _ATTRIBUTES
    ]
    versions = [  # of the sets of operations
        number
        for operations in find_messages(buffer, 8)
        for number in _read_numbers(buffer, *read_fields(buffer, operations))
    ]
    if not _FLAT_SOFTMAX.isdisjoint(versions):
        patterns.append(encode_field(4, b"Softmax"))
    return patterns


def _is_misread_weight(buffer: Buffer, tensor: ProtobufField) -> bool:
    """Whether a tensor's type (field 2) is bfloat16, and its values are in integers (5)."""
    fields = [*read_fields(buffer, tensor)]
    has_integers = any(field.number == 5 for field in fields)
    return has_integers and _BFLOAT16 in _read_numbers(buffer, *fields)


def _read_numbers(buffer: Buffer, *fields: Any) -> list[int]:
    chosen = [field for field in fields if field.number == 2 and field.kind == VARINT]
    return [read_varint(buffer, field.start, field.end)[0] for field in chosen]


class _OnnxGraph:
    def __init__(self, onnx: ModuleType, model: ModelProto) -> None:
        self.onnx = onnx
        self.tensors = model.graph.initializer
        self.constants = {tensor.name: tensor for tensor in self.tensors}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].HasField("t"):
                self.constants[node.output[0]] = node.attribute[0].t
        versions = {each.domain: each.version for each in model.opset_import}
        self.version = versions.get("", versions.get("ai.onnx", 0))
        graph = onnx.shape_inference.infer_shapes(model).graph
        ports = (*graph.input, *graph.value_info, *graph.output)
        self.types = {port.name: port.type.tensor_type for port in ports}

    def shape(self, name: str) -> list[int] | None:
        """The sizes of a tensor, 0 if one is not fixed; None if their number is unknown."""
        if name in self.constants:
            return list(self.constants[name].dims)
        kind = self.types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        return [size.dim_value for size in kind.shape.dim]

    def values(self, name: str) -> Array | None:
        tensor = self.constants.get(name)
        return None if tensor is None else self.onnx.numpy_helper.to_array(tensor)

    def attributes(self, node: NodeProto) -> dict[str, Any]:
        values = {each.name: self.onnx.helper.get_attribute_value(each) for each in node.attribute}
        return {
            name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for name, value in values.items()
        }

    def chain(self, node: NodeProto, steps: Sequence[_Step]) -> list[NodeProto]:
        """One node after the other, from a node's first input to its first output."""
        nodes = []
        value = node.input[0]
        result = node.output[0]
        for number, step in enumerate(steps):
            target = result if number == len(steps) - 1 else f"{result}/step{number}"
            given = [value]
            if step.constant is not None:
                constant = f"{result}/constant{number}"
                values = self.onnx.numpy_helper.from_array(step.constant, constant)
                self.tensors.append(values)
                given = [constant, value] if step.is_left else [value, constant]
            nodes.append(
                self.onnx.helper.make_node(
                    step.kind, given, [target], f"{result}/node{number}", **step.attributes
                )
            )
            value = target
        return nodes


@frozen
class _Step:
    """An operation with one more input at most, a constant."""

    kind: str
    attributes: Mapping[str, Any]
    constant: Array | None = None
    is_left: bool = False


def _store_bfloat16_as_bytes(graph: _OnnxGraph) -> bool:
    """OpenVINO takes the list of integers that may hold these numbers for the numbers."""
    is_changed = False
    for tensor in graph.constants.values():
        if tensor.data_type == _BFLOAT16 and tensor.int32_data:
            tensor.raw_data = np.array(tensor.int32_data, "<u2").tobytes()
            tensor.ClearField("int32_data")
            is_changed = True
    return is_changed


def _rewrite_softmax(graph: _OnnxGraph, node: NodeProto) -> list[NodeProto] | None:
    if graph.version not in _FLAT_SOFTMAX:
        return None
    axis = graph.attributes(node).get("axis", 1)
    shape = graph.shape(node.input[0])
    if axis == -1 or (shape and axis == len(shape) - 1):
        return None
    make_node = graph.onnx.helper.make_node
    result = node.output[0]
    return [
        make_node("Shape", [node.input[0]], [f"{result}/shape"]),
        make_node("Flatten", [node.input[0]], [f"{result}/flat"], axis=axis),
        make_node("Softmax", [f"{result}/flat"], [f"{result}/softmax"], node.name, axis=1),
        make_node("Reshape", [f"{result}/softmax", f"{result}/shape"], [result]),
    ]


def _rewrite_pad(graph: _OnnxGraph, node: NodeProto) -> list[NodeProto] | None:
    """A Pad that continues at the other edge, as Gather."""
    shape = graph.shape(node.input[0])
    pads = graph.values(node.input[1]) if len(node.input) > 1 else None
    if graph.attributes(node).get("mode") != "wrap":
        return None
    # The standard does not say what is continued where pixels are removed.
    if shape is None or pads is None or pads.min() < 0:
        raise _UnknownSizesError
    axes = _read_axes(graph, node, len(shape))
    if axes is None or not all(shape[axis] for axis in axes):
        raise _UnknownSizesError
    steps = []
    for axis, before, after in zip(axes, *pads.reshape(2, -1).tolist(), strict=True):
        if before or after:
            indices = np.arange(-before, shape[axis] + after) % shape[axis]
            steps.append(_Step("Gather", {"axis": axis}, indices))
    return graph.chain(node, steps or [_Step("Identity", {})])


def _read_axes(graph: _OnnxGraph, pad: NodeProto, rank: int) -> list[int] | None:
    """The axes in the fourth input of a Pad, or all; None if they are computed."""
    name = next(iter(pad.input[3:]), "")
    if not name:
        return list(range(rank))
    axes = graph.values(name)
    return None if axes is None else [int(axis) % rank for axis in axes]


def _rewrite_pool(graph: _OnnxGraph, node: NodeProto) -> list[NodeProto] | None:
    """A pooling with ``ceil_mode``, as one whose padding reaches to the end of the last window.

    OpenVINO keeps a last window of MaxPool that begins in the padding, and counts in averages what
    lies after the padding.
    """
    attributes = graph.attributes(node)
    shape = (graph.shape(node.input[0]) or [])[2:]
    counts = attributes.get("count_include_pad", 0) == 1
    is_average = node.op_type == "AveragePool"
    is_padded = attributes.get("auto_pad", "NOTSET") == "NOTSET"
    if not attributes.get("ceil_mode") or not is_padded:
        return None
    if graph.version < 11 or (is_average and not counts):
        return None
    kernels = attributes["kernel_shape"]
    rank = len(kernels)
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    spans = zip(kernels, dilations, strict=True)
    reaches = [dilation * (kernel - 1) + 1 for kernel, dilation in spans]
    if not shape or not all(shape):
        if _is_misread_at_some_size(is_average, strides, reaches, pads[rank:]):
            raise _UnknownSizesError
        return None
    axes = zip(shape, strides, reaches, pads[:rank], pads[rank:], strict=True)
    added, begin_outside = zip(*starmap(_find_last_window, axes), strict=True)
    is_misread = max(added) > 0 if is_average else any(begin_outside)
    if not is_misread:
        return None
    steps = []
    if is_average:
        borders = [0, 0, *pads[:rank], 0, 0, *pads[rank:]]
        steps.append(_Step("Pad", {}, np.array(borders, np.int64)))
        pads = [0] * 2 * rank
        attributes["count_include_pad"] = 0
    ends = [max(0, pad + more) for pad, more in zip(pads[rank:], added, strict=True)]
    attributes |= {"ceil_mode": 0, "pads": [*pads[:rank], *ends]}
    nodes = graph.chain(node, [*steps, _Step(node.op_type, attributes)])
    nodes[-1].output.extend(node.output[1:])
    return nodes


def _find_last_window(size: int, stride: int, reach: int, begin: int, end: int) -> tuple[int, bool]:
    """How far the last window of an axis reaches beyond the padding, and whether OpenVINO has
    another one that begins there.

    Args:
        size: of the image along the axis.
        reach: of a window.
        begin: the padding before the image.
        end: the padding after it.
    """
    padded = begin + size + end
    windows = math.ceil((padded - reach) / stride) + 1
    begins_outside = (windows - 1) * stride >= begin + size
    windows -= begins_outside
    return (windows - 1) * stride + reach - padded, begins_outside


def _is_misread_at_some_size(
    is_average: bool, strides: Sequence[int], reaches: Sequence[int], ends: Sequence[int]
) -> bool:
    if is_average:
        return max(strides) > 1
    axes = zip(strides, reaches, ends, strict=True)
    return any(stride + end > reach for stride, reach, end in axes)


def _rewrite_resize(graph: _OnnxGraph, node: NodeProto) -> list[NodeProto] | None:
    """A Resize with an attribute that OpenVINO lacks or ignores, as products with weights."""
    attributes = graph.attributes(node)
    shape = graph.shape(node.input[0])
    kind = graph.types.get(node.input[0])
    dtype = kind and _FLOATS.get(kind.elem_type)
    if not _is_misread_resize(attributes):
        return None
    if not shape or not all(shape) or not dtype:
        raise _UnknownSizesError
    axes = [axis % len(shape) for axis in attributes.get("axes", range(len(shape)))]
    resized = _resize_axes(graph, node, [shape[axis] for axis in axes], attributes)
    steps = [
        _resize_axis(axis, len(shape), size, attributes, dtype)
        for axis, size in zip(axes, resized, strict=True)
        if size.output != size.input or size.scale != 1
    ]
    return graph.chain(node, steps) if steps else None


def _resize_axis(
    axis: int, rank: int, size: AxisResize, attributes: Mapping[str, Any], dtype: Any
) -> _Step:
    if attributes.get("mode", "nearest") == "nearest":
        return _Step("Gather", {"axis": axis}, find_nearest(size, attributes))
    if axis < rank - 2 or size.input * size.output > _MAX_WEIGHTS:
        raise _UnknownSizesError
    weights = compute_weights(size, attributes).astype(dtype)
    is_last = axis == rank - 1
    weights = np.ascontiguousarray(weights.T) if is_last else weights
    return _Step("MatMul", {}, weights, is_left=not is_last)


def _is_misread_resize(attributes: Mapping[str, Any]) -> bool:
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    if coordinates == "tf_crop_and_resize":
        return False
    return (
        attributes.get("antialias") == 1
        or attributes.get("exclude_outside") == 1
        or attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch"
        or coordinates == "half_pixel_symmetric"
    )


def _resize_axes(
    graph: _OnnxGraph, node: NodeProto, sizes: Sequence[int], attributes: Mapping[str, Any]
) -> list[AxisResize]:
    names = [*node.input, "", "", ""]
    if names[3]:
        outputs = graph.values(names[3])
        if outputs is None or len(outputs) != len(sizes):
            raise _UnknownSizesError
        scales = [output / size for output, size in zip(outputs.tolist(), sizes, strict=True)]
        choose = _POLICIES.get(attributes.get("keep_aspect_ratio_policy", "stretch"))
        if choose:
            scales = [choose(scales)] * len(sizes)
            outputs = np.floor(np.multiply(scales, sizes) + 0.5)
    else:
        given = graph.values(names[2])
        if given is None or len(given) != len(sizes):
            raise _UnknownSizesError
        scales = given.tolist()
        outputs = np.floor(given.astype("f4") * np.array(sizes, "f4"))
    if not all(0 < output <= _MAX_WEIGHTS for output in outputs):
        raise _UnknownSizesError
    return [
        AxisResize(size, int(output), scale)
        for size, output, scale in zip(sizes, outputs, scales, strict=True)
    ]


_POLICIES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "not_larger": min,
    "not_smaller": max,
}

_REWRITES: Mapping[str, Callable[[_OnnxGraph, NodeProto], list[NodeProto] | None]] = {
    "AveragePool": _rewrite_pool,
    "MaxPool": _rewrite_pool,
    "Pad": _rewrite_pad,
    "Resize": _rewrite_resize,
    "Softmax": _rewrite_softmax,
}


class _RewritingForOpenVino(OnnxRewriting):
    before_reading = staticmethod(rewrite_operations)
    after_failure = staticmethod(inline_functions)


REWRITING = _RewritingForOpenVino()
