"""Compare an IR with its original at every tensor that both have, not only at the outputs.

A fault in a branch that adds 0.1 % to an output is as large there as anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import InnerTensors, ReferenceRuntime, Run, Shape, Tensor
from posezoo.core.convert.proof_result import LARGEST_NOISE
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.events import NodeProof
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.values import frozen
from posezoo.proof.check_extent import reshape_to
from posezoo.proof.difference import (
    FACTOR,
    OFFSET,
    WITHOUT_NOISE,
    allow_difference,
    allow_own_rounding,
    compute_difference,
)
from posezoo.proof.inner_tensors import OperationOrder, compile_tensors
from posezoo.proof.reference_outputs import DRAWS, EXACT, ReferenceSample, draw_inputs

if TYPE_CHECKING:
    from openvino import Model, Node
    from openvino import Output as Port

#: The bytes of the tensors of one network that are compared at a time; all those of a large network
#: take gigabytes.
BATCH = 256 << 20

# OpenVINO computes these on a CPU as i32.

#: Operations whose results change altogether if a rounding changes their input.
STEPS = frozenset({
    "Bucketize", "Ceiling", "Equal", "FakeQuantize", "Floor", "FloorMod", "Greater", "GreaterEqual",
    "Less", "LessEqual", "MatrixNms", "Mod", "MulticlassNms", "NonZero", "NotEqual", "Round",
    "Sign", "TopK",
})  # fmt: skip

# The name of a tensor of the original, and the order of the IR's axes.
_Named = tuple[str, Shape]

# Operations that only select, arrange or limit values.
_PLAIN = STEPS - {"MatrixNms", "MulticlassNms"} | {
    "Abs", "Add", "Clamp", "Concat", "Convert", "Divide", "Gather", "LogicalAnd", "LogicalNot",
    "LogicalOr", "Maximum", "Minimum", "Multiply", "ReduceLogicalAnd", "ReduceLogicalOr",
    "ReduceMax", "ReduceMin", "Relu", "Reshape", "Select", "Sigmoid", "Slice", "Softmax", "Squeeze",
    "StridedSlice", "Subtract", "Transpose", "Unsqueeze",
}  # fmt: skip

# What is equal in the IR and the original without a comparison: the inputs, and what does not
# depend on their values.
_KNOWN = frozenset({"Constant", "Parameter", "ShapeOf"})


@frozen
class InnerDifference:
    """The difference of a tensor, relative to its largest value.

    Attributes:
        operation: the name and the type of the operation of the IR that computes it.
        noise: what a rounding of the input changes; 0 if the difference is small enough without it.
        is_constant: whether all of its values are equal, so that it says little of what is before.
    """

    tensor: Tensor
    operation: str
    difference: float
    noise: float
    limit: float
    is_constant: bool

    @property
    def is_wrong(self) -> bool:
        """Whether the difference is an error."""
        # "not <=" instead of ">", so that nan also counts.
        return not self.difference <= self.limit and self.noise <= LARGEST_NOISE

    @property
    def is_evidence(self) -> bool:
        """Whether it shows that what is computed up to this tensor is right."""
        is_equal = self.difference <= self.limit and self.noise <= LARGEST_NOISE
        return is_equal and not self.is_constant


def compare_nodes(
    spec: ModelSpec, original: ReferenceRuntime, xml: Path, case: ReferenceSample
) -> tuple[NodeProof, InnerDifference | None]:
    """Compare the tensors in an IR with those of its original for one image.

    Returns:
        How many were compared, and the first one that differs by more than is allowed; none is
        compared after the batch with that one.

    Raises:
        RuntimeError: one of the two networks cannot be run.
    """
    if original.inner is None:
        return NodeProof(), None
    comparison = _start(spec, original, original.inner, xml, case)
    order = comparison.order
    compared: list[InnerDifference] = []
    for batch in comparison.split():
        compared += comparison.compare(batch)
        if wrong := next((each for each in compared if each.is_wrong), None):
            return NodeProof(), wrong
    equal = [each for each in compared if each.difference <= OFFSET]
    unprovable = [each for each in compared if each.noise > LARGEST_NOISE]
    proof = NodeProof(
        equal=len(equal),
        within_noise=len(compared) - len(equal) - len(unprovable),
        unprovable=len(unprovable),
        no_partner=sum(map(len, order.tensors.values())) - len(compared),
    )
    return proof, None


def _start(
    spec: ModelSpec,
    original: ReferenceRuntime,
    inner: InnerTensors,
    xml: Path,
    case: ReferenceSample,
) -> _TensorComparison:
    ir = openvino_core().read_model(xml)
    reshape_to(ir, case.feed)
    return _TensorComparison(spec, original, inner, case, ir=ir, order=OperationOrder(ir))


def compare_before(
    spec: ModelSpec,
    original: ReferenceRuntime,
    xml: Path,
    case: ReferenceSample,
    outputs: Collection[str],
) -> tuple[set[str], InnerDifference | None]:
    """Compare what an IR computes before outputs whose own values prove nothing, for one image.

    Returns:
        The outputs before which all tensors that come next are equal and not constant; and the
        first tensor that differs.

    Raises:
        RuntimeError: one of the two networks cannot be run.
    """
    if original.inner is None:
        return set(), None
    comparison = _start(spec, original, original.inner, xml, case)
    ends = [port for port in comparison.ir.outputs if port.names & set(outputs)]
    # An output that depends on no value of the input is compared by its own values.
    fixed = [port for port in ends if _is_fixed(port.get_node())]
    ends = [port for port in ends if port not in fixed]
    compared = comparison.compare_until_wrong(_list_before(ends)) if ends else []
    if compared and compared[-1].is_wrong:
        return set(), compared[-1]
    good = {each.tensor for each in compared if each.is_evidence}
    proven = [port for port in ends if _ends_in(port.get_node().input_value(0), good)]
    return set().union(*(port.names for port in (*fixed, *proven))), None


def _list_before(ends: Sequence[Port]) -> set[str]:
    """The names of the operations before some results of a network."""
    waiting = [port.get_node() for port in ends]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            waiting += (port.get_node() for port in node.input_values())
    return seen


def _is_fixed(end: Node) -> bool:
    """Whether a result depends on the sizes of the inputs at most."""
    waiting = [end]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        kind = node.get_type_name()
        if kind == "Parameter":
            return False
        if kind != "ShapeOf" and node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            waiting += (port.get_node() for port in node.input_values())
    return True


def _tensor_of(port: Port) -> Tensor:
    return port.get_node().get_friendly_name(), port.get_index()


def _ends_in(port: Port, good: Collection[Tensor]) -> bool:
    """Whether each way back from an output meets an equal tensor or an input, and no operation
    before that could hide a fault.
    """
    if port.get_node().get_type_name() not in _PLAIN | _KNOWN:
        return False
    waiting = list(port.get_node().input_values())
    seen = set()
    while waiting:
        before = waiting.pop()
        tensor = _tensor_of(before)
        kind = before.get_node().get_type_name()
        if tensor in seen or tensor in good or kind in _KNOWN:
            continue
        seen.add(tensor)
        if kind not in _PLAIN:
            return False
        waiting += before.get_node().input_values()
    return True


def _find_partners(inner: InnerTensors, ir: Model) -> dict[Tensor, _Named]:
    """The last name that the original has for each tensor of an IR, and the order of the IR's axes
    there.
    """
    return {tensor: (name, order) for name, (tensor, order) in inner.find_partners(ir).items()}


@frozen
class _TensorComparison:
    """An IR and its original with the inputs of both.

    Attributes:
        ir: an ``openvino.Model`` of static sizes.
    """

    spec: ModelSpec
    original: ReferenceRuntime
    inner: InnerTensors
    case: ReferenceSample
    ir: Model
    order: OperationOrder

    def split(self) -> Iterator[dict[Tensor, _Named]]:
        partners = _find_partners(self.inner, self.ir)
        nodes = {node.get_friendly_name(): node for node in self.ir.get_ops()}
        batch: dict[Tensor, _Named] = {}
        size = 0
        for tensor in chain.from_iterable(self.order.tensors.values()):
            name, place = tensor
            shape = nodes[name].get_output_partial_shape(place)
            if tensor not in partners or shape.is_dynamic:
                continue
            batch[tensor] = partners[tensor]
            size += 4 * prod(shape.to_shape())
            if size > BATCH:
                yield batch
                batch = {}
                size = 0
        if batch:
            yield batch

    def compare_until_wrong(self, operations: Collection[str]) -> list[InnerDifference]:
        """The differences of what these operations compute, up to the first that is wrong."""
        compared: list[InnerDifference] = []
        for batch in self.split():
            wanted = {tensor: named for tensor, named in batch.items() if tensor[0] in operations}
            for difference in self.compare(wanted) if wanted else ():
                compared.append(difference)
                if difference.is_wrong:
                    return compared
        return compared

    def compare(self, batch: Mapping[Tensor, _Named]) -> list[InnerDifference]:
        run_original = self.inner.open([name for name, _ in batch.values()], {})
        run_ir = compile_tensors(self.ir, list(batch), EXACT)
        expected = run_original(self.case.prepared)
        differences = {}
        pairs = zip(batch.items(), run_ir(self.case.feed), strict=True)
        for (tensor, (name, order)), actual in pairs:
            if expected[name].dtype.kind == "f":
                arranged = actual.transpose(order) if order else actual
                differences[tensor] = self._compute(expected[name], arranged)
        noises = self._measure_noises(batch, differences, expected, run_original)
        limits = {tensor: self._allow(batch[tensor], noises.get(tensor)) for tensor in differences}
        wrong = [tensor for tensor, limit in limits.items() if not differences[tensor] <= limit]
        for tensor, rounding in self._measure_own_roundings(batch, wrong, expected).items():
            limits[tensor] += allow_own_rounding(rounding)
            if not rounding <= LARGEST_NOISE:
                noises[tensor] = rounding
        compared = []
        for tensor, difference in differences.items():
            operation = f"{tensor[0]} ({self.order.kinds[tensor[0]]})"
            noise = noises.get(tensor, 0.0)
            values = expected[batch[tensor][0]]
            is_constant = values.size > 1 and bool((values == values.flat[0]).all())
            compared.append(
                InnerDifference(
                    tensor, operation, difference, noise, limits[tensor], is_constant=is_constant
                )
            )
        return compared

    def _measure_noises(
        self,
        batch: Mapping[Tensor, _Named],
        differences: Mapping[Tensor, float],
        expected: NamedArrays,
        run_original: Run,
    ) -> dict[Tensor, float]:
        noises: dict[Tensor, float] = {}
        for draw in range(DRAWS[-1]):
            # Each draw can only raise a limit, so there are only as many as needed.
            unsure = [
                tensor
                for tensor, difference in differences.items()
                if not difference <= self._allow(batch[tensor], noises.get(tensor))
            ]
            if not unsure:
                break
            moved = draw_inputs(self.spec, self.original, self.case.image, draw).moved
            if moved is None:
                return dict.fromkeys(unsure, WITHOUT_NOISE / FACTOR)
            others = run_original(moved)
            for tensor in unsure:
                name, _ = batch[tensor]
                noise = self._compute(expected[name], others[name])
                noises[tensor] = max(noises.get(tensor, 0.0), noise)
        return noises

    def _measure_own_roundings(
        self, batch: Mapping[Tensor, _Named], tensors: Sequence[Tensor], expected: NamedArrays
    ) -> dict[Tensor, float]:
        single = self.original.single
        if not tensors or single is None or single.inner is None:
            return {}
        names = {tensor: batch[tensor][0] for tensor in tensors}
        rounded = single.inner.open(list(names.values()), {})(self.case.prepared)
        return {
            tensor: self._compute(expected[name], rounded[name]) for tensor, name in names.items()
        }

    def _allow(self, partner: _Named, noise: float | None) -> float:
        declared = self.spec.self_check.tolerance
        return max(allow_difference(noise), declared.get(partner[0], declared.get("*", 0)))

    def _compute(self, expected: Array, actual: Array) -> float:
        return compute_difference(expected, actual, self.spec.self_check.measure)
