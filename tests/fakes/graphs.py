"""Small ONNX graphs of several kinds of inputs, to hold what converters make of their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
Port = tuple[str, int, Sequence[int | str] | None]


def written(
    title: str,
    nodes: Sequence[NodeProto],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    constants: Mapping[str, ArrayLike] | None = None,
    *,
    opset: int = 13,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a graph; the same for the same arguments."""
    ports = [[helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs)]
    weights = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(list(nodes), title, *ports, weights)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def joined() -> bytes:
    """Three channels of a photo and one of a mask beside each other."""
    ports = [
        (name, FLOAT, (1, channels, 4, 6))
        for name, channels in (("photo", 3), ("mask", 1), ("both", 4))
    ]
    return written(
        "joined",
        [helper.make_node("Concat", ["photo", "mask"], ["both"], axis=1)],
        ports[:2],
        ports[2:],
    )


def pair() -> bytes:
    """Two pictures of three channels, the second taken off the first twice."""
    ports = [(name, FLOAT, (1, 3, 4, 6)) for name in ("left", "right", "off", "more")]
    nodes = [
        helper.make_node("Sub", ["left", "right"], ["off"], "off"),
        helper.make_node("Sub", ["off", "right"], ["more"], "more"),
    ]
    return written("pair", nodes, ports[:2], ports[2:])


def rows() -> bytes:
    """A matrix product: no picture at all."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"], "hidden"),
        helper.make_node("Tanh", ["hidden"], ["y"], "y"),
    ]
    return written(
        "rows", nodes, [("x", FLOAT, ("batch", 4))], [("y", FLOAT, ("batch", 3))], {"w": weights}
    )


def signal() -> bytes:
    """A convolution over time: (1, 2, T)."""
    kernel = np.random.default_rng(7).normal(size=(3, 2, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["sound", "k"], ["heard"], "heard", pads=[1, 1])]
    return written(
        "signal",
        nodes,
        [("sound", FLOAT, (1, 2, "T"))],
        [("heard", FLOAT, (1, 3, "T"))],
        {"k": kernel},
    )


def clip() -> bytes:
    """A convolution over a clip of pictures: (1, 3, 4, 6, 8)."""
    kernel = np.random.default_rng(8).normal(size=(2, 3, 1, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["clip", "k"], ["seen"], "seen", pads=[0, 1, 1, 0, 1, 1])]
    return written(
        "clip",
        nodes,
        [("clip", FLOAT, (1, 3, 4, 6, 8))],
        [("seen", FLOAT, (1, 2, 4, 6, 8))],
        {"k": kernel},
    )


def words() -> bytes:
    """Rows of a table, chosen by numbers: an input of whole numbers."""
    table = np.random.default_rng(9).normal(size=(10, 4)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", "words"], ["found"], "found", axis=0)]
    return written(
        "words",
        nodes,
        [("words", TensorProto.INT64, (1, 5))],
        [("found", FLOAT, (1, 5, 4))],
        {"table": table},
    )


def halves() -> bytes:
    """One operation with two outputs."""
    nodes = [
        helper.make_node("Split", ["x", "sizes"], ["upper", "lower"], "halves", axis=1),
        helper.make_node("Relu", ["upper"], ["bright"], "bright"),
        helper.make_node("Neg", ["lower"], ["dark"], "dark"),
    ]
    ports = [(name, FLOAT, (1, 2, 4, 6)) for name in ("bright", "dark")]
    sizes = {"sizes": np.array([2, 2], np.int64)}
    return written("halves", nodes, [("x", FLOAT, (1, 4, 4, 6))], ports, sizes)
