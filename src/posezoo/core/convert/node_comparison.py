"""Compare an IR with its original at every tensor that both have, not only at the outputs.

A fault in a branch that adds 0.1 % to an output is as large there as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    from openvino import Model

#: The bytes of the tensors of one network that are compared at a time; all those of a large network
#: take gigabytes.
BATCH = 256 << 20

# OpenVINO computes these on a CPU as i32.
_WIDE_TYPES = ("i64", "u64", "u32")
_LARGEST_INTEGER = 2**31 - 1


@frozen
class InnerDifference:
    """The difference of a tensor, relative to its largest value.

    Attributes:
        operation: the name and the type of the operation of the IR that computes it.
        noise: what a rounding of the input changes; 0 if the difference is small enough without it.
    """

    operation: str
    difference: float
    noise: float
    limit: float

    @property
    def is_wrong(self) -> bool:
        """Whether the difference is an error."""
        # "not <=" instead of ">", so that nan also counts.
        return not self.difference <= self.limit and self.noise <= LARGEST_NOISE


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
    ir = openvino_core().read_model(xml)
    reshape_to(ir, case.feed)
    order = OperationOrder(ir)
    comparison = _Comparison(spec, original, original.inner, case, ir=ir, order=order)
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
        run_ir = compile_tensors(self.ir, list(batch), "CPU", EXACT)
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
        compared = []
        for tensor, difference in differences.items():
            operation = f"{tensor[0]} ({self.order.kinds[tensor[0]]})"
            noise = noises.get(tensor, 0.0)
            compared.append(InnerDifference(operation, difference, noise, limits[tensor]))
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
