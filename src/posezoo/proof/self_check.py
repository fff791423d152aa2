"""Check that an IR computes the same outputs as its original.

The IR is read from disk and run on random images; not so if a runtime that reads the original is
not installed, since OpenVINO in its place would prove little. Outputs may differ by five times what
one rounding of the input changes in the original's: correct programs that add in another order
differ by up to 2.2 times as much, relative to the output's largest value. Before an IR is refused,
the original is run in double precision if its runtime has that. An IR in FP16 must be the FP32 IR
with rounded constants (``fp16_check``); how far that moves the outputs is measured, and has no
limit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.feature_steps import COMPARED_ROWS, INT8_MAKER
from posezoo.core.convert.formats import OriginalNode
from posezoo.core.convert.frontends import VerifiedSource
from posezoo.core.convert.graph_cutting import join_names
from posezoo.core.convert.proof_result import LARGEST_NOISE, OutputDifference, SelfCheckResult
from posezoo.core.declarations.model import ModelSpec, Output, Precision
from posezoo.core.errors import (
    Advice,
    NoReferenceError,
    PosezooError,
    RandomNetworkError,
    SelfCheckError,
    memory_hint,
)
from posezoo.core.events import NodeProof
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import error_text, import_openvino, openvino_core
from posezoo.core.ir.provenance import NOT_COMPARABLE
from posezoo.core.operating_system import release_memory
from posezoo.core.registry import format_command
from posezoo.core.resolve.graph_decoder import GRAPH_DECODER
from posezoo.core.values import frozen
from posezoo.proof.check_extent import reshape_to
from posezoo.proof.difference import (
    WITHOUT_NOISE,
    allow_difference,
    allow_own_rounding,
    compute_difference,
    find_same_infinities,
)
from posezoo.proof.fp16_check import (
    compare_with_fp32,
    find_bfloat16,
    find_types,
    measure_rounding,
    read_xml,
)
from posezoo.proof.int8_check import compare_with_half, draw_feeds
from posezoo.proof.node_comparison import (
    STEPS,
    InnerDifference,
    compare_before,
    compare_nodes,
)
from posezoo.proof.reference_outputs import (
    EXACT,
    FindReference,
    RecordedComparison,
    ReferenceOutputs,
    ReferenceSample,
    compute_reference,
    explain_dependence,
    open_openvino,
)
from posezoo.proof.step_comparison import compare_at_steps

#: The largest distance of neighbouring values in bfloat16, relative to the value.
BFLOAT16_UNIT = 2**-7

#: The allowed difference of an IR in FP16 with a constant that is too large for FP16.
CLIPPED = 2e-2

_ONLY_PROOF = Advice(
    "no IR was written; only --require_proof refuses such an IR", "--require_proof"
)

# OpenVINO's operations that compute other values in each run.
_RANDOM = frozenset({"Multinomial", "RandomUniform"})

# Outputs of the original, each with what it is compared with.
_Pairs = Sequence[tuple[Array, Array]]


@frozen
class OutputComparison:
    """The differences of outputs."""

    outputs: Mapping[str, OutputDifference]

    @property
    def wrong(self) -> list[str]:
        """The outputs that differ by more than is allowed."""
        return [name for name, output in self.outputs.items() if output.is_wrong]

    @property
    def unprovable(self) -> tuple[str, ...]:
        """The outputs whose numbers prove nothing."""
        return tuple(name for name, output in self.outputs.items() if output.not_compared)

    def with_doubt(self, names: Iterable[str], doubt: str) -> OutputComparison:
        """With the reason why these outputs cannot be compared; an empty one removes it."""
        outputs = {name: replace(self.outputs[name], not_compared=doubt) for name in names}
        return OutputComparison({**self.outputs, **outputs})

    def without_noise(self) -> OutputComparison:
        """With the outputs in doubt whose difference the unknown noise may explain."""
        near = [name for name in self.wrong if self.outputs[name].difference <= WITHOUT_NOISE]
        doubt = "no input can be moved by a rounding, so the noise of the original is not known"
        return self.with_doubt(near, doubt)

    @property
    def worst(self) -> tuple[str, OutputDifference]:
        """The wrong output with the largest difference; there must be one."""
        name = max(self.wrong, key=lambda name: self.outputs[name].difference)
        return name, self.outputs[name]


@frozen
class NetworkCheck:
    """Compares the outputs of a network with those of its original.

    Attributes:
        spec: the model; its ``self_check`` declares how outputs are compared.
    """

    spec: ModelSpec
    precision: Precision

    def compare(
        self,
        names: Sequence[str],
        reference: ReferenceOutputs,
        computed: Sequence[NamedArrays],
    ) -> OutputComparison:
        """Compare outputs, with as many draws of the original's noise as are needed.

        Raises:
            RandomNetworkError: the original computes other outputs in each run.
            SelfCheckError: an output contains inf or nan.
        """
        select = partial(COMPARED_ROWS.part.select, self.spec)
        cases = [
            replace(
                case,
                outputs=select(case.outputs),
                single_outputs=case.single_outputs and select(case.single_outputs),
            )
            for case in reference.cases
        ]
        computed = list(map(select, computed))
        moved = [
            [] if case.moved_outputs is None else [select(case.moved_outputs)] for case in cases
        ]
        compare = partial(self.compare_samples, names, cases, computed, moved)
        compared = compare()
        if compared.wrong and reference.is_random():
            raise self.create_random_error("two runs of the original differ")
        # Each draw of the noise can only raise the limit, so there are only as many as needed.
        while compared.wrong and (more := reference.move(len(moved[0]))):
            for case_draws, new in zip(moved, more, strict=True):
                case_draws.extend(map(select, new))
            compared = compare()
        return compared if any(moved) else compared.without_noise()

    def compare_samples(
        self,
        names: Sequence[str],
        cases: Sequence[ReferenceSample],
        computed: Sequence[NamedArrays],
        moved: Sequence[Sequence[NamedArrays]],
    ) -> OutputComparison:
        """Compare outputs with the samples' and, for each case and draw, the original's with a
        moved image, ``moved``.
        """
        outputs = {}
        for name in names:
            pairs = [
                (case.outputs[name], each[name]) for case, each in zip(cases, computed, strict=True)
            ]
            draws = [
                (case.outputs[name], draw[name])
                for case, own in zip(cases, moved, strict=True)
                for draw in own
            ]
            outputs[name] = self._compare_output(name, cases, pairs, draws)
        return OutputComparison(outputs)

    def _compare_output(
        self, name: str, cases: Sequence[ReferenceSample], pairs: _Pairs, draws: _Pairs
    ) -> OutputDifference:
        if not all(_is_like(*pair) for pair in pairs):
            raise self._create_infinity_error(name)
        measure = self.spec.self_check.measure
        difference = _find_largest(pairs, measure)
        both = [
            (case.outputs[name], case.single_outputs[name])
            for case in cases
            if case.single_outputs is not None
        ]
        # Outputs in both precisions that differ so much are noise.
        draws = [*draws, *(each for each in both if not compute_difference(*each) <= LARGEST_NOISE)]
        noise = _find_largest(draws, measure) if draws else None
        declared = self.spec.self_check.tolerance
        limit = declared.get(name, declared.get("*"))
        doubt = ""
        if limit is None:
            limit = CLIPPED if self.precision == Precision.FP16 else allow_difference(noise)
            limit += allow_own_rounding(_find_largest(both, measure)) if both else 0
            doubt = _explain_noise(name, noise)
        if not any(output.size for pair in pairs for output in pair):
            doubt = explain_empty(name)
        return OutputDifference(difference, limit, noise, not_compared=doubt)

    def _create_infinity_error(self, name: str) -> SelfCheckError:
        return self.create_error(f"computes inf or nan in {name}")

    def describe_wrong(self, compared: OutputComparison, runtime: str) -> str:
        """The outputs that are wrong, and how far the worst of them is off."""
        name, worst = compared.worst
        return (
            f"differs from the original in {', '.join(compared.wrong)}: {name} by"
            f" {worst.difference:.1e} of its largest value, {worst.tolerance:.0e} is allowed"
            f" ({self.spec.self_check.measure}, by {runtime})"
        )

    def create_error(
        self,
        problem: str,
        hint: str = "no IR was written; self_check in model.yml can allow more, with a reason",
    ) -> SelfCheckError:
        """The error of an IR with a problem."""
        problem = f"{self.spec.full_name}: the {self.precision} IR {problem}"
        return SelfCheckError(problem, hint=memory_hint(problem) or hint)

    def create_random_error(self, reason: str) -> RandomNetworkError:
        """The error of an original that draws random numbers."""
        return RandomNetworkError(
            f"{self.spec.full_name}: the {self.precision} IR cannot be compared with its original,"
            f" which draws random numbers: {reason}",
            hint="export the network for inference, or give --self_check off",
        )


@frozen
class IrCheck(NetworkCheck):
    """Compares an IR on disk with its original.

    Attributes:
        is_strict: whether it is an error if numbers cannot prove an output, or only the reader that
            made the IR read the original.
        by_nodes: whether inner tensors are compared, too.
    """

    xml: Path
    source: VerifiedSource
    is_strict: bool = False
    by_nodes: bool = False

    def run(self, find_reference: FindReference) -> SelfCheckResult:
        """Compare the IR with what the original computes.

        If no runtime reads the original, neither is run: the outputs are compared with those that
        model.yml declares.

        Raises:
            SelfCheckError: the IR or the original cannot be run; an input or output differs in
                name, order or shape; an output contains inf
                or nan, or an inner tensor differs by more than its tolerance; the original as it is
                read here differs from the recorded outputs; or the check is strict, and numbers
                cannot prove an output or nothing else read the original.
        """
        result = self._compare(find_reference)
        if self.is_strict and result.not_compared:
            raise self.create_error(
                f"{NOT_COMPARABLE} with its original, because {result.not_compared}", _ONLY_PROOF
            )
        return result

    def _compare(self, find_reference: FindReference) -> SelfCheckResult:
        self._refuse_random_layers()  # while the original is run
        release_memory()
        try:
            reference = find_reference()
        except NoReferenceError as error:
            return self._check_declared(error.problem)
        if reference is None:
            return self._check_declared(explain_dependence(self.spec))
        recorded = self._check_recorded(reference.recorded)
        names = self._name_outputs(reference)
        computed = self._compute_outputs(names, reference)
        reference, judged, compared = self._compare_with_most_exact(names, reference, computed)
        place = ""
        if compared.wrong:
            compared, place = self._compare_at_steps(compared, reference, judged)
        if compared.wrong:
            compared = self._allow_units(compared, reference)
        if compared.wrong:
            raise self._create_difference_error(compared, reference, judged, place)
        compared = self._doubt_enlarged(compared, reference)
        compared = self._settle_doubts(compared, reference)
        nodes = self._check_nodes(reference) if self.by_nodes else None
        outputs = {**compared.outputs, **self._check_decoding(names, reference, judged)}
        doubts = [each.not_compared for each in (*recorded.values(), *outputs.values())]
        not_compared = next(filter(None, doubts), "")
        if not reference.is_independent:
            not_compared = explain_dependence(self.spec, reference.refusal)
        return SelfCheckResult(
            _name_reference(reference),
            self.spec.self_check.measure,
            self.spec.self_check.inputs,
            tuple(case.image.seed for case in reference.cases),
            outputs=outputs,
            unprovable=compared.unprovable,
            recorded=recorded,
            not_compared=not_compared,
            reduction=reference.extent.reduction,
            values=reference.describe_values(),
            nodes=nodes,
            computed=computed,
        )

    def run_as_rounding(
        self,
        fp32_xml: Path,
        find_fp32: Callable[[], SelfCheckResult],
        find_reference: FindReference,
    ) -> SelfCheckResult:
        """Check that the IR is the rounding to FP16 of another one that passed its check.

        The result has the differences of the FP32 IR, and how far the rounding moves its outputs;
        only an IR with a constant that is too large for FP16 is compared with the original.

        Raises:
            SelfCheckError: the graphs differ, a constant is not rounded correctly, the check of the
                FP32 IR fails, or a constant is too large for FP16 and the outputs differ by more
                than ``CLIPPED``.
        """
        comparison = compare_with_fp32(fp32_xml, self.xml)
        if comparison.difference:
            raise self.create_error(f"is not the FP32 IR rounded to FP16: {comparison.difference}")
        fp32 = find_fp32()
        reference = None
        with suppress(NoReferenceError):  # the result of the FP32 IR says it
            reference = find_reference()
        if comparison.is_clipped:
            # How much this changes can be measured by any reader.
            original = reference or compute_reference(self.spec, self.source, by_openvino=True)
            return self.run(lambda: original)
        return self._with_rounding(fp32, reference, is_exact=comparison.is_exact)

    def run_as_int8(
        self,
        half_xml: Path,
        find_half: Callable[[], SelfCheckResult],
        find_reference: FindReference,
    ) -> SelfCheckResult:
        """Check that the IR is the FP16 IR in INT8, with the ranges in the registry, and that its
        outputs for photos are near those of FP16.

        Raises:
            SelfCheckError: it has other ranges, a range is far wider than the values on photos, a
                weight is not rounded correctly, an output is far from that of FP16 or contains inf
                or nan, or the check of the FP16 IR fails.
        """
        maker = INT8_MAKER.part
        hint = f"{format_command('quantize', self.spec)} --images PHOTOS makes INT8, too"
        if difference := maker.explain_difference(half_xml, self.xml, self.spec):
            problem = f"is not the FP16 IR with the declared ranges: {difference}"
            raise self.create_error(problem, hint)
        try:
            feeds = draw_feeds(self.spec, half_xml)
            if feeds and (wide := maker.explain_wide_range(half_xml, self.spec, feeds)):
                raise self.create_error(f"has a range that is too wide: {wide}", hint)
            compared = compare_with_half(self.spec, half_xml, self.xml, feeds)
        except RuntimeError as error:
            raise self.create_error(f"cannot be run: {error_text(error)}") from error
        if problem := compared.explain_difference():
            hint = f"no IR was written; the ranges may be those of another network; {hint}"
            raise self.create_error(problem, hint)
        half = find_half()
        reference = find_reference()
        if not compared.photos:
            self._with_rounding(half, reference)  # at least it can be run
        proof = ""
        if reference:
            proof = f"{_name_reference(reference)}, before rounding to {self.precision}"
        return replace(half, reference=proof, outputs={}, recorded={}, int8=compared)

    def _with_rounding(
        self, fp32: SelfCheckResult, reference: ReferenceOutputs | None, *, is_exact: bool = False
    ) -> SelfCheckResult:
        if reference is None:
            return fp32
        runtime = f"{_name_reference(reference)}, before rounding to {self.precision}"
        if not reference.extent.runs_rounded:
            return replace(fp32, reference=runtime)
        names = [name for name in fp32.outputs if name in reference.cases[0].outputs]
        computed = fp32.computed if is_exact else self._compute_outputs(names, reference)
        outputs = self._measure_rounding(names, fp32, computed)
        return replace(fp32, reference=runtime, outputs=outputs)

    def _measure_rounding(
        self, names: Sequence[str], fp32: SelfCheckResult, computed: Sequence[NamedArrays]
    ) -> dict[str, OutputDifference]:
        ports = {port.name: port for port in self.spec.outputs}
        outputs = dict(fp32.outputs)
        rows = COMPARED_ROWS.part
        exact = [rows.select(self.spec, each) for each in fp32.computed]
        rounded = [rows.select(self.spec, each) for each in computed]
        for name in names:
            if any(a[name].shape != b[name].shape for a, b in zip(exact, rounded, strict=True)):
                continue  # another number of people: the rounding cannot be measured
            rounding = measure_rounding(ports.get(name, Output(name, ())), exact, rounded)
            if not np.isfinite(rounding.absolute):
                raise self._create_infinity_error(name)
            # That of INT8 says nothing: its ranges are those of photos, and the images are noise.
            is_half = self.precision == Precision.FP16
            outputs[name] = replace(outputs[name], rounding=rounding if is_half else None)
        return outputs

    def _check_declared(self, reason: str) -> SelfCheckResult:
        network = openvino_core().read_model(self.xml)
        for declared, port in zip(self.spec.outputs, network.outputs, strict=False):
            shape = list(declared.shape) or port.partial_shape
            if declared.name not in port.names or not port.partial_shape.compatible(
                import_openvino().PartialShape(shape)
            ):
                raise self.create_error(
                    f"has the output {join_names([port])} {port.partial_shape} instead of"
                    f" {declared.name} {shape}"
                )
        settings = self.spec.self_check
        return SelfCheckResult(
            "",
            settings.measure,
            settings.inputs,
            (),
            outputs={},
            not_compared=reason,
        )

    def _check_recorded(self, recorded: RecordedComparison | None) -> dict[str, OutputDifference]:
        if recorded is None:
            return {}
        names = tuple(recorded.recorded[0])
        compared = NetworkCheck(self.spec, Precision.FP32).compare_samples(
            names, recorded.cases, recorded.recorded, recorded.moved
        )
        # A wrongly read network may amplify roundings, so no output is excepted.
        compared = compared.with_doubt(names, "")
        if compared.wrong:
            name, worst = compared.worst
            raise self.create_error(
                f"comes from a wrong reading of the original: {name} differs by"
                f" {worst.difference:.1e} of its largest value from what {recorded.runtime}"
                f" computed, {worst.tolerance:.0e} is allowed",
                hint="no IR was written; posezoo or OpenVINO reads this file wrongly: report it",
            )
        # The noise is that of the accused: it is no proof that a large difference is right.
        doubt = "only the reader that made the IR says how much a rounding changes {}"
        for name, output in compared.outputs.items():
            if output.difference > WITHOUT_NOISE and name not in self._list_declared(compared):
                compared = compared.with_doubt([name], doubt.format(name))
        return {name: each for name, each in compared.outputs.items() if name not in recorded.inner}

    def _compare_with_most_exact(
        self, names: Sequence[str], reference: ReferenceOutputs, computed: Sequence[NamedArrays]
    ) -> tuple[ReferenceOutputs, Sequence[NamedArrays], OutputComparison]:
        """Compare the outputs, and unless that proves them, compare them with those of the original
        in double precision: its runtime may be the less exact one.

        Returns:
            The reference, and what the IR computed, for the inputs that were compared at last.
        """
        compared = self.compare(names, reference, computed)
        has_steps = bool(self._list_steps(compared.wrong, reference))
        if not (compared.wrong or compared.unprovable) or has_steps:
            return reference, computed, compared
        exact = reference.compute_in_double()
        if exact is None:
            return reference, computed, compared
        kept = exact.find_comparable()
        exact = replace(exact, cases=tuple(exact.cases[number] for number in kept))
        computed = [computed[number] for number in kept]
        return exact, computed, self.compare(names, exact, computed)

    def _list_steps(self, names: Sequence[str], reference: ReferenceOutputs) -> list[OriginalNode]:
        cut = reference.find_cut() if names else None
        return cut.cuts.list_steps(names) if cut else []

    def _compare_at_steps(
        self,
        compared: OutputComparison,
        reference: ReferenceOutputs,
        computed: Sequence[NamedArrays],
    ) -> tuple[OutputComparison, str]:
        """The wrong outputs, compared on both sides of the steps before them if there are any; and
        which part of the network differs first.
        """
        if reference.original.in_levels:
            return self._compare_levels(compared, reference, computed), ""
        cut = reference.find_cut()
        if cut is None or self.spec.decoding:
            return compared, ""
        select = partial(COMPARED_ROWS.part.select, self.spec)
        try:
            verdicts = compare_at_steps(reference, cut, self.xml, compared.wrong, select)
        except RuntimeError as error:
            doubt = f"its parts between steps cannot be run: {error_text(error)}"
            behind = [name for name in compared.wrong if cut.cuts.list_steps([name])]
            return compared.with_doubt(behind, doubt), ""
        outputs = {
            name: replace(
                compared.outputs[name],
                difference=verdict.last.difference,
                tolerance=verdict.last.limit,
                steps=verdict.steps,
                not_compared=verdict.doubt,
            )
            for name, verdict in verdicts.items()
            if verdict.wrong is None
        }
        wrong = next((each for each in verdicts.values() if each.wrong), None)
        place = f"; between steps, {wrong.describe_wrong()}" if wrong else ""
        return OutputComparison({**compared.outputs, **outputs}), place

    def _list_declared(self, compared: OutputComparison) -> Collection[str]:
        """The outputs whose limit the model declares."""
        declared = self.spec.self_check.tolerance
        return list(compared.outputs) if "*" in declared else declared.keys()

    def _compare_levels(
        self,
        compared: OutputComparison,
        reference: ReferenceOutputs,
        computed: Sequence[NamedArrays],
    ) -> OutputComparison:
        """Each layer of an original in 8 bits rounds to levels. An output whose mean difference is
        not larger than what half of a level in the input changes in the original is in doubt.
        """
        select = partial(COMPARED_ROWS.part.select, self.spec)
        draws = reference.move_levels()
        near = []
        for name in compared.wrong:
            pairs = []
            moved = []
            for case, actual, own in zip(reference.cases, computed, draws, strict=True):
                expected = select(case.outputs)[name]
                pairs.append((expected, select(actual)[name]))
                moved += [(expected, select(each)[name]) for each in own]
            limit = allow_difference(_find_largest(moved, "mean")) + WITHOUT_NOISE
            if _find_largest(pairs, "mean") <= limit:
                near.append(name)
        doubt = f"{reference.runtime} rounds {', '.join(near)} to 8 bits otherwise"
        return compared.with_doubt(near, doubt)

    def _doubt_enlarged(
        self, compared: OutputComparison, reference: ReferenceOutputs
    ) -> OutputComparison:
        """With the outputs in doubt whose noise a step of the network may have enlarged, if the
        original cannot be cut there.
        """
        inner = reference.original.inner
        far = [
            name
            for name, output in compared.outputs.items()
            if WITHOUT_NOISE < output.difference <= output.tolerance
            and name not in self._list_declared(compared)
        ]
        if not far or (inner and inner.read_graph() and not self.spec.decoding):
            return compared
        steps = find_types(read_xml(self.xml), STEPS)
        if not steps:
            return compared
        doubt = f"{reference.runtime} does not run from one step ({', '.join(steps)}) to the next"
        return compared.with_doubt(far, doubt)

    def _allow_units(
        self, compared: OutputComparison, reference: ReferenceOutputs
    ) -> OutputComparison:
        """With a limit for the wrong outputs in bfloat16 that is one unit larger: on a CPU without
        AVX512, OpenVINO 2026.4.1 rounds to it otherwise.
        """
        outputs = {
            name: replace(
                compared.outputs[name],
                tolerance=compared.outputs[name].tolerance + BFLOAT16_UNIT,
            )
            for name in find_bfloat16(read_xml(self.xml)).intersection(compared.wrong)
            if all(is_bfloat16(case.outputs[name]) for case in reference.cases)
        }
        return OutputComparison({**compared.outputs, **outputs})

    def _settle_doubts(
        self, compared: OutputComparison, reference: ReferenceOutputs
    ) -> OutputComparison:
        """Compare the tensors before outputs whose own values prove nothing. Those whose values are
        the same for all inputs are in doubt, unless the tensors before them are equal.

        Raises:
            SelfCheckError: one differs before an output that a rounding changes.
        """
        outputs = compared.outputs.items()
        reasons = _list_silent(compared, reference.cases)
        noisy = [name for name, output in outputs if output.is_noisy and output.not_compared]
        if not (reasons or noisy):
            return compared
        proven, first = self._compare_before([*reasons, *noisy], reference)
        if first and noisy and not self._list_steps(noisy, reference):
            problem = f"differs from the original before {', '.join(noisy)}: first in"
            raise self.create_error(f"{problem} {_describe_inner(first, reference)}")
        before = f"; before it, {first.operation} differs" if first else ""
        for name, reason in reasons.items():
            doubt = "" if name in proven else reason + before
            compared = compared.with_doubt([name], doubt)
        return compared

    def _compare_before(
        self, outputs: Collection[str], reference: ReferenceOutputs
    ) -> tuple[set[str], InnerDifference | None]:
        """As ``node_comparison.compare_before``; if the tensors cannot be compared, no output is
        proven.
        """
        if not reference.is_independent:
            return set(), None
        original, case = reference.original, reference.cases[0]
        try:
            return compare_before(self.spec, original, self.xml, case, outputs)
        except (PosezooError, RuntimeError):
            return set(), None

    def _name_outputs(self, reference: ReferenceOutputs) -> tuple[str, ...]:
        """The names of the outputs to compare; those of the original if its decoder is a part of
        the IR, or if none are declared.
        """
        originals = reference.cases[0].outputs
        if self.spec.decoding is None:
            return tuple(self.spec.output_names or originals)
        shapes = {name: each.shape for name, each in originals.items()}
        return tuple(GRAPH_DECODER.part.find_outputs(self.spec, shapes))

    def _refuse_random_layers(self) -> None:
        if kinds := find_types(read_xml(self.xml), _RANDOM):
            raise self.create_random_error(f"it has the operation {', '.join(kinds)}")

    def _compute_outputs(
        self, names: Sequence[str], reference: ReferenceOutputs
    ) -> list[NamedArrays]:
        network: Any = self.xml
        try:
            if self.spec.decoding:
                network = openvino_core().read_model(self.xml)
                network = GRAPH_DECODER.part.add_network_outputs(network, names)
            elif reference.extent.sizes:
                network = openvino_core().read_model(self.xml)
                reshape_to(network, reference.cases[0].feed)
            release_memory()
            compiled = _compile(network)
            if problem := _find_port_mismatch(names, reference, compiled):
                raise self.create_error(problem)
            return [run_compiled(compiled, case.feed) for case in reference.cases]
        except RuntimeError as error:
            raise self.create_error(f"cannot be run: {error_text(error)}") from error

    def _describe_first_difference(self, reference: ReferenceOutputs) -> str:
        original = reference.original
        case = reference.cases[0]
        try:
            if original.inner is None:
                sizes = {name: values.shape for name, values in case.prepared.items()}
                original = open_openvino(self.spec, self.source, sizes)
            proof, first = compare_nodes(self.spec, original, self.xml, case)
        except (PosezooError, RuntimeError):
            return ""  # the check's own result is more important
        if first:
            return f"; the first node that differs is {first.operation}"
        agreeing = proof.equal + proof.within_noise
        if not agreeing:
            return ""
        # One image is compared, and the outputs may differ for another.
        return (
            f"; for the first image, {agreeing} tensors inside agree with {original.name}, and"
            f" {proof.no_partner + proof.unprovable} cannot be compared"
        )

    def _check_nodes(self, reference: ReferenceOutputs) -> NodeProof:
        if not reference.original.is_independent:
            return NodeProof(recorded=len(reference.recorded.inner) if reference.recorded else 0)
        case = reference.cases[0]
        proof, first = compare_nodes(self.spec, reference.original, self.xml, case)
        if first and (exact := reference.original.open_double()):
            proof, first = compare_nodes(self.spec, exact, self.xml, case)
        if first is None:
            return proof
        raise self.create_error(
            "has the outputs of the original, but differs from it inside: first in"
            f" {_describe_inner(first, reference)}",
            hint="no IR was written; the outputs alone would not show this difference",
        )

    def _check_decoding(
        self, names: Sequence[str], reference: ReferenceOutputs, computed: Sequence[NamedArrays]
    ) -> dict[str, OutputDifference]:
        outputs: dict[str, OutputDifference] = {}
        if self.spec.decoding is None:
            return outputs
        for case, actual in zip(reference.cases, computed, strict=True):
            compared = GRAPH_DECODER.part.compare(
                self.spec, case.feed, case.prepared, actual, names
            )
            for name, (difference, limit) in compared.items():
                if not difference <= limit:
                    raise self.create_error(
                        f"differs from posezoo.decode in {name}: by {difference:.1e}, {limit:.0e}"
                        " is allowed",
                        hint="no IR was written",
                    )
                outputs[name] = OutputDifference(difference, limit)
        return outputs

    def _create_difference_error(
        self,
        compared: OutputComparison,
        reference: ReferenceOutputs,
        computed: Sequence[NamedArrays],
        place: str,
    ) -> SelfCheckError:
        problem = self.describe_wrong(compared, reference.runtime)
        name, worst = compared.worst
        problem += _describe_place(name, worst.tolerance, reference.cases, computed)
        problem += place or self._describe_first_difference(reference)
        return self.create_error(problem)


def _describe_inner(first: InnerDifference, reference: ReferenceOutputs) -> str:
    return (
        f"{first.operation}, by {first.difference:.1e} of its largest value, {first.limit:.0e} is"
        f" allowed (by {reference.runtime})"
    )


def explain_empty(name: str) -> str:
    """Why an output without any row proves nothing."""
    return f"{name} finds no person in the test images"


def is_bfloat16(values: Array) -> bool:
    """Whether values in float32 are those of bfloat16."""
    return values.dtype == np.float32 and not (values.view(np.uint32) & 0xFFFF).any()


def _list_silent(compared: OutputComparison, cases: Sequence[ReferenceSample]) -> dict[str, str]:
    """The outputs that are empty, or the same for all images, and why they prove nothing."""
    reasons = {}
    for name, output in compared.outputs.items():
        if output.not_compared == explain_empty(name):
            reasons[name] = output.not_compared
        elif not output.not_compared and _is_silent(name, cases):
            reasons[name] = f"{name} is the same for all test images"
    return reasons


def _explain_noise(name: str, noise: float | None) -> str:
    """Why an output that a rounding changes proves nothing; empty if it hardly changes."""
    # "not <=" instead of ">", so that nan also counts.
    if noise is None or noise <= LARGEST_NOISE:
        return ""
    share = f"by {noise:.0%} of its largest value" if noise < 1 else "altogether"
    return f"a rounding of the input changes {name} {share}"


def _is_silent(name: str, cases: Sequence[ReferenceSample]) -> bool:
    """Whether an output is the same for all images; of one image, whether all values are equal."""
    if name not in cases[0].outputs:
        return False
    first, *others = (case.outputs[name] for case in cases)
    if not others:
        return first.size > 1 and bool((first == first.flat[0]).all())
    return all(_are_same(first, other) for other in others)


def _compile(network: Any) -> Any:
    try:
        return openvino_core().compile_model(network, "CPU", EXACT)
    except RuntimeError as error:
        if "f64 precision" not in str(error):
            raise
        # OpenVINO 2026.4 joins operations to a group, and then does not compute float64 in it.
        return openvino_core().compile_model(network, "CPU", {**EXACT, "SNIPPETS_MODE": "DISABLE"})


def _are_same(first: Array, other: Array) -> bool:
    if first.shape == other.shape:
        return np.array_equal(first, other)
    # A batch of two may have the same row twice.
    is_batch = first.ndim and first.shape[1:] == other.shape[1:]
    return bool(is_batch and (other == first[:1]).all())


def _describe_place(
    name: str,
    limit: float,
    cases: Sequence[ReferenceSample],
    computed: Sequence[NamedArrays],
) -> str:
    """Where an output differs most in the first input that shows it; samples are first."""
    pairs = [(case.outputs[name], each[name]) for case, each in zip(cases, computed, strict=True)]
    differences = [compute_difference(*pair) for pair in pairs]
    above = [number for number, each in enumerate(differences) if not each <= limit]
    shown = above[0] if above else int(np.argmax(differences))
    original, actual = pairs[shown]
    image = cases[shown].image
    if original.shape != actual.shape:
        return (
            f", which has the shape {list(actual.shape)} instead of {list(original.shape)} for"
            f" {image}"
        )
    with np.errstate(invalid="ignore"):  # infinities that both have
        distance = np.nan_to_num(np.abs(original.astype(np.float64) - actual))
    place = [int(index) for index in np.unravel_index(distance.argmax(), distance.shape)]
    return f", most at {place} for {image}"


def _find_largest(pairs: Iterable[tuple[Array, Array]], measure: str) -> float:
    # np.max instead of max, because it returns nan if there is one.
    return float(np.max([compute_difference(*pair, measure) for pair in pairs]))


def _is_like(original: Array, computed: Array) -> bool:
    """Whether an output is finite where the original's is not the same infinity."""
    is_finite = np.isfinite(computed)
    if original.shape == computed.shape and not is_finite.all():
        is_finite |= find_same_infinities(original, computed)
    return bool(is_finite.all())


def _name_reference(reference: ReferenceOutputs) -> str:
    if reference.recorded is None:
        return reference.runtime
    return f"outputs of {reference.recorded.runtime}, recorded in the registry"


def _find_port_mismatch(names: Sequence[str], reference: ReferenceOutputs, compiled: Any) -> str:
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
