"""The activations of Caffe's and Darknet's layers, by their names and second names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posezoo.core.ir.openvino_graph import Node, Output
from posezoo.core.ir.openvino_graph import opset14 as ops

#: Adds the operations of an activation, and returns the node, or the output itself if it is linear.
Activation = Callable[[Output], Node | Output]


def _clip(low: float, high: float) -> Activation:
    return lambda output: ops.clamp(output, low, high)


def _slope(below: float) -> Activation:
    return lambda output: ops.prelu(output, np.array([below], np.float32))


def _gelu(output: Output) -> Node:
    """Darknet's approximation (activations.h)."""
    cube = ops.multiply(output, ops.multiply(output, output))
    inner = ops.add(
        ops.multiply(output, np.float32(0.797885)), ops.multiply(cube, np.float32(0.035677))
    )
    half = ops.multiply(output, np.float32(0.5))
    return ops.multiply(half, ops.add(ops.tanh(inner), np.float32(1)))


_ACTIVATIONS: dict[str, Activation] = {
    "elu": lambda output: ops.elu(output, 1.0),
    "gelu": _gelu,
    "hardsigmoid": ops.hsigmoid,
    "hardswish": ops.hswish,
    "hardtanh": _clip(-1, 1),
    "leaky": _slope(0.1),
    "linear": lambda output: output,
    "mish": ops.mish,
    "relie": _slope(0.01),
    "relu": ops.relu,
    "relu6": _clip(0, 6),
    "selu": lambda output: ops.selu(output, np.float32(1.6732632), np.float32(1.0507010)),
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "swish": lambda output: ops.multiply(output, ops.sigmoid(output)),
    "tanh": ops.tanh,
}

_ALIASES = {
    "bnll": "softplus",  # Caffe's
    "hardtan": "hardtanh",
    "hsigmoid": "hardsigmoid",
    "hswish": "hardswish",
    "leakyrelu": "leaky",
    "logistic": "sigmoid",
    "lrelu": "leaky",
    "silu": "swish",
}


def find_activation(name: str) -> Activation | None:
    """The activation of this name or second name, without regard to case and underscores."""
    plain = name.lower().replace("_", "")
    return _ACTIVATIONS.get(_ALIASES.get(plain, plain))
