"""Check that an IR computes the same outputs as its original.

The IR is read from disk and run on random images. Its outputs must have the original's names and shapes,
and their differences, relative to the output's largest value, must not exceed a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posezoo.convert.graph_cutting import join_names
from posezoo.convert.reference_outputs import EXACT, ReferenceOutputs, run_compiled
from posezoo.errors import SelfCheckError
from posezoo.ir.openvino_import import error_text, import_openvino, openvino_core
from posezoo.spec.model import ModelSpec, Precision

Array = npt.NDArray[Any]

#: The largest allowed relative difference of an output, if model.yml does not declare another.
TOLERANCE = {Precision.FP32: 1e-3, Precision.FP16: 2e-2}

#: The statistics that can summarise the differences of an output's values.
MEASURES: dict[str, Callable[[Array], Any]] = {
    "max": np.max,
    "p99": lambda differences: np.percentile(differences, 99),
    "median": np.median,
}


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """The largest difference of an output and its limit, relative to the output's largest value."""

    difference: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class SelfCheckResult:
    """The values of a check that an IR passed."""

    reference: str
    measure: str
    inputs: str
    seeds: tuple[int, ...]
    outputs: Mapping[str, OutputDifference]

    @property
    def worst_difference(self) -> OutputDifference:
        """The output with the largest difference."""
        return max(self.outputs.values(), key=lambda output: output.difference)


def check_ir(
    spec: ModelSpec, xml: Path, precision: Precision, running: Future[ReferenceOutputs]
) -> SelfCheckResult:
    """Compare an IR on disk with its original.

    Args:
        spec: the model; its ``self_check`` declares how outputs are compared.
        xml: the path of the IR.
        precision: its precision, which decides the default tolerance.
        running: computes the original's outputs, while the IR is compiled.

    Raises:
        SelfCheckError: the IR or the original cannot be run; an input or output differs in name, order or
            shape; or an output contains inf or nan, or differs by more than its tolerance.
    """
    try:
        compiled = openvino_core().compile_model(xml, "CPU", EXACT)
        reference = running.result()
        names = tuple(port.name for port in spec.outputs) or tuple(reference.cases[0].outputs)
        if problem := _find_port_mismatch(names, reference, compiled):
            raise _create_error(spec, precision, problem)
        computed = [run_compiled(compiled, case.feed) for case in reference.cases]
    except RuntimeError as error:
        raise _create_error(spec, precision, f"cannot be run: {error_text(error)}") from error

    measure, tolerances = spec.self_check.measure, spec.self_check.tolerance
    outputs = {}
    for name in names:
        differences = []
        for case, actual in zip(reference.cases, computed, strict=True):
            if not np.isfinite(actual[name]).all():
                raise _create_error(spec, precision, f"computes inf or nan in {name}")
            differences.append(compute_difference(case.outputs[name], actual[name], measure))
        # A tolerance that model.yml declares applies to every precision.
        tolerance = tolerances.get(name, tolerances.get("*", TOLERANCE[precision]))
        outputs[name] = OutputDifference(max(differences), tolerance)

    # "not <=" instead of ">", so that nan also fails.
    if wrong := [name for name, output in outputs.items() if not output.difference <= output.tolerance]:
        name = max(wrong, key=lambda name: outputs[name].difference)
        worst = outputs[name]
        problem = (
            f"differs from the original in {', '.join(wrong)}: {name} by {worst.difference:.1e} of its "
            f"largest value, {worst.tolerance:.0e} is allowed ({measure}, by {reference.runtime})"
        )
        raise _create_error(spec, precision, problem)
    seeds = tuple(case.seed for case in reference.cases)
    return SelfCheckResult(reference.runtime, measure, spec.self_check.inputs, seeds, outputs)


def compute_difference(reference: Array, actual: Array, measure: str = "max") -> float:
    """The difference of an output, relative to the largest absolute value of the original's."""
    reference, actual = reference.astype(np.float64), actual.astype(np.float64)
    difference, largest = float(MEASURES[measure](np.abs(reference - actual))), float(np.abs(reference).max())
    if difference == 0:
        return 0.0
    return difference / largest if largest else float("inf")


def _create_error(spec: ModelSpec, precision: Precision, problem: str) -> SelfCheckError:
    return SelfCheckError(
        f"{spec.full_name}: the {precision} IR {problem}",
        hint="nothing was published; self_check in model.yml can allow more, with a reason",
    )


def _find_port_mismatch(names: tuple[str, ...], reference: ReferenceOutputs, compiled: Any) -> str:
    """How inputs or outputs differ in name, order or shape; empty if they do not differ."""
    case = reference.cases[0]
    for name in names:
        if name not in case.outputs:
            return f"cannot be compared: {reference.runtime} gives no output {name}"
    for kind, arrays, ports in (
        ("input", case.feed, compiled.inputs),
        ("output", {name: case.outputs[name] for name in names}, compiled.outputs),
    ):
        if len(ports) != len(arrays) or any(
            name not in port.names for name, port in zip(arrays, ports, strict=True)
        ):
            return f"has the {kind}s {join_names(ports)} instead of {', '.join(arrays)}"
        for (name, array), port in zip(arrays.items(), ports, strict=True):
            shape = list(array.shape)
            if not port.partial_shape.compatible(import_openvino().PartialShape(shape)):
                return f"has the {kind} {name} in the shape {port.partial_shape} instead of {shape}"
    return ""
