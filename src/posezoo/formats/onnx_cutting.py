"""Read the operations of an ONNX model, and let it begin at tensors inside of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from posezoo.core.arrays import NamedArrays
from posezoo.core.convert.formats import OriginalGraph, OriginalNode, Step
from posezoo.core.errors import import_optional

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Their results depend on sizes alone.
_SIZES = ("Shape", "Size")

_STEPS = {
    **dict.fromkeys((
        "ArgMax", "ArgMin", "Ceil", "Compress", "Equal", "Floor", "Greater", "GreaterOrEqual",
        "Hardmax", "IsInf", "Less", "LessOrEqual", "NonZero", "Round", "Sign", "TopK", "Unique",
    ), Step.EXACT),
    **dict.fromkeys(("BitShift", "DynamicQuantizeLinear", "Mod", "QuantizeLinear"), Step.EDGED),
    **dict.fromkeys((
        "DynamicQuantizeLSTM", "If", "Loop", "MaxRoiPool", "NonMaxSuppression", "QAttention",
        "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearConv",
        "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMatMul", "QLinearMul",
        "QLinearSigmoid", "QLinearSoftmax", "RoiAlign", "Scan", "SequenceMap",
    ), Step.CLOSED),
}  # fmt: skip

#: Behind the name of a tensor, which the model takes, that of the same tensor as it computes it.
COMPUTED = ":computed"


def read_graph(content: bytes, floats: Collection[str]) -> OriginalGraph:
    """The operations of a model that depend on the values of its inputs.

    Args:
        floats: the names of its tensors of floats.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    model = _load(content)
    functions = {function.name for function in model.functions}
    computed = {port.name for port in model.graph.input}
    computed -= {constant.name for constant in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        taken = tuple(name for name in _read_inputs(node) if name in computed)
        if not taken or node.op_type in _SIZES:
            continue
        computed.update(filter(None, node.output))
        step = Step.CLOSED if node.op_type in functions else _find_step(node)
        title = f"{node.name or node.output[0]} ({node.op_type})"
        nodes.append(OriginalNode(title, taken, tuple(filter(None, node.output)), step))
    copies = [node for node in model.graph.node if node.op_type == "Identity"]
    return OriginalGraph(nodes, floats, {node.output[0]: node.input[0] for node in copies})


def begin_at(content: bytes, fed: NamedArrays) -> bytes:
    """A model that takes these tensors, too, in place of what it computes there; that has
    ``COMPUTED`` behind its name.

    Args:
        fed: arrays of the types of the tensors, by name.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    onnx = import_optional("onnx", extra="convert")
    model = _load(content)
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name in fed:
                node.output[place] = f"{name}{COMPUTED}"
    for name, values in fed.items():
        kind = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
        shape = [None] * values.ndim
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    described = [port for port in model.graph.value_info if port.name not in fed]
    del model.graph.value_info[:]
    model.graph.value_info.extend(described)
    cut: bytes = model.SerializeToString()
    return cut


def _load(content: bytes) -> ModelProto:
    onnx = import_optional("onnx", extra="convert")
    model: ModelProto = onnx.load_from_string(content)
    return model


def _read_inputs(node: NodeProto) -> Iterator[str]:
    """The tensors that a node takes, also those that its bodies take from outside."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from _read_inputs(inner)
            yield from (port.name for port in body.output)


def _find_step(node: NodeProto) -> Step | None:
    if node.op_type == "Cast":
        (kind,) = (each.i for each in node.attribute if each.name == "to")
        onnx = import_optional("onnx", extra="convert")
        is_real = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).kind not in "biu"
        return None if is_real else Step.EXACT
    if node.op_type == "GridSample":
        modes = [each.s for each in node.attribute if each.name == "mode"]
        return Step.CLOSED if b"nearest" in modes else None
    return _STEPS.get(node.op_type)
