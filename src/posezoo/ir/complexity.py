"""What an IR costs: GFLOPs and millions of parameters, counted as Open Model Zoo's cards count.

The rule was found by holding counts against published cards (HigherHRNet: 92.8364 and 28.6180, digit for
digit): two operations for each multiplication of a convolution, one for an addition and for each value of
a bias, two for a ReLU, the window's size for each value that a pooling gives; nothing for what only moves or
resizes values. Parameters are the numbers that such operations hold, in whatever precision they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from posezoo.ir.openvino_import import import_openvino


@dataclass(frozen=True, slots=True)
class Complexity:
    """What one inference takes.

    Attributes:
        gflops: 10^9 operations.
        mparams: 10^6 weights.
    """

    gflops: float
    mparams: float


def read_complexity(xml: Path, shapes: Mapping[str, Collection[int]] | None = None) -> Complexity | None:
    """The complexity of an IR on disk; see ``compute_complexity``.

    Args:
        xml: the IR, its .bin beside it.
        shapes: of inputs by name, where the IR leaves sizes open, or others are meant than its own.

    Raises:
        MissingPackageError: OpenVINO is not installed, or too old.
        RuntimeError: there is no IR, or an input cannot have such a shape.
    """
    network = import_openvino().Core().read_model(xml)
    if shapes:
        network.reshape({name: list(shape) for name, shape in shapes.items()})
    return compute_complexity(network)


def compute_complexity(network: Any) -> Complexity | None:
    """The complexity of an ``openvino.Model``; None where sizes are open, so that there is no one number.

    Operations that the rule has no number for count nothing: those of our zoo that do compute are all known.
    """
    operations, constant = _split_by_reachability(network)
    if any(port.get_partial_shape().is_dynamic for each in operations for port in each.outputs()):
        return None
    flops = sum(_flops(operation) for operation in operations)
    # By the constant's name: a weight that two operations share is one.
    weights = {name: size for each in operations for name, size in _weights(each, constant)}
    return Complexity(flops / 1e9, sum(weights.values()) / 1e6)


_ENDS = ("Parameter", "Result")


def _split_by_reachability(network: Any) -> tuple[list[Any], set[str]]:
    """The operations that the image reaches, and the names of the others: weights, and what unpacks them."""
    computing: list[Any] = []
    constant: set[str] = set()
    for operation in network.get_ordered_ops():
        kind, sources = operation.get_type_name(), operation.input_values()
        if kind == "Constant" or (
            sources and all(source.get_node().get_friendly_name() in constant for source in sources)
        ):
            constant.add(operation.get_friendly_name())
        elif kind not in _ENDS:
            computing.append(operation)
    return computing, constant


def _flops(operation: Any) -> float:
    kind = operation.get_type_name()
    if kind in _PER_VALUE:
        return _PER_VALUE[kind] * _values(operation)
    return _BY_WINDOW[kind](operation) * _values(operation) if kind in _BY_WINDOW else 0


def _values(operation: Any) -> int:
    return sum(_size(port) for port in operation.outputs())


def _size(port: Any) -> int:
    # By its bytes: a list of a shape's sizes takes ten times as long, and a network has thousands of ports.
    return int(port.get_tensor().size // port.get_element_type().size)


#: Operations for each value that comes out.
_PER_VALUE: Mapping[str, int] = {
    "Add": 1, "Subtract": 1, "Multiply": 1, "Divide": 1, "Exp": 1, "Log": 1,
    "Relu": 2, "PRelu": 2, "Clamp": 2,
    "Elu": 3, "Sigmoid": 3, "HardSigmoid": 3, "SoftPlus": 3,
    "HSwish": 4, "NormalizeL2": 4, "Swish": 5, "Softmax": 5, "Tanh": 6, "Mish": 10,
}  # fmt: skip


def _shape(operation: Any, index: int) -> list[int]:
    return list(operation.input_value(index).shape)


def _attribute(operation: Any, name: str) -> list[int]:
    return list(operation.get_attributes()[name])


def _convolution(operation: Any) -> float:
    return 2 * prod(_shape(operation, 1)[1:])  # [out, in, *window]


def _grouped(operation: Any) -> float:
    return 2 * prod(_shape(operation, 1)[2:])  # [groups, out, in, *window]


def _transposed(operation: Any) -> float:
    """Each value that goes in meets the whole window; as many come out as the strides say."""
    shape = _shape(operation, 1)  # [in, out, *window]
    return 2 * shape[0] * prod(shape[2:]) / prod(_attribute(operation, "strides"))


def _transposed_grouped(operation: Any) -> float:
    shape = _shape(operation, 1)  # [groups, in, out, *window]
    return 2 * shape[1] * prod(shape[3:]) / prod(_attribute(operation, "strides"))


def _product(operation: Any) -> float:
    turned = bool(operation.get_attributes()["transpose_a"])
    return 2 * _shape(operation, 0)[-2 if turned else -1]


def _pooling(operation: Any) -> float:
    # MaxPool also gives where it found each value: that costs nothing.
    return prod(_attribute(operation, "kernel")) / len(operation.outputs())


#: Operations for each value that comes out, where a window or a row decides.
_BY_WINDOW: Mapping[str, Callable[[Any], float]] = {
    "Convolution": _convolution,
    "GroupConvolution": _grouped,
    "ConvolutionBackpropData": _transposed,
    "GroupConvolutionBackpropData": _transposed_grouped,
    "MatMul": _product,
    "MaxPool": _pooling,
    "AvgPool": _pooling,
}

#: The inputs that weights come in by.
_WEIGHTED: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*_BY_WINDOW, "PRelu"), (1,)),
    **dict.fromkeys(("MatMul", "Add", "Subtract", "Multiply", "Divide"), (0, 1)),
    "Gather": (0,),
    **dict.fromkeys(("MaxPool", "AvgPool"), ()),
}


def _weights(operation: Any, constant: set[str]) -> Iterator[tuple[str, int]]:
    """The name and size of each constant that an operation computes with."""
    for index in _WEIGHTED.get(operation.get_type_name(), ()):
        source = operation.input_value(index)
        node = source.get_node()
        if node.get_friendly_name() not in constant:
            continue
        while node.get_type_name() != "Constant" and node.get_input_size():
            node = node.input_value(0).get_node()  # from the unpacked values to the stored ones
        if node.get_element_type().is_real() or node.get_element_type().get_type_name() in _SMALL:
            yield node.get_friendly_name(), _size(source)


# What quantized weights are stored in; other integers are sizes and places.
_SMALL = ("i8", "u8", "i4", "u4")
