"""Compare an IR with its original on both sides of each step, such as Floor.

Both are cut before and after each step, and each part runs on the values that the original has
there. What goes into a step may differ by the noise of the part before it; what a step makes of the
same values may not differ. So no noise that a step enlarges is ever allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import OriginalNode, Partner, Step, Tensor
from posezoo.core.convert.proof_result import LARGEST_NOISE
from posezoo.core.ir.openvino_import import import_openvino, openvino_core
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
from posezoo.proof.inner_tensors import compile_tensors
from posezoo.proof.reference_outputs import DRAWS, EXACT, ReferenceOutputs
from posezoo.proof.step_cuts import CutOriginal, move_far

if TYPE_CHECKING:
    from openvino import Model, Output


@frozen
class PartDifference:
    """The difference of a tensor that a part of a network computes from the original's values,
    relative to the tensor's largest value.

    Attributes:
        title: of the operation that makes the tensor.
        doubt: why a difference above the limit is no error; empty if it is one.
    """

    title: str
    difference: float
    limit: float
    doubt: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the difference is within the limit; not that of nan."""
        return self.difference <= self.limit


@frozen
class StepVerdict:
    """The comparison of an output on both sides of the steps before it.

    Attributes:
        steps: their names and types.
        last: the part that ends in the output.
        wrong: the first part that differs; None if none does.
        doubt: why the output cannot be compared; empty if it can.
    """

    steps: tuple[str, ...]
    last: PartDifference
    wrong: PartDifference | None = None
    doubt: str = ""

    def describe_wrong(self) -> str:
        """Which part differs, and by how much; there must be one."""
        assert self.wrong
        return (
            f"{self.wrong.title} differs first, by {self.wrong.difference:.1e} of its largest"
            f" value, {self.wrong.limit:.0e} is allowed ({', '.join(self.steps)})"
        )


def compare_at_steps(
    reference: ReferenceOutputs,
    cut: CutOriginal,
    xml: Path,
    outputs: Sequence[str],
    select: Callable[[NamedArrays], NamedArrays],
) -> dict[str, StepVerdict]:
    """Compare outputs on both sides of the steps before them; one with none before it is left out.

    Args:
        select: chooses the rows of outputs to compare.

    Raises:
        RuntimeError: a part of the IR or of the original cannot be run.
    """
    steps = {name: cut.cuts.list_steps([name]) for name in outputs}
    wanted = [name for name in outputs if steps[name]]
    if not wanted:
        return {}
    comparison = _PartComparison(reference, cut, xml, wanted, select)
    parts = comparison.compare()
    return {
        name: _judge(
            tuple(step.title for step in steps[name]),
            [parts[each] for each in cut.cuts.list_before([name]) if each in parts],
        )
        for name in wanted
    }


def _judge(steps: tuple[str, ...], parts: Sequence[PartDifference]) -> StepVerdict:
    others = [part for part in parts if not part.is_equal]
    wrong = next((part for part in others if not part.doubt), None)
    doubt = next((part.doubt for part in others), "") if wrong is None else ""
    return StepVerdict(steps, parts[-1], wrong, doubt)


class _PartComparison:
    def __init__(
        self,
        reference: ReferenceOutputs,
        cut: CutOriginal,
        xml: Path,
        outputs: Sequence[str],
        select: Callable[[NamedArrays], NamedArrays],
    ) -> None:
        self.reference = reference
        self.cut = cut
        self.cuts = cut.cuts
        self.xml = xml
        self.outputs = outputs
        self.select = select
        self.types: dict[str, np.dtype[Any]] = {}  # of the tensors of the IR, by name
        self.moving: set[str] = set()  # what changes if roundings move what a step takes
        self.fed = self._find_fed()
        self.names = list(dict.fromkeys([*self.fed, *outputs]))
        self.expected = [
            self._choose({**values, **case.outputs})
            for values, case in zip(cut.values, reference.cases, strict=True)
        ]

    def compare(self) -> dict[str, PartDifference]:
        """The parts by the names of the tensors that they compute."""
        computed = list(map(self._run_ir, range(len(self.expected))))
        differences = self._compute_differences(computed, self.names)
        noises = self._measure_noises(differences)
        limits = {name: allow_difference(noises.get(name)) for name in self.names}
        for name, rounding in self._measure_own_roundings(differences, limits).items():
            limits[name] += allow_own_rounding(rounding)
        for name in self._find_on_edges(differences, limits, computed):
            limits[name] = differences[name]
        return {
            name: PartDifference(
                self.cuts.makers[name].title,
                differences[name],
                limits[name],
                ""
                if differences[name] <= limits[name]
                else self._find_doubt(name, noises.get(name, 0.0), computed),
            )
            for name in self.names
        }

    def _find_fed(self) -> dict[str, Partner]:
        """Where the IR can be cut: at tensors of the same sizes that both have."""
        before = set(self.cuts.list_before(self.outputs))
        ir = self._read_ir(0)
        partners = dict(self.cut.inner.find_partners(ir))
        for copy, source in self.cuts.sources.items():
            if copy in partners:  # an output keeps its own name only
                partners.setdefault(source, partners[copy])
        nodes = {node.get_friendly_name(): node for node in ir.get_ops()}
        fed = {}
        for name in self.cuts.names:
            if name in before and name in partners:
                (operation, place), order = partners[name]
                values = _arrange(self.cut.values[0][name], order)
                port = nodes[operation].output(place)
                if _fits(port, values):
                    fed[name] = partners[name]
                    self.types[name] = port.get_element_type().to_dtype()
        return fed

    def _read_ir(self, number: int) -> Model:
        ir = openvino_core().read_model(self.xml)
        reshape_to(ir, self.reference.cases[number].feed)
        return ir

    def _run_ir(self, number: int) -> NamedArrays:
        ports = {f"fed:{name}": tensor for name, (tensor, _) in self.fed.items()}
        tensors: list[Tensor | str] = [*ports.values(), *self.outputs]
        run = compile_tensors(self._read_ir(number), tensors, EXACT, fed=ports)
        values = self.cut.values[number]
        given = {
            f"fed:{name}": _arrange(values[name], order).astype(self.types[name])
            for name, (_, order) in self.fed.items()
        }
        results = run({**self.reference.cases[number].feed, **given})
        computed = dict(zip([*self.fed, *self.outputs], results, strict=True))
        for name, (_, order) in self.fed.items():
            computed[name] = computed[name].transpose(order) if order else computed[name]
        return self._choose(computed)

    def _choose(self, tensors: NamedArrays) -> dict[str, Array]:
        outputs = self.select({name: tensors[name] for name in self.outputs})
        return {name: outputs[name] if name in outputs else tensors[name] for name in self.names}

    def _compute_differences(
        self, others: Sequence[NamedArrays], names: Iterable[str]
    ) -> dict[str, float]:
        # np.max instead of max, because it returns nan if there is one.
        return {
            name: float(
                np.max(
                    [
                        compute_difference(one[name], other[name])
                        for one, other in zip(self.expected, others, strict=True)
                    ]
                )
            )
            for name in names
        }

    def _measure_noises(self, differences: Mapping[str, float]) -> dict[str, float]:
        """How much roundings change what is before a step; what it makes of the same values has
        none.
        """
        noises: dict[str, float] = {}
        for done in (0, DRAWS[0]):
            limits = {name: allow_difference(noises.get(name)) for name in differences}
            above = _find_above(differences, limits)
            unsure = [name for name in above if not self.cuts.makers[name].step]
            draws = self.reference.move(done) if unsure else []
            for moved in zip(*draws, strict=True):
                measured = self._compute_differences(list(map(self._choose, moved)), unsure)
                for name, noise in measured.items():
                    noises[name] = max(noises.get(name, 0.0), noise)
        return noises

    def _measure_own_roundings(
        self, differences: Mapping[str, float], limits: Mapping[str, float]
    ) -> dict[str, float]:
        """How far the original is from itself in double precision, where the IR differs."""
        unsure = _find_above(differences, limits)
        double = self.reference.original.open_double() if unsure else None
        if double is None or double.inner is None:
            return {}
        names = list(dict.fromkeys([*self.cuts.names, *self.outputs]))
        run = double.inner.open(names, self.cut.values[0])
        pairs = zip(self.reference.cases, self.cut.values, strict=True)
        exact = [self._choose(run({**case.prepared, **values})) for case, values in pairs]
        return self._compute_differences(exact, unsure)

    def _find_on_edges(
        self,
        differences: Mapping[str, float],
        limits: Mapping[str, float],
        computed: Sequence[NamedArrays],
    ) -> list[str]:
        """The tensors that only differ where the original changes, too, if a rounding moves what
        the step before it takes; not of a step that is exact.
        """
        found = {
            name
            for name in _find_above(differences, limits)
            if name in self.cuts.after and not self._is_exact(name)
        }
        if not found:
            return []
        edges = self.cut.run_edges([case.prepared for case in self.reference.cases])
        for expected, actual, moved in zip(self.expected, computed, edges, strict=True):
            for name in found.copy():
                others = [each[name] for each in moved]
                if not _is_on_edges(expected[name], actual[name], others):
                    found.discard(name)
                if any(not compute_difference(expected[name], each) <= OFFSET for each in others):
                    self.moving.add(name)
        return sorted(found)

    def _list_steps_inside(self, name: str) -> list[OriginalNode]:
        """The steps between the cuts of the IR and a tensor."""
        return self.cuts.list_steps([name], self.fed)

    def _is_exact(self, name: str) -> bool:
        return all(
            step.step is Step.EXACT and self._is_fed(step) for step in self._list_steps_inside(name)
        )

    def _is_fed(self, step: OriginalNode) -> bool:
        return all(name in self.fed for name in step.inputs if name in self.cuts.before)

    def _find_doubt(self, name: str, noise: float, computed: Sequence[NamedArrays]) -> str:
        """Why a difference of a tensor is no error; empty if it is one."""
        if not noise <= LARGEST_NOISE:
            title = self.cuts.makers[name].title
            return f"a rounding changes {title} by {noise:.0%} of its largest value"
        for step in self._list_steps_inside(name):
            if not self._is_fed(step) and not self._differs_too_often(name, computed):
                return f"the IR cannot be cut before the step {step.title}"
            if step.step is not Step.EXACT and not self._is_settled(step, name):
                return f"roundings inside of {step.title} may change its results altogether"
        return ""

    def _differs_too_often(self, name: str, computed: Sequence[NamedArrays]) -> bool:
        """Whether more values of a tensor differ than would in the original if its inputs were
        moved by many roundings: more than steps explain, also those at which the IR is not cut.
        """
        run = self.cut.inner.open(self.names, {})
        for number, case in enumerate(self.reference.cases):
            expected = self.expected[number][name]
            others = [self._choose(run(feed))[name] for feed in move_far(case.prepared)]
            counts = [_count_different(expected, each) for each in others]
            actual = _count_different(expected, computed[number][name])
            if counts and actual > 2 * max(counts):
                return True
        return False

    def _is_settled(self, step: OriginalNode, name: str) -> bool:
        """Whether no rounding inside of a step explains the difference of what it makes."""
        if name not in self.cuts.after or set(step.inputs).isdisjoint(self.cuts.before):
            return False
        return step.step is Step.EDGED or name not in self.moving


def _count_different(expected: Array, actual: Array) -> int:
    """How many values differ by more than a thousandth of the largest; all if the shapes do."""
    if expected.shape != actual.shape:
        return expected.size + actual.size
    values = expected.astype(np.float64)
    far = np.abs(actual - values) > WITHOUT_NOISE * np.abs(values).max(initial=0)
    return int(far.sum())


def _find_above(differences: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    return [name for name, difference in differences.items() if not difference <= limits[name]]


def _is_on_edges(expected: Array, actual: Array, moved: Sequence[Array]) -> bool:
    if any(each.shape != expected.shape for each in (actual, *moved)):
        return False
    values = expected.astype(np.float64)
    changes = np.max([np.abs(each - values) for each in moved], axis=0)
    allowed = FACTOR * changes + OFFSET * np.abs(values).max(initial=0)
    return bool((np.abs(actual - values) <= allowed).all())


def _arrange(values: Array, order: Sequence[int]) -> Array:
    """What the IR has, in the layout of the original; ``order`` has the IR's axes."""
    return np.ascontiguousarray(values.transpose(np.argsort(order))) if order else values


def _fits(port: Output, values: Array) -> bool:
    kind = port.get_element_type().to_dtype()
    is_same = kind == values.dtype or {kind.kind, values.dtype.kind} <= set("iu")
    return is_same and port.get_partial_shape().compatible(
        import_openvino().PartialShape(list(values.shape))
    )
