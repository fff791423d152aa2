"""Compare what a device computes with what the CPU computes in f32, and find the operation where
they begin to differ.

A value may differ by ``FACTOR`` times its noise: what changes if each constant of the network is
rounded otherwise in the device's precision. Noise above ``LARGEST_NOISE`` proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import Tensor
from posezoo.core.convert.proof_result import LARGEST_NOISE
from posezoo.core.errors import InferenceError
from posezoo.core.ir.openvino_import import error_text, import_openvino
from posezoo.core.values import frozen
from posezoo.proof.difference import FACTOR, OFFSET, compute_difference
from posezoo.proof.inner_tensors import OperationOrder, compile_tensors
from posezoo.proof.reference_outputs import EXACT
from posezoo.run.runtime.runtime_config import RuntimeConfig

if TYPE_CHECKING:
    from openvino import Model

#: The relative step between two numbers of a precision.
STEPS = {"f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}

#: How often the constants are moved at most, while a value differs by too much.
DRAWS = 4

#: Constants of so few values are not moved: those that scale a resize decide on sizes.
FEW = 4

#: How many operations are measured at a time while the first one that differs is sought.
WIDTH = 16

AGREES = "agrees"
DIFFERS = "differs"
PROVES_NOTHING = "proves nothing"


@frozen
class TensorDifference:
    """How much a tensor on the device differs from the CPU's, relative to its largest value.

    Attributes:
        difference, limit, noise: over all inputs, the largest difference, and how much is allowed.
        case: the number of the input with the largest difference.
        index: where it is in the tensor; empty if the shapes differ.
        expected, actual: the values there, of the CPU and of the device.
    """

    difference: float
    limit: float
    noise: float
    case: int
    index: tuple[int, ...] = ()
    expected: float | None = None
    actual: float | None = None

    @property
    def verdict(self) -> str:
        """``AGREES``, ``DIFFERS`` or ``PROVES_NOTHING``."""
        if not self.difference <= self.limit:  # also nan
            return DIFFERS
        return AGREES if self.noise <= LARGEST_NOISE else PROVES_NOTHING


@frozen
class FirstDifference:
    """The first operation whose result differs by more than its limit, though those before do not.

    Attributes:
        name, kind: its name and its type in the network.
        subgraph: the smallest ``openvino.Model`` found that shows the difference, with operations
            before it if the device computes them together.
        inputs: inputs of the subgraph that show it, by name.
        is_shown: whether it does; if not, the device computes each of its parts well.
    """

    name: str
    kind: str
    tensor: TensorDifference
    subgraph: Model
    inputs: NamedArrays
    is_shown: bool


@frozen
class DeviceComparison:
    """One network on the CPU in f32 and on a device.

    Attributes:
        exact: the ``openvino.Model`` that the CPU runs.
        tested: that of the device, the same or one with the same operations.
        precision: in which it computes; if it is not in ``STEPS``, f16 decides on the limits.
        feeds: the inputs of each inference, by name.
    """

    exact: Model
    tested: Model
    runtime: RuntimeConfig
    precision: str
    feeds: Sequence[NamedArrays]

    def compare_outputs(self) -> dict[str, TensorDifference]:
        """The largest difference of each output, by its name.

        Raises:
            InferenceError: the device cannot run the network.
        """
        outputs = _find_outputs(self.exact)
        return dict(zip(outputs, self._measure(list(outputs.values())), strict=True))

    def find_first_difference(self, output: str) -> FirstDifference:
        """Where an output that differs begins to do so.

        Raises:
            InferenceError: the device cannot run a part of the network.
        """
        first, _ = _find_outputs(self.exact)[output]
        order = OperationOrder(self.exact)
        differs = {first: True}
        while candidates := order.find_candidates(first, differs):
            step = -(-len(candidates) // WIDTH)
            chosen = candidates[step - 1 :: step]
            tensors = [tensor for name in chosen for tensor in order.tensors[name]]
            differs |= dict.fromkeys(chosen, False)
            for (name, _), measured in zip(tensors, self._measure(tensors), strict=True):
                differs[name] = differs[name] or measured.verdict == DIFFERS
            first = next((name for name in chosen if differs[name]), first)
        return self._cut_out(first, order)

    def _cut_out(self, name: str, order: OperationOrder) -> FirstDifference:
        inner = {name}
        while True:
            subgraph, tensors = _cut(self.exact, name, inner, order)
            tested, _ = _cut(self.tested, name, inner, order)
            ports = [port.any_name for port in subgraph.inputs]
            values = zip(*self._run_exact(tensors), strict=True)
            feeds = [dict(zip(ports, each, strict=True)) for each in values]
            part = replace(self, exact=subgraph, tested=tested, feeds=feeds)
            measured = list(part.compare_outputs().values())
            worst = measured[np.argmax([each.difference for each in measured])]  # nan is the worst
            is_shown = worst.verdict == DIFFERS
            larger = inner.union(*map(order.sources.__getitem__, inner))
            if is_shown or larger == inner:
                feed = feeds[worst.case]
                return FirstDifference(
                    name, order.kinds[name], worst, subgraph, inputs=feed, is_shown=is_shown
                )
            inner = larger

    def _measure(self, tensors: Sequence[Tensor]) -> list[TensorDifference]:
        exact = self._run_exact(tensors)
        config = self.runtime.to_openvino_config()
        actual = _run(self.tested, tensors, self.feeds, self.runtime.device, config=config)
        step = STEPS.get(self.precision, STEPS["f16"])
        noises = [step / 2] * len(tensors)  # the rounding of a result itself
        measured = []
        for draw in range(DRAWS):
            moved = self._run_exact(tensors, _move_constants(self.exact, step, draw))
            draws = zip(noises, exact, moved, strict=True)
            noises = [max(noise, *map(_compare, *values)) for noise, *values in draws]
            measured = list(map(_describe, exact, actual, noises))
            # Each draw can only raise a limit.
            if all(each.verdict != DIFFERS for each in measured):
                break
        return measured

    def _run_exact(
        self, tensors: Sequence[Tensor], network: Model | None = None
    ) -> list[list[Array]]:
        return _run(network or self.exact, tensors, self.feeds, "CPU", config=EXACT)


def _find_outputs(network: Model) -> dict[str, Tensor]:
    outputs = {}
    for result in network.get_results():
        port = result.input_value(0)
        tensor = port.get_node().get_friendly_name(), port.get_index()
        # Outputs of old IR have no name.
        outputs[min(result.output(0).names, default=tensor[0])] = tensor
    return outputs


def _run(
    network: Model,
    tensors: Sequence[Tensor],
    feeds: Sequence[NamedArrays],
    device: str,
    config: Mapping[str, Any],
) -> list[list[Array]]:
    try:
        run = compile_tensors(network, tensors, device, config)
        return list(map(list, zip(*map(run, feeds), strict=True)))
    except RuntimeError as error:
        raise InferenceError(f"{device} cannot run the network: {error_text(error)}") from error


def _move_constants(network: Model, step: float, draw: int) -> Model:
    """The network with each floating-point constant moved by half a step of the precision."""
    ops = import_openvino().opset13
    rng = np.random.default_rng(draw)
    moved = network.clone()
    for node in moved.get_ordered_ops():
        if node.get_type_name() != "Constant" or not node.get_element_type().is_real():
            continue
        values = node.data
        if values.size <= FEW:
            continue
        readers = node.output(0).get_target_inputs()
        # Constants in FP16 are usually converted to FP32, in which a small step is not lost.
        is_converted = all(each.get_node().get_type_name() == "Convert" for each in readers)
        signs = rng.choice((-0.5, 0.5), values.shape)
        changed = values * (1 + step * signs)
        constant = ops.constant(changed.astype(np.float32 if is_converted else values.dtype))
        for reader in readers:
            reader.replace_source_output(constant.output(0))
    moved.validate_nodes_and_infer_types()
    return moved


def _compare(exact: Array, other: Array) -> float:
    """As ``compute_difference``; 0 if the CPU's values are not finite either."""
    return compute_difference(exact, other) if np.isfinite(exact).all() else 0.0


def _describe(exact: Sequence[Array], actual: Sequence[Array], noise: float) -> TensorDifference:
    differences = list(map(_compare, exact, actual))
    case = int(np.argmax(differences))  # nan is the largest
    tensor = TensorDifference(differences[case], FACTOR * noise + OFFSET, noise, case)
    values = exact[case]
    others = actual[case]
    if values.shape != others.shape or not values.size:
        return tensor
    place = np.abs(values.astype(np.float64) - others).argmax()
    index = tuple(map(int, np.unravel_index(place, values.shape)))
    return replace(tensor, index=index, expected=float(values[index]), actual=float(others[index]))


def _cut(
    network: Model, name: str, inner: set[str], order: OperationOrder
) -> tuple[Model, list[Tensor]]:
    """The operations ``inner`` of a network, of which ``name`` is the last, as a network; and the
    tensors that are its inputs.
    """
    ov = import_openvino()
    part = network.clone()
    nodes = {node.get_friendly_name(): node for node in part.get_ops()}
    inputs: dict[Tensor, Any] = {}
    for each in sorted(inner):
        for port in nodes[each].inputs():
            source = port.get_source_output()
            tensor = source.get_node().get_friendly_name(), source.get_index()
            if tensor[0] in inner or tensor[0] not in order.kinds:
                continue
            if tensor not in inputs:
                taken = ov.opset13.parameter(source.get_partial_shape(), source.get_element_type())
                taken.output(0).set_names({f"input {len(inputs)}"})
                inputs[tensor] = taken
            port.replace_source_output(inputs[tensor].output(0))
    results = [ov.opset13.result(port) for port in nodes[name].outputs()]
    return ov.Model(results, list(inputs.values()), name), list(inputs)
