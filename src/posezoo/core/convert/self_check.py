"""Check that an IR computes the same outputs as its original.

The IR is read from disk and run on random images, unless a runtime that reads the original is not
installed: OpenVINO in its place would prove little for the time. Its outputs must have the
original's names and shapes. They may differ by five times what one rounding of the input changes in
the original's outputs: correct programs that add in another order differ by up to 2.2 times as
much. All differences are relative to the output's largest value. An IR in FP16 must be the FP32 IR
with rounded constants (``fp16_check``). How far the rounding moves the outputs is measured, and has
no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.arrays import NamedArrays
from posezoo.core.convert import frontends
from posezoo.core.convert.constant_check import find_changed_constant
from posezoo.core.convert.difference import LARGEST_NOISE, allow_difference, compute_difference
from posezoo.core.convert.fp16_check import compare_with_fp32, find_layer_types, measure_rounding
from posezoo.core.convert.frontends import VerifiedSource
from posezoo.core.convert.graph_cutting import join_names
from posezoo.core.convert.node_comparison import compare_nodes, find_wide_integer
from posezoo.core.convert.reference_outputs import (
    EXACT,
    RecordedComparison,
    ReferenceOutputs,
    ReferenceSample,
    compute_reference,
    find_missing_runtime,
    open_openvino,
    run_compiled,
)
from posezoo.core.declarations.model import ModelSpec, Output, Precision
from posezoo.core.errors import (
    PosezooError,
    RandomNetworkError,
    SelfCheckError,
    WideIntegerError,
    memory_hint,
)
from posezoo.core.events import NodeProof
from posezoo.core.ir.openvino_import import error_text, import_openvino, openvino_core
from posezoo.core.ir.provenance import OutputRounding
from posezoo.core.operating_system import release_memory
from posezoo.core.plugins import Hook
from posezoo.core.resolve.graph_decoder import GRAPH_DECODER
from posezoo.core.values import frozen

#: The allowed difference of an IR in FP16 with a constant that is too large for FP16.
CLIPPED = 2e-2

# OpenVINO's operations that compute other values in each run.
_RANDOM = frozenset({"Multinomial", "RandomUniform"})

#: Selects the rows of outputs that must be alike: those of people, and not padding.
_SELECT_ROWS: Hook[Callable[[ModelSpec, NamedArrays], NamedArrays]] = Hook(
    "compared_rows", lambda _spec, outputs: outputs
)

_NOT_INDEPENDENT = (
    "cannot be proven: only the reader that the IR is made by read the original, and the registry"
    " has no outputs of another runtime"
)


@frozen
class OutputDifference:
    """The largest difference of an output and its limit, relative to the output's largest value.

    Attributes:
        noise: the largest change of the original's output if its input is moved by one rounding;
            None if it was not measured, because the difference is small enough without it.
        rounding: for an IR in FP16 how far it differs from the FP32 IR; None if that was not
            measured.
    """

    difference: float
    tolerance: float
    noise: float | None = None
    rounding: OutputRounding | None = None


@frozen
class SelfCheckResult:
    """The values of a check that an IR passed.

    Attributes:
        reference: what ran the original; empty if nothing did.
        unprovable: the outputs that a rounding changes so much that their numbers prove nothing.
        recorded: the differences of the outputs in the registry from those of the original as it is
            read here; empty if the registry has none, or another runtime was available.
        is_independent: whether something else than the reader that the IR is made by read the
            original.
        nodes: the comparison of inner tensors; None if it was not requested.
        computed: the outputs of the IR for each image; they are not recorded.
    """

    reference: str
    measure: str
    inputs: str
    seeds: tuple[int, ...]
    outputs: Mapping[str, OutputDifference]
    unprovable: tuple[str, ...] = ()
    recorded: Mapping[str, OutputDifference] = field(default_factory=dict)
    is_independent: bool = True
    nodes: NodeProof | None = None
    computed: Sequence[NamedArrays] = field(default=(), repr=False, compare=False)

    @property
    def worst_difference(self) -> OutputDifference:
        """The output with the largest difference; 0 if none was compared."""
        differences = [*self.outputs.values(), *self.recorded.values()]
        none = OutputDifference(0, 0)
        return max(differences, key=lambda output: output.difference, default=none)

    @property
    def largest_rounding(self) -> tuple[str, OutputRounding] | None:
        """The output that the rounding to FP16 moves furthest, and how far; None if that was not
        measured.
        """
        measured = [
            (name, output.rounding) for name, output in self.outputs.items() if output.rounding
        ]
        return max(measured, key=lambda each: each[1].relative, default=None)

    def to_record(self) -> dict[str, Any]:
        """The values as JSON's types, for provenance.json."""
        record = asdict(replace(self, computed=()))
        del record["computed"]
        return record


def check_ir(
    spec: ModelSpec,
    xml: Path,
    source: VerifiedSource,
    running: Future[ReferenceOutputs | None],
    *,
    precision: Precision = Precision.FP32,
    is_strict: bool = False,
    by_nodes: bool = False,
) -> SelfCheckResult:
    """Compare an IR on disk with its original.

    If a runtime that reads the original is not installed, neither is run: constants and outputs
    are compared with what the original and model.yml declare, and the result names no reference.

    Args:
        spec: the model; its ``self_check`` declares how outputs are compared.
        xml: the path of the IR.
        source: the path of the original.
        running: computes the original's outputs, or None (``compute_reference``).
        precision: the precision of the IR; for FP16 the tolerance is ``CLIPPED``.
        is_strict: whether it is an error if numbers cannot prove an output, or if the reader that
            the IR is made by is the only one that read the original.
        by_nodes: whether the tensors inside of the networks are compared, too.

    Raises:
        ConversionError: the constants of the original cannot be read.
        SelfCheckError: the IR or the original cannot be run; an input or output differs in name,
            order or shape; a constant differs from the original's; an output contains inf or nan,
            or an inner tensor differs by more than its tolerance; the original as it is read here
            differs from the recorded outputs; or the check is strict, and numbers cannot prove an
            output or nothing else read the original.
    """
    _refuse_random_operations(spec, precision, xml)
    changed = _compare_constants(spec, xml, source, precision)  # while the original is run
    reference = running.result()
    if is_strict:
        _require_independence(spec, precision, reference)
    if reference is None:
        return _check_declared(spec, xml, precision, changed)
    try:
        names = _name_outputs(spec, reference)
        compiled = _compile_ir(spec, xml, names)
        recorded = _check_recorded(spec, precision, reference.recorded)
        names = names or tuple(reference.cases[0].outputs)
        if problem := _find_port_mismatch(names, reference, compiled):
            raise _create_error(spec, precision, problem)
        computed = [run_compiled(compiled, case.feed) for case in reference.cases]
    except RuntimeError as error:
        raise _create_error(spec, precision, f"cannot be run: {error_text(error)}") from error

    outputs, unprovable = compare_with_noise(spec, precision, names, reference, computed=computed)
    problem = _describe_changed(changed)
    if wrong := find_wrong(outputs, unprovable):
        _refuse_wide_integers(spec, precision, xml, reference)
        problem = describe_wrong(spec, wrong, outputs, reference.runtime)
        if changed:
            problem += f"; its constant {changed}"
        else:
            problem += _describe_first_difference(spec, source, xml, reference)
    if problem:
        raise _create_error(spec, precision, problem)
    del compiled  # its memory is needed
    nodes = _check_nodes(spec, precision, xml, reference, by_nodes=by_nodes)
    for case, actual in zip(reference.cases, computed, strict=True):
        outputs |= _check_decoding(spec, precision, case, actual, names=names)
    if unprovable and is_strict:
        raise _create_unprovable_error(spec, precision, unprovable[0], outputs)
    return SelfCheckResult(
        _name_reference(reference),
        spec.self_check.measure,
        spec.self_check.inputs,
        tuple(case.seed for case in reference.cases),
        outputs=outputs,
        unprovable=unprovable,
        recorded=recorded,
        is_independent=reference.is_independent,
        nodes=nodes,
        computed=computed,
    )


def _describe_changed(changed: str) -> str:
    return changed and f"has another constant than the original: {changed}"


def _check_declared(
    spec: ModelSpec, xml: Path, precision: Precision, changed: str
) -> SelfCheckResult:
    """Check what can be compared without running the original."""
    network = openvino_core().read_model(xml)
    problem = _describe_changed(changed)
    for declared, port in zip(spec.outputs, network.outputs, strict=False):
        shape = list(declared.shape) or port.partial_shape
        if declared.name not in port.names or not port.partial_shape.compatible(
            import_openvino().PartialShape(shape)
        ):
            problem = f"has the output {join_names([port])} {port.partial_shape} instead of"
            problem += f" {declared.name} {shape}"
    if problem:
        raise _create_error(spec, precision, problem)
    settings = spec.self_check
    return SelfCheckResult(
        "", settings.measure, settings.inputs, (), outputs={}, is_independent=False
    )


def _name_reference(reference: ReferenceOutputs) -> str:
    if reference.recorded is None:
        return reference.runtime
    return f"outputs of {reference.recorded.runtime}, recorded in the registry"


def _name_outputs(spec: ModelSpec, reference: ReferenceOutputs) -> tuple[str, ...]:
    """The names of the outputs to compare; those of the original if its decoder is a part of the
    IR.
    """
    if spec.decoding is None:
        return tuple(spec.output_names)
    shapes = {name: each.shape for name, each in reference.cases[0].outputs.items()}
    return tuple(GRAPH_DECODER.part.find_outputs(spec, shapes))


def compare_with_noise(
    spec: ModelSpec,
    precision: Precision,
    names: Sequence[str],
    reference: ReferenceOutputs,
    computed: Sequence[NamedArrays],
) -> tuple[dict[str, OutputDifference], tuple[str, ...]]:
    """The differences by output, and the outputs that cannot be proven."""
    cases = [
        replace(case, outputs=_SELECT_ROWS.part(spec, case.outputs)) for case in reference.cases
    ]
    computed = [_SELECT_ROWS.part(spec, outputs) for outputs in computed]
    moved = [
        [] if case.moved_outputs is None else [_SELECT_ROWS.part(spec, case.moved_outputs)]
        for case in cases
    ]
    outputs, unprovable = _compare_outputs(
        spec, precision, names, cases, computed=computed, moved=moved
    )
    if find_wrong(outputs, unprovable) and reference.is_random():
        raise _create_random_error(spec, precision, "two runs of the original differ")
    # Each draw of the noise can only raise the limit, so there are only as many as needed.
    while find_wrong(outputs, unprovable) and (more := reference.move(len(moved[0]))):
        for case_draws, new in zip(moved, more, strict=True):
            case_draws.extend(_SELECT_ROWS.part(spec, draw) for draw in new)
        outputs, unprovable = _compare_outputs(
            spec, precision, names, cases, computed=computed, moved=moved
        )
    return outputs, unprovable


def _refuse_random_operations(spec: ModelSpec, precision: Precision, xml: Path) -> None:
    if kinds := find_layer_types(xml, _RANDOM):
        raise _create_random_error(spec, precision, f"it has the operation {', '.join(kinds)}")


def _refuse_wide_integers(
    spec: ModelSpec, precision: Precision, xml: Path, reference: ReferenceOutputs
) -> None:
    """Say so if outputs are wrong because the original computes with larger integers than OpenVINO.

    Larger constants alone are common and harmless, such as the end of a Slice.
    """
    try:
        wide = find_wide_integer(reference.original, xml, reference.cases[0])
    except RuntimeError:
        return  # the check's own result is more important
    if wide is None:
        return
    name, value = wide
    raise WideIntegerError(
        f"{spec.full_name}: the {precision} IR differs from the original: in that, {name} has the"
        f" integer {value:,}, and OpenVINO computes integers in 32 bits (by {reference.runtime})",
        hint="nothing was published; let the network compute such numbers in floating point, and"
        " export it again",
    )


def _create_random_error(spec: ModelSpec, precision: Precision, reason: str) -> RandomNetworkError:
    return RandomNetworkError(
        f"{spec.full_name}: the {precision} IR cannot be compared with its original, which draws"
        f" random numbers: {reason}",
        hint="export the network for inference, or give --self_check off",
    )


def describe_wrong(
    spec: ModelSpec, wrong: Sequence[str], outputs: Mapping[str, OutputDifference], runtime: str
) -> str:
    """The outputs that are wrong, and how far the worst of them is off."""
    name = max(wrong, key=lambda name: outputs[name].difference)
    worst = outputs[name]
    return (
        f"differs from the original in {', '.join(wrong)}: {name} by {worst.difference:.1e} of its "
        f"largest value, {worst.tolerance:.0e} is allowed ({spec.self_check.measure}, by {runtime})"
    )


def _create_unprovable_error(
    spec: ModelSpec, precision: Precision, name: str, outputs: Mapping[str, OutputDifference]
) -> SelfCheckError:
    return _create_error(
        spec,
        precision,
        f"cannot be proven by numbers: {_explain_unprovable(name, outputs[name])}",
        hint="nothing was published; without --self_check strict it is, and its record says so",
    )


def _explain_unprovable(name: str, output: OutputDifference) -> str:
    if output.noise is None or output.noise <= LARGEST_NOISE:
        return f"{name} finds no person in the test images"
    return f"a rounding of the input changes {name} by {output.noise:.0%} of its largest value"


def check_fp16(
    spec: ModelSpec,
    xml: Path,
    source: VerifiedSource,
    fp32_xml: Path,
    fp32: Future[SelfCheckResult],
    running: Future[ReferenceOutputs | None],
) -> SelfCheckResult:
    """Check that an IR is the rounding of another one that passed its check.

    The result has the differences of the FP32 IR, and how far the rounding moves its outputs. Only
    an IR with a constant that is too large for FP16 is compared with the original.

    Args:
        fp32: the check of ``fp32_xml``.
        running: computes the original's outputs.

    Raises:
        SelfCheckError: the graphs differ, a constant is not rounded correctly, the check of the
            FP32 IR fails, or a constant is too large for FP16 and the outputs differ by more than
            ``CLIPPED``.
    """
    comparison = compare_with_fp32(fp32_xml, xml)
    if comparison.difference:
        raise _create_error(
            spec, Precision.FP16, f"is not the FP32 IR rounded to FP16: {comparison.difference}"
        )
    result = fp32.result()
    reference = running.result()
    if comparison.clipped:
        # How much this changes can be measured by any reader.
        reference = reference or compute_reference(spec, source, by_openvino=True)
        running = Future()
        running.set_result(reference)
        return check_ir(spec, xml, source, running, precision=Precision.FP16)
    if reference is None:
        return result
    outputs = _measure_rounding(spec, xml, result, reference, is_exact=comparison.is_exact)
    return replace(
        result, reference=f"{result.reference}, before rounding to FP16", outputs=outputs
    )


def _measure_rounding(
    spec: ModelSpec, xml: Path, fp32: SelfCheckResult, reference: ReferenceOutputs, is_exact: bool
) -> dict[str, OutputDifference]:
    """The outputs of the FP32 IR's check, with how far the rounding to FP16 moves each of the
    network's.
    """
    originals = reference.cases[0].outputs
    ports = {port.name: port for port in spec.outputs}
    names = [name for name in fp32.outputs if name in originals]
    computed = fp32.computed
    if not is_exact:
        try:
            compiled = _compile_ir(spec, xml, names)
            computed = [run_compiled(compiled, case.feed) for case in reference.cases]
        except RuntimeError as error:
            problem = f"cannot be run: {error_text(error)}"
            raise _create_error(spec, Precision.FP16, problem) from error
    outputs = dict(fp32.outputs)
    exact = [_SELECT_ROWS.part(spec, each) for each in fp32.computed]
    rounded = [_SELECT_ROWS.part(spec, each) for each in computed]
    for name in names:
        if any(a[name].shape != b[name].shape for a, b in zip(exact, rounded, strict=True)):
            continue  # another number of people: the rounding cannot be measured
        rounding = measure_rounding(ports.get(name, Output(name, ())), exact, rounded)
        if not np.isfinite(rounding.absolute):
            raise _create_error(spec, Precision.FP16, f"computes inf or nan in {name}")
        outputs[name] = replace(outputs[name], rounding=rounding)
    return outputs


def _compile_ir(spec: ModelSpec, xml: Path, names: Sequence[str]) -> Any:
    """The IR, compiled; one with a decoder also puts out the outputs of its network."""
    network: Any = xml
    if spec.decoding:
        network = GRAPH_DECODER.part.add_network_outputs(openvino_core().read_model(xml), names)
    release_memory()
    return openvino_core().compile_model(network, "CPU", EXACT)


def _compare_constants(
    spec: ModelSpec, xml: Path, source: VerifiedSource, precision: Precision
) -> str:
    if precision == Precision.FP16:
        return ""  # compare_with_fp32 compared them
    return find_changed_constant(spec, frontends.read_constants(spec, source), xml)


def _compare_outputs(
    spec: ModelSpec,
    precision: Precision,
    names: Sequence[str],
    cases: Sequence[ReferenceSample],
    computed: Sequence[NamedArrays],
    moved: Sequence[Sequence[NamedArrays]],
) -> tuple[dict[str, OutputDifference], tuple[str, ...]]:
    """The difference of each output, and the outputs that numbers cannot prove.

    Args:
        computed: the outputs of the IR, for each case.
        moved: the original's outputs with a moved image, for each case and each draw.
    """
    measure = spec.self_check.measure
    tolerances = spec.self_check.tolerance
    is_movable = cases[0].moved is not None
    outputs = {}
    unprovable = []
    for name in names:
        differences = []
        noises = []
        both = (*(case.outputs[name] for case in cases), *(each[name] for each in computed))
        if not any(output.size for output in both):
            unprovable.append(name)  # no person was found
        for case, actual, draws in zip(cases, computed, moved, strict=True):
            if not np.isfinite(actual[name]).all():
                raise _create_error(spec, precision, f"computes inf or nan in {name}")
            original = case.outputs[name]
            differences.append(compute_difference(original, actual[name], measure))
            noises += [compute_difference(original, draw[name], measure) for draw in draws]
        # np.max instead of max, because it returns nan if there is one.
        difference = float(np.max(differences))
        noise = float(np.max(noises)) if noises else None
        tolerance = tolerances.get(name, tolerances.get("*"))
        if tolerance is None:
            if noise is not None and not noise <= LARGEST_NOISE and name not in unprovable:
                unprovable.append(name)
            tolerance = _usual_tolerance(precision, noise if is_movable else 0)
        outputs[name] = OutputDifference(difference, tolerance, noise)
    return outputs, tuple(unprovable)


def _usual_tolerance(precision: Precision, noise: float | None) -> float:
    """The tolerance of an output without a declared one; ``noise`` is 0 if it was not measured."""
    return CLIPPED if precision == Precision.FP16 else allow_difference(noise)


def _check_recorded(
    spec: ModelSpec, precision: Precision, recorded: RecordedComparison | None
) -> dict[str, OutputDifference]:
    """Compare the outputs in the registry with those of the original as it is read here."""
    if recorded is None:
        return {}
    names = tuple(recorded.recorded[0])
    outputs, _ = _compare_outputs(
        spec,
        Precision.FP32,
        names,
        recorded.cases,
        computed=recorded.recorded,
        moved=recorded.moved,
    )
    # A wrongly read network may amplify roundings, so no output is excepted.
    if wrong := find_wrong(outputs, ()):
        name = max(wrong, key=lambda name: outputs[name].difference)
        worst = outputs[name]
        raise _create_error(
            spec,
            precision,
            f"comes from a wrong reading of the original: {name} differs by {worst.difference:.1e}"
            f" of its largest value from what {recorded.runtime} computed, {worst.tolerance:.0e} is"
            " allowed",
            hint="nothing was published; posezoo or OpenVINO reads this file wrongly: report it",
        )
    return {name: each for name, each in outputs.items() if name not in recorded.inner}


def _require_independence(
    spec: ModelSpec, precision: Precision, reference: ReferenceOutputs | None
) -> None:
    """Refuse an original that only the reader read that the IR is made by."""
    if reference and reference.is_independent:
        return
    hint = "nothing was published; without --self_check strict it is, and its record says so"
    if command := find_missing_runtime(spec):
        hint = f"a runtime of its format reads it independently: {command}"
    raise _create_error(spec, precision, _NOT_INDEPENDENT, hint=hint)


def _check_decoding(
    spec: ModelSpec,
    precision: Precision,
    case: ReferenceSample,
    actual: NamedArrays,
    names: Sequence[str],
) -> dict[str, OutputDifference]:
    """Compare the outputs of a decoder in the IR with those of the numpy decoder for the IR's own
    maps.
    """
    if spec.decoding is None:
        return {}
    compared = GRAPH_DECODER.part.compare(spec, case.feed, case.prepared, actual, names)
    for name, (difference, limit) in compared.items():
        if not difference <= limit:
            problem = (
                f"differs from posezoo.decode in {name}: by {difference:.1e}, {limit:.0e} is"
                " allowed"
            )
            raise _create_error(spec, precision, problem, hint="nothing was published")
    return {name: OutputDifference(*values) for name, values in compared.items()}


def find_wrong(outputs: Mapping[str, OutputDifference], unprovable: Sequence[str]) -> list[str]:
    """The outputs that differ by more than is allowed."""
    # "not <=" instead of ">", so that nan also counts.
    return [
        name
        for name, output in outputs.items()
        if not output.difference <= output.tolerance and name not in unprovable
    ]


def _describe_first_difference(
    spec: ModelSpec, source: VerifiedSource, xml: Path, reference: ReferenceOutputs
) -> str:
    original = reference.original
    case = reference.cases[0]
    try:
        if original.inner is None:
            sizes = {name: values.shape for name, values in case.prepared.items()}
            original = open_openvino(spec, source, sizes)
        _, first = compare_nodes(spec, original, xml, case)
    except (PosezooError, RuntimeError):
        return ""  # the check's own result is more important
    if first is None:
        return f"; each node agrees with {original.name}"
    return f"; the first node that differs is {first.operation}"


def _check_nodes(
    spec: ModelSpec,
    precision: Precision,
    xml: Path,
    reference: ReferenceOutputs,
    *,
    by_nodes: bool,
) -> NodeProof | None:
    """Compare the inner tensors with those of an independent runtime, if that was requested."""
    if not by_nodes:
        return None
    if not reference.original.is_independent:
        return NodeProof(recorded=len(reference.recorded.inner) if reference.recorded else 0)
    proof, first = compare_nodes(spec, reference.original, xml, reference.cases[0])
    if first is None:
        return proof
    raise _create_error(
        spec,
        precision,
        f"has the outputs of the original, but differs from it inside: first in {first.operation},"
        f" by {first.difference:.1e} of its largest value, {first.limit:.0e} is allowed (by"
        f" {reference.runtime})",
        hint="nothing was published; a conversion that compares outputs only would publish it",
    )


def _create_error(
    spec: ModelSpec,
    precision: Precision,
    problem: str,
    hint: str = "nothing was published; self_check in model.yml can allow more, with a reason",
) -> SelfCheckError:
    problem = f"{spec.full_name}: the {precision} IR {problem}"
    return SelfCheckError(problem, hint=memory_hint(problem) or hint)


def _find_port_mismatch(names: tuple[str, ...], reference: ReferenceOutputs, compiled: Any) -> str:
    """How inputs or outputs differ in name, order or shape; empty if they do not differ."""
    case = reference.cases[0]
    for name in names:
        if name not in case.outputs:
            return f"cannot be compared: {reference.runtime} gives no output {name}"
    for kind, arrays, ports in (
        ("input", case.feed, compiled.inputs),
        (
            "output",
            {name: case.outputs[name] for name in names},
            compiled.outputs[: len(names) or None],
        ),
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
