"""Proof that an IR computes what its original computes.

The IR is read back from disk and given seeded pictures; each output is held against the original's, by
name and shape, and by the largest difference as a share of the output's largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posezoo.convert.reference_outputs import EXACT, ReferenceOutputs, run_compiled
from posezoo.errors import SelfCheckError
from posezoo.ir.openvino_import import error_text, import_openvino, openvino_core
from posezoo.spec.model import ModelSpec, Precision

Array = npt.NDArray[Any]

#: How far an output may be off, as a share of its largest value, where model.yml says nothing else.
TOLERANCE = {Precision.FP32: 1e-3, Precision.FP16: 2e-2}

#: What stands for all the differences of an output.
MEASURES: dict[str, Callable[[Array], Any]] = {
    "max": np.max,
    "p99": lambda differences: np.percentile(differences, 99),
    "median": np.median,
}

_HINT = "nothing was published; self_check in model.yml can allow more, with a reason"


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far an output is off at worst, and how far it may be, as shares of its largest value."""

    difference: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class SelfCheckResult:
    """The figures of a check that was passed."""

    reference: str
    measure: str
    inputs: str
    seeds: tuple[int, ...]
    outputs: Mapping[str, OutputDifference]

    @property
    def worst_difference(self) -> OutputDifference:
        """The output that is furthest off."""
        return max(self.outputs.values(), key=lambda output: output.difference)

    def to_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return asdict(self)


def compile_for_check(spec: ModelSpec, xml: Path, precision: Precision) -> Any:
    """An IR on disk as ``openvino.CompiledModel``, ready to be checked.

    Raises:
        SelfCheckError: it cannot be run.
    """
    try:
        return openvino_core().compile_model(xml, "CPU", EXACT)
    except RuntimeError as error:
        raise _failure_of(spec, precision)(f"cannot be run: {error_text(error)}") from error


def check_ir(
    spec: ModelSpec, reference: ReferenceOutputs, compiled: Any, precision: Precision
) -> SelfCheckResult:
    """Hold an IR against its original.

    Args:
        spec: the model; its ``self_check`` says what is measured.
        reference: what the original computes.
        compiled: the IR, as ``load`` gives it.
        precision: of the IR, for the default tolerance.

    Raises:
        SelfCheckError: an input or output differs in name, order or shape, an output holds inf or nan,
            or differs by more than its tolerance.
    """
    failed = _failure_of(spec, precision)
    try:
        _check_ports(spec, reference, compiled, failed)
        computed = [run_compiled(compiled, case.feed) for case in reference.cases]
    except RuntimeError as error:
        raise failed(f"cannot be run: {error_text(error)}") from error

    outputs = {}
    for name in _names(spec, reference):
        pairs = [
            (case.outputs[name], actual[name]) for case, actual in zip(reference.cases, computed, strict=True)
        ]
        if not all(np.isfinite(mine).all() for _, mine in pairs):
            raise failed(f"computes inf or nan in {name}")
        differences = [compute_difference(theirs, mine, spec.self_check.measure) for theirs, mine in pairs]
        outputs[name] = OutputDifference(max(differences), select_tolerance(spec, name, precision))
    _check_differences(spec, reference, outputs, failed)
    seeds = tuple(case.seed for case in reference.cases)
    return SelfCheckResult(reference.runtime, spec.self_check.measure, spec.self_check.inputs, seeds, outputs)


def compute_difference(reference: Array, actual: Array, measure: str = "max") -> float:
    """How far an output is off, as a share of the largest absolute value of the original's."""
    reference, actual = reference.astype(np.float64), actual.astype(np.float64)
    difference, largest = float(MEASURES[measure](np.abs(reference - actual))), float(np.abs(reference).max())
    if difference == 0:
        return 0.0
    return difference / largest if largest else float("inf")


def select_tolerance(spec: ModelSpec, output: str, precision: Precision) -> float:
    """How far an output may be off; what model.yml says holds for every precision."""
    declared = spec.self_check.tolerance
    return declared.get(output, declared.get("*", TOLERANCE[precision]))


class _SelfCheckErrors:
    """Words of failure that all begin with the IR that they are about."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __call__(self, problem: str) -> SelfCheckError:
        return SelfCheckError(f"{self._what} {problem}", hint=_HINT)


def _failure_of(spec: ModelSpec, precision: Precision) -> _SelfCheckErrors:
    return _SelfCheckErrors(f"{spec.full_name}: the {precision} IR")


def _names(spec: ModelSpec, reference: ReferenceOutputs) -> tuple[str, ...]:
    return tuple(port.name for port in spec.outputs) or tuple(reference.cases[0].outputs)


def _check_ports(
    spec: ModelSpec, reference: ReferenceOutputs, compiled: Any, failed: _SelfCheckErrors
) -> None:
    """The IR takes and gives the same names, in the same order and shapes."""
    case = reference.cases[0]
    names = _names(spec, reference)
    unknown = [name for name in names if name not in case.outputs]
    if unknown:
        raise failed(f"cannot be compared: {reference.runtime} knows no output {unknown[0]}")
    _check_value_kind(
        "input", {name: array.shape for name, array in case.feed.items()}, compiled.inputs, failed
    )
    _check_value_kind("output", {name: case.outputs[name].shape for name in names}, compiled.outputs, failed)


def _check_value_kind(
    kind: str, expected: Mapping[str, tuple[int, ...]], ports: list[Any], failed: _SelfCheckErrors
) -> None:
    given = [sorted(port.names) for port in ports]
    if len(given) != len(expected) or any(
        name not in names for name, names in zip(expected, given, strict=True)
    ):
        raise failed(f"has the {kind}s {', '.join(map('='.join, given))} instead of {', '.join(expected)}")
    for (name, shape), port in zip(expected.items(), ports, strict=True):
        if not port.partial_shape.compatible(import_openvino().PartialShape(list(shape))):
            raise failed(f"has the {kind} {name} in the shape {port.partial_shape} instead of {list(shape)}")


def _check_differences(
    spec: ModelSpec,
    reference: ReferenceOutputs,
    outputs: Mapping[str, OutputDifference],
    failed: _SelfCheckErrors,
) -> None:
    # Written so that a nan fails too.
    off = [name for name, output in outputs.items() if not output.difference <= output.tolerance]
    if off:
        name = max(off, key=lambda each: outputs[each].difference)
        worst = outputs[name]
        raise failed(
            f"differs from the original in {', '.join(off)}: {name} by {worst.difference:.1e} of its largest "
            f"value, {worst.tolerance:.0e} is allowed ({spec.self_check.measure}, by {reference.runtime})"
        )
