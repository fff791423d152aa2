"""Count the GFLOPs and millions of parameters of an IR by the same rule as Open Model Zoo's cards.

The rule was found by comparison with published cards (HigherHRNet: 92.8364 and 28.6180, digit for
digit). It counts two operations for each multiplication of a convolution, one for an addition and
for each value of a bias, two for a ReLU, and the window's size for each output value of a pooling.
Moving or resizing values is not counted. Parameters are the weights of such operations, in any
precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from math import prod
from typing import TYPE_CHECKING

from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Model, Node, Output


@frozen
class Complexity:
    """The cost of one inference."""

    gflops: float  # the number of operations / 10^9
    mparams: float  # the number of weights / 10^6


def compute_complexity(network: Model) -> Complexity | None:
    """The complexity of an ``openvino.Model``; None if it has dynamic sizes, on which the cost
    depends.

    Operations without a rule are not counted; all of our zoo that compute have one.
    """
    operations: list[Node] = []
    constants: set[str] = set()  # the names of weights, and of what unpacks them
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        sources = [source.get_node().get_friendly_name() for source in operation.input_values()]
        if kind == "Constant" or (sources and constants.issuperset(sources)):
            constants.add(operation.get_friendly_name())
        elif kind not in ("Parameter", "Result"):
            operations.append(operation)
    ports = chain.from_iterable(operation.outputs() for operation in operations)
    if any(port.get_partial_shape().is_dynamic for port in ports):
        return None
    flops = sum(map(_count_flops, operations))
    weights = _count_weights(operations, constants)
    return Complexity(flops / 1e9, weights / 1e6)


def _count_flops(operation: Node) -> float:
    kind = operation.get_type_name()
    size = sum(map(_size, operation.outputs()))
    if kind in _PER_VALUE:
        return _PER_VALUE[kind] * size
    if kind in _BY_WINDOW:
        return _BY_WINDOW[kind](operation) * size
    return 0.0


def _count_weights(operations: list[Node], constants: set[str]) -> int:
    """The values of the weights; a weight that is used twice counts once."""
    weights: dict[str, int] = {}
    for operation in operations:
        for index in _WEIGHT_INPUTS.get(operation.get_type_name(), ()):
            source = operation.input_value(index)
            node = source.get_node()
            if node.get_friendly_name() not in constants:
                continue
            # The node of the stored values, from which others decompress the weight.
            while node.get_type_name() != "Constant" and node.get_input_size():
                node = node.input_value(0).get_node()
            kind = node.get_element_type()
            if kind.is_real() or kind.get_type_name() in _QUANTIZED_TYPES:
                weights[node.get_friendly_name()] = _size(source)
    return sum(weights.values())


def _size(port: Output) -> int:
    # Not from the shape: a list of its sizes takes ten times as long, and a network has thousands
    # of ports.
    return int(port.get_tensor().size // port.get_element_type().size)


#: FLOPs for each output value.
_PER_VALUE: Mapping[str, int] = {
    "Add": 1, "Subtract": 1, "Multiply": 1, "Divide": 1, "Exp": 1, "Log": 1,
    "Relu": 2, "PRelu": 2, "Clamp": 2,
    "Elu": 3, "Sigmoid": 3, "HardSigmoid": 3, "SoftPlus": 3,
    "HSwish": 4, "NormalizeL2": 4, "Swish": 5, "Softmax": 5, "Tanh": 6, "Mish": 10,
}  # fmt: skip


def _shape(operation: Node, index: int) -> list[int]:
    return list(operation.input_value(index).shape)


def _attribute(operation: Node, name: str) -> list[int]:
    return list(operation.get_attributes()[name])


def _transposed(operation: Node, kernel_start: int) -> float:
    """Each input value is multiplied by the whole window; the strides give the number of output
    values.
    """
    shape = _shape(operation, 1)  # [in, out, *window], after the groups if there are any
    strides = _attribute(operation, "strides")
    return 2 * shape[kernel_start - 2] * prod(shape[kernel_start:]) / prod(strides)


def _pooling(operation: Node) -> float:
    # MaxPool has a second output, the positions of its values, which costs nothing.
    return prod(_attribute(operation, "kernel")) / len(operation.outputs())


def _multiplied_row(operation: Node) -> float:
    axis = -2 if operation.get_attributes()["transpose_a"] else -1
    return 2 * _shape(operation, 0)[axis]


#: FLOPs for each output value of operations with a window or a row.
_BY_WINDOW: Mapping[str, Callable[[Node], float]] = {
    "Convolution": lambda operation: 2 * prod(_shape(operation, 1)[1:]),  # [out, in, *window]
    # [groups, out, in, *window]
    "GroupConvolution": (lambda operation: 2 * prod(_shape(operation, 1)[2:])),
    "ConvolutionBackpropData": lambda operation: _transposed(operation, 2),
    "GroupConvolutionBackpropData": lambda operation: _transposed(operation, 3),
    "MatMul": _multiplied_row,
    "MaxPool": _pooling,
    "AvgPool": _pooling,
}

#: The indices of inputs that can be weights.
_WEIGHT_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*_BY_WINDOW, "PRelu"), (1,)),
    **dict.fromkeys(("MatMul", "Add", "Subtract", "Multiply", "Divide"), (0, 1)),
    "Gather": (0,),
    **dict.fromkeys(("MaxPool", "AvgPool"), ()),
}

# The types of quantized weights; other integers are sizes and positions.
_QUANTIZED_TYPES = ("i8", "u8", "i4", "u4")
