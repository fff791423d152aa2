"""Compare an IR with its original at every tensor that both have, not only at the outputs.

A fault in a branch that adds 0.1 % to an output is as large there as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.check_extent import reshape_to
from posezoo.core.convert.difference import (
    LARGEST_NOISE,
    OFFSET,
    allow_difference,
    allow_own_rounding,
    compute_difference,
)
from posezoo.core.convert.formats import InnerTensors, Partner, ReferenceRuntime, Tensor
from posezoo.core.convert.inner_tensors import OperationOrder, compile_tensors
from posezoo.core.convert.reference_outputs import DRAWS, EXACT, ReferenceSample, draw_inputs
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.events import NodeProof
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Model, Node
    from openvino import Output as Port

#: The bytes of the tensors of one network that are compared at a time; all those of a large network
#: take gigabytes.
BATCH = 256 << 20

# OpenVINO computes these on a CPU as i32.
_WIDE_TYPES = ("i64", "u64", "u32")
_LARGEST_INTEGER = 2**31 - 1

#: Operations whose results change altogether if a rounding changes their input.
STEPS = frozenset({
    "Bucketize", "Ceiling", "Equal", "FakeQuantize", "Floor", "FloorMod", "Greater", "GreaterEqual",
    "Less", "LessEqual", "MatrixNms", "Mod", "MulticlassNms", "NonZero", "NotEqual", "Round",
    "Sign", "TopK",
})  # fmt: skip

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
) -> _Comparison:
    ir = openvino_core().read_model(xml)
    reshape_to(ir, case.feed)
    return _Comparison(spec, original, inner, case, ir=ir, order=OperationOrder(ir))


def compare_before(
    spec: ModelSpec,
    original: ReferenceRuntime,
    xml: Path,
    case: ReferenceSample,
    outputs: Collection[str],
    noisy: Collection[str],
) -> tuple[set[str], InnerDifference | None]:
    """Compare what an IR computes before outputs whose own values prove nothing, for one image.

    Args:
        noisy: the outputs that a rounding changes; only a step before them excuses that.

    Returns:
        The outputs before which all tensors that come next are equal and not constant; and the
        first tensor that differs, unless a step is before it: a rounding may tip over there.

    Raises:
        RuntimeError: one of the two networks cannot be run.
    """
    if original.inner is None:
        return set(), None
    comparison = _start(spec, original, original.inner, xml, case)
    ends = [port for port in comparison.ir.outputs if port.names & set(outputs)]
    # An output that depends on no value of the input is compared by its own values.
    fixed = {name for port in ends if _is_fixed(port.get_node()) for name in port.names}
    ends = [port for port in ends if port.names.isdisjoint(fixed)]
    if not ends:
        return fixed, None
    before = _Ancestors(ends)
    compared, first = _compare_tensors(comparison, before)
    if first:
        return set(), first
    good = {each.tensor for each in compared if each.is_evidence}
    proven = [port for port in ends if _is_proven(port, good, before, noisy)]
    return fixed.union(*(port.names for port in proven)), None


def _compare_tensors(
    comparison: _Comparison, before: _Ancestors
) -> tuple[list[InnerDifference], InnerDifference | None]:
    """The tensors before the outputs, and the first that differs, unless a step is before it."""
    compared: list[InnerDifference] = []
    for batch in comparison.split():
        wanted = {tensor: partner for tensor, partner in batch.items() if tensor in before.tensors}
        for each in comparison.compare(wanted) if wanted else ():
            if each.is_wrong and each.tensor not in before.after_steps:
                return compared, each
            compared.append(each)
    return compared, None


def _is_proven(
    port: Port, good: Collection[Tensor], before: _Ancestors, noisy: Collection[str]
) -> bool:
    source = port.get_node().input_value(0)
    is_noisy = not port.names.isdisjoint(noisy)
    if is_noisy and _tensor_of(source) not in before.after_steps:
        return False
    return _ends_in(source, good)


class _Ancestors:
    """The tensors before some results of a network, and those of them after a step."""

    def __init__(self, ends: Sequence[Port]) -> None:
        self.tensors: set[Tensor] = set()
        self.after_steps: set[Tensor] = set()
        for port in ends:
            self._visit(port.get_node())

    def _visit(self, end: Node) -> None:
        """Go through the operations before a result, each after those before it."""
        waiting = [(end, False)]
        seen: set[str] = set()
        while waiting:
            node, is_done = waiting.pop()
            name = node.get_friendly_name()
            if is_done:
                self._add(node)
            elif name not in seen:
                seen.add(name)
                waiting.append((node, True))
                waiting += ((port.get_node(), False) for port in node.input_values())

    def _add(self, node: Node) -> None:
        tensors = {(node.get_friendly_name(), place) for place in range(node.get_output_size())}
        before = {_tensor_of(port) for port in node.input_values()}
        self.tensors |= tensors
        if is_step(node) or before & self.after_steps:
            self.after_steps |= tensors


def is_step(node: Node) -> bool:
    """Whether a rounding may change results of an operation altogether."""
    kind = node.get_type_name()
    if kind == "Convert":
        return node.get_input_element_type(0).is_real() and not node.get_element_type().is_real()
    return kind in STEPS or "NonMaxSuppression" in kind


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


def find_wide_integer(
    original: ReferenceRuntime, xml: Path, case: ReferenceSample
) -> tuple[str, int] | None:
    """The first operation of the original whose integers have more than 32 bits for an image, and
    the largest of them; None if there is none, or the runtime gives outputs only.

    Raises:
        RuntimeError: the original cannot be run.
    """
    if original.inner is None:
        return None
    ir = openvino_core().read_model(xml)
    partners = original.inner.find_partners(ir)
    computed = OperationOrder(ir).kinds
    names = []
    for node in ir.get_ordered_ops():
        operation = node.get_friendly_name()
        for place, port in enumerate(node.outputs()):
            is_wide = port.get_element_type().get_type_name() in _WIDE_TYPES
            if is_wide and operation in computed and (operation, place) in partners:
                names.append(partners[operation, place][0])
    if not names:
        return None
    values = original.inner.open(names)(case.prepared)
    for name in names:
        largest = max(map(int, (values[name].max(), values[name].min())), key=abs)
        if abs(largest) > _LARGEST_INTEGER:
            return name, largest
    return None


@frozen
class _Comparison:
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

    def split(self) -> Iterator[dict[Tensor, Partner]]:
        partners = self.inner.find_partners(self.ir)
        nodes = {node.get_friendly_name(): node for node in self.ir.get_ops()}
        batch: dict[Tensor, Partner] = {}
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

    def compare(self, batch: Mapping[Tensor, Partner]) -> list[InnerDifference]:
        run_original = self.inner.open([name for name, _ in batch.values()])
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
        batch: Mapping[Tensor, Partner],
        differences: Mapping[Tensor, float],
        expected: NamedArrays,
        run_original: Callable[[NamedArrays], NamedArrays],
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
                return dict.fromkeys(unsure, 0.0)
            others = run_original(moved)
            for tensor in unsure:
                name, _ = batch[tensor]
                noise = self._compute(expected[name], others[name])
                noises[tensor] = max(noises.get(tensor, 0.0), noise)
        return noises

    def _measure_own_roundings(
        self, batch: Mapping[Tensor, Partner], tensors: Sequence[Tensor], expected: NamedArrays
    ) -> dict[Tensor, float]:
        single = self.original.single
        if not tensors or single is None or single.inner is None:
            return {}
        names = {tensor: batch[tensor][0] for tensor in tensors}
        rounded = single.inner.open(list(names.values()))(self.case.prepared)
        return {
            tensor: self._compute(expected[name], rounded[name]) for tensor, name in names.items()
        }

    def _allow(self, partner: Partner, noise: float | None) -> float:
        declared = self.spec.self_check.tolerance
        return max(allow_difference(noise), declared.get(partner[0], declared.get("*", 0)))

    def _compute(self, expected: Array, actual: Array) -> float:
        return compute_difference(expected, actual, self.spec.self_check.measure)
