"""Which operations of a network compute with INT8 weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The operations that compute with weights.
WEIGHTED = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul")

# What NNCF and the conversion put between weights and the operation that takes them.
_BETWEEN = ("Convert", "FakeQuantize", "Multiply", "Reshape", "Subtract", "Transpose")


def count_layers(network: Any) -> int:
    """The number of operations with weights."""
    return len(list(_find_weights(network)))


def layers_in_float(network: Any) -> list[str]:
    """The names of the operations whose weights are not in INT8."""
    return [name for name, is_float in _find_weights(network) if is_float]


def _find_weights(network: Any) -> Iterator[tuple[str, bool]]:
    for operation in network.get_ordered_ops():
        if operation.get_type_name() not in WEIGHTED:
            continue
        source = operation.input_value(1).get_node()
        is_rounded = False
        while source.get_type_name() in _BETWEEN:
            is_rounded = is_rounded or source.get_type_name() == "FakeQuantize"
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant":
            is_float = not is_rounded and source.get_element_type().is_real()
            yield operation.get_friendly_name(), is_float
