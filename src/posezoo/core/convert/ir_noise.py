"""The noise of an IR that the moved inputs of its original do not show: of ids, truths and bytes,
of an arg max between nearly equal values, and of values in 8 bits. The IR runs again with other
roundings inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posezoo.core.arrays import NamedArrays
from posezoo.core.convert.check_extent import reshape_to
from posezoo.core.convert.inner_tensors import OperationOrder
from posezoo.core.convert.node_comparison import is_step
from posezoo.core.convert.reference_outputs import EXACT, RECORDED_DRAWS, move_values
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import import_openvino, openvino_core

if TYPE_CHECKING:
    from openvino import Model, Node
    from openvino import Output as Port

# Operations whose constants are numbers to compute with, and not sizes or limits.
_ARITHMETIC = frozenset({
    "Add", "Convolution", "ConvolutionBackpropData", "Divide", "FakeQuantize", "GRUSequence",
    "Gather", "GroupConvolution", "GroupConvolutionBackpropData", "LSTMSequence", "MatMul",
    "Multiply", "Power", "RNNSequence", "Subtract",
})  # fmt: skip

# Operations whose results are values of their first input.
_ARRANGING = frozenset({
    "Concat", "Gather", "Relu", "Reshape", "Slice", "Squeeze", "StridedSlice", "Transpose",
    "Unsqueeze",
})  # fmt: skip


def run_moved(
    xml: Path, feeds: Sequence[NamedArrays], *, rounds_levels: bool
) -> Iterator[list[NamedArrays]]:
    """The outputs of an IR for each input, in several draws of roundings.

    Args:
        rounds_levels: move values before they are rounded to levels, by up to half of a level.

    Raises:
        RuntimeError: the IR cannot be run.
    """
    for draw in range(RECORDED_DRAWS):
        network = openvino_core().read_model(xml)
        reshape_to(network, feeds[0])
        rng = np.random.default_rng(draw)
        if rounds_levels:
            _move_levels(network, rng)
        else:
            _move_weights(network, rng)
            _move_before_steps(network, rng)
        network.validate_nodes_and_infer_types()
        if any(feed[name].shape != feeds[0][name].shape for feed in feeds for name in feed):
            network.reshape({name: [-1] * values.ndim for name, values in feeds[0].items()})
        compiled = openvino_core().compile_model(network, "CPU", EXACT)
        yield [run_compiled(compiled, feed) for feed in feeds]


def _move_weights(network: Model, rng: np.random.Generator) -> None:
    ov = import_openvino()
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Constant" or not _is_float(node.output(0)):
            continue
        readers = list(node.output(0).get_target_inputs())
        kinds = {reader.get_node().get_type_name() for reader in readers}
        if kinds <= _ARITHMETIC:
            moved = ov.op.Constant(np.asarray(move_values(node.data, rng)))
            for reader in readers:
                reader.replace_source_output(moved.output(0))


def _move_before_steps(network: Model, rng: np.random.Generator) -> None:
    """Move what an operation gets whose result a rounding changes altogether."""
    ov = import_openvino()
    for node in network.get_ordered_ops():
        if not is_step(node) or node.get_type_name() == "FakeQuantize":
            continue
        port = node.input_value(0)
        is_rounded = _is_float(port) and not _is_whole(port)
        if is_rounded and port.get_partial_shape().is_static:
            kind = port.get_element_type().to_dtype()
            factors = move_values(np.ones(port.get_shape(), kind), rng)
            moved = ov.opset13.multiply(port, ov.op.Constant(np.asarray(factors)))
            node.input(0).replace_source_output(moved.output(0))


def _move_levels(network: Model, rng: np.random.Generator) -> None:
    ov = import_openvino()
    computed = OperationOrder(network).kinds
    for node in network.get_ordered_ops():
        if node.get_type_name() != "FakeQuantize" or node.get_friendly_name() not in computed:
            continue
        step = _find_step(node)
        if step is None or node.get_input_partial_shape(0).is_dynamic:
            continue
        noise = rng.uniform(-0.5, 0.5, node.get_input_shape(0)) * step
        moved = ov.opset13.add(node.input_value(0), noise.astype(np.float32))
        node.input(0).replace_source_output(moved.output(0))


def _is_whole(port: Port) -> bool:
    """Whether a tensor has whole numbers, which no rounding changes: moved, all would tip over."""
    node = port.get_node()
    while node.get_type_name() in _ARRANGING:
        node = node.input_value(0).get_node()
    return is_step(node) or node.get_type_name() in ("Convert", "Constant")


def _is_float(port: Port) -> bool:
    """Whether a tensor has floats that numpy has, too."""
    return port.get_element_type().get_type_name() in ("f16", "f32", "f64")


def _find_step(node: Node) -> np.ndarray | None:
    """The distance of two levels of a FakeQuantize; None if the graph computes it."""
    low, high = (node.input_value(place).get_node() for place in (1, 2))
    if {low.get_type_name(), high.get_type_name()} != {"Constant"}:
        return None
    step: np.ndarray = (high.data - low.data) / (node.get_attributes()["levels"] - 1)
    return step
