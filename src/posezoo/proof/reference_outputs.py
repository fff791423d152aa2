"""Compute the outputs of the original model, with a runtime that is independent of OpenVINO if
available, and the preprocessing in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import cache, partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert import frontends
from posezoo.core.convert.formats import (
    DEFAULT_SIDES,
    InnerTensors,
    Partner,
    ReferenceRuntime,
    Run,
    Shape,
    UnknownOperationError,
    find_same_names,
    import_runtime,
    with_default_sizes,
)
from posezoo.core.convert.frontends import VerifiedSource
from posezoo.core.convert.graph_cutting import (
    cut_inputs,
    cut_outputs,
    find_port,
    name_input,
    to_frozen_array,
)
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import Input, ModelSpec, Output
from posezoo.core.errors import ConversionError, NoReferenceError, SelfCheckError
from posezoo.core.install_commands import install_command
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import error_text, import_openvino, openvino_core, static_sizes
from posezoo.core.resolve.graph_decoder import GRAPH_DECODER
from posezoo.core.values import frozen
from posezoo.core.versions import package_version
from posezoo.proof.check_extent import ONE_IMAGE, SEEDS, WHOLE, CheckExtent
from posezoo.proof.check_images import NORMALIZED, CheckImage, draw_test_image
from posezoo.proof.difference import LARGEST_OWN_ROUNDING, compute_difference
from posezoo.proof.inner_tensors import compile_tensors
from posezoo.proof.recorded_outputs import Recording, draw_feed, read_recording
from posezoo.proof.samples import (
    Sample,
    arrange,
    find_ranges,
    find_sizes,
    read_samples,
    resize,
)
from posezoo.proof.step_cuts import CutOriginal, cut_original, move_values

if TYPE_CHECKING:
    from openvino import Model

    from posezoo.core.convert.formats import TensorSignature

#: The comparison needs f32 arithmetic, but CPUs with AMX or AVX512-BF16 run f32 networks in bf16 by
#: default. With pinning, the threads of two networks that are checked at the same time would share
#: a core and wait for each other.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO"}


#: How often each image is moved at first, and at most if an IR still differs by too much. On 48 of
#: 780 pairs of images, a correct IR of BlazePose differed by more than 5 times the noise of one
#: draw; with three draws on none.
DRAWS = (1, 5)

#: The largest difference of two runs on the same image: threads may add in another order.
REPEATABLE = 1e-5

#: How often an image with recorded outputs is moved.
RECORDED_DRAWS = 3

#: How often the input of an original in 8 bits is moved by half of a level.
LEVEL_DRAWS = 3


@frozen
class ReferenceSample:
    """One image and the original's outputs for it; inputs and outputs are by name."""

    image: CheckImage
    feed: NamedArrays  # the IR's inputs
    prepared: NamedArrays  # the original's inputs, with the preprocessing done
    #: The original's inputs if each value of the image is moved by one rounding; None if no input
    #: has a floating-point type.
    moved: NamedArrays | None
    outputs: NamedArrays = field(default_factory=dict)  # the original's outputs
    #: The original's outputs for ``moved``; None if they were not computed yet.
    moved_outputs: NamedArrays | None = None
    #: If ``outputs`` were computed in double precision: those in single precision.
    single_outputs: NamedArrays | None = None

    @property
    def own_rounding(self) -> float:
        """The largest difference of an output in single precision from that in double."""
        single = self.single_outputs or {}
        return max(
            (compute_difference(self.outputs[name], each) for name, each in single.items()),
            default=0.0,
        )


@frozen
class RecordedComparison:
    """Outputs in the registry, and what the original computes as it is read here, for the same
    images.

    Attributes:
        runtime: the publisher's runtime that computed the outputs in the registry.
        recorded: these outputs by name, for each image.
        moved: our outputs for each image and each draw of a moved image.
        inner: the names of the recorded inner tensors, which are compared as outputs are.
    """

    runtime: str
    recorded: tuple[NamedArrays, ...]
    cases: tuple[ReferenceSample, ...]
    moved: tuple[Sequence[NamedArrays], ...]
    inner: frozenset[str]


@frozen
class ReferenceOutputs:
    """The outputs that an IR must reproduce, and the runtime that computed them."""

    spec: ModelSpec
    runtime: str  # the name of the runtime, with its version
    cases: tuple[ReferenceSample, ...]
    is_independent: bool  # whether the runtime shares no reader of the original with the conversion
    #: The runtime's outputs for the images whose outputs the registry has; None if it has none, or
    #: if the runtime needs no proof.
    recorded: RecordedComparison | None
    #: Opens the original in the runtime again, if it was closed.
    open: Callable[[], ReferenceRuntime | None]
    extent: CheckExtent = WHOLE  # on which images it was run
    #: Why the format's own runtime did not run it, in that runtime's words; empty if it did.
    refusal: str = ""
    #: The original for these inputs, cut at its steps; None if it has none, or cannot be cut.
    find_cut: Callable[[], CutOriginal | None] = lambda: None

    @property
    def original(self) -> ReferenceRuntime:
        """The original in the runtime."""
        original = self.open()
        assert original
        return original

    def describe_values(self) -> str:
        """The values of the inputs of which no mean and scale is declared; empty if there are
        none.
        """
        declared = {port.name: port for port in self.spec.inputs}
        texts = []
        for case in self.cases:
            if case.image.title:
                texts.append(f"of {case.image.title}")  # and the further ones are like these
                continue
            low, high = (
                NORMALIZED if case.image.is_normalized else (0, self.spec.self_check.largest)
            )
            for name, values in case.feed.items():
                port = declared.get(name)
                if port is None or not _is_unprepared(self.spec, port):
                    continue
                if name in case.image.ranges:
                    smallest, largest = case.image.ranges[name]
                    texts.append(f"of {name} from {smallest:g} to {largest:g}")
                elif values.dtype.kind == "f":
                    texts.append(f"from {low} to {high:g}")
                elif name in case.image.tables:
                    texts.append(f"of {name} from 0 to {case.image.tables[name] - 1}")
        return " and ".join(dict.fromkeys(texts))

    def is_random(self) -> bool:
        """Whether the original computes other outputs when it is run again."""
        case = self.cases[0]
        again = self.original.run(case.prepared)
        differences = [compute_difference(case.outputs[name], again[name]) for name in case.outputs]
        return max(differences, default=0) > REPEATABLE

    def move(self, done: int) -> list[list[dict[str, Array]]]:
        """The outputs of each case if its image is moved by other roundings each time. Of an
        original that is cut, also the tensors at the cuts; each of its parts is moved.

        Args:
            done: how often each image was moved already.

        Returns:
            Those of the next draws by case; empty if it is often enough, or no input can be moved.
        """
        end = next((count for count in DRAWS if count > done), done)
        draws = range(done, end)
        feeds = [
            draw_inputs(self.spec, self.original, case.image, draw).moved
            for case in self.cases
            for draw in draws
        ]
        if cut := self.find_cut():
            numbers = [(number, draw) for number in range(len(self.cases)) for draw in draws]
            results = [
                cut.run_moved(number, feed or self.cases[number].prepared, draw)
                for (number, draw), feed in zip(numbers, feeds, strict=True)
            ]
        else:
            moved = [feed for feed in feeds if feed is not None]
            results = self.original.run_all(moved) if moved else []
        step = len(draws)
        return [results[start : start + step] for start in range(0, len(results), step or 1)]

    def move_levels(self) -> list[list[dict[str, Array]]]:
        """The outputs of each case if each value of its inputs is moved by up to half of a level of
        8 bits, several times.
        """
        return [
            self.original.run_all(
                [
                    _move_levels(case.prepared, np.random.default_rng([number, draw]))
                    for draw in range(LEVEL_DRAWS)
                ]
            )
            for number, case in enumerate(self.cases)
        ]

    def compute_in_double(self) -> ReferenceOutputs | None:
        """The outputs for the same images in double precision; None if the runtime has none."""
        try:
            original = self.original.open_double()
            if original is None:
                return None
            outputs = original.run_all([case.prepared for case in self.cases])
        except RuntimeError:
            return None
        cases = tuple(
            replace(case, outputs=values, single_outputs=case.outputs, moved_outputs=None)
            for case, values in zip(self.cases, outputs, strict=True)
        )
        cut = cache(partial(_cut, lambda: original, cases))
        return replace(
            self, runtime=original.name, cases=cases, open=lambda: original, find_cut=cut
        )

    def find_comparable(self) -> list[int]:
        """The numbers of the cases but for a guessed image on which the network's own rounding is
        too large to compare: its values are not those that the network takes.
        """
        return [
            number
            for number, case in enumerate(self.cases)
            if number == 0
            or not (case.image.is_normalized and case.own_rounding > LARGEST_OWN_ROUNDING)
        ]


#: Waits for the outputs of the original; they are None if no runtime that reads it is installed.
FindReference = Callable[[], ReferenceOutputs | None]


def compute_reference(
    spec: ModelSpec,
    path: VerifiedSource,
    extent: CheckExtent = WHOLE,
    *,
    by_openvino: bool = False,
    by_nodes: bool = False,
) -> ReferenceOutputs | None:
    """Run the original on seeded images.

    Args:
        extent: on which images.

    Returns:
        The outputs; None if a runtime that reads the original is not installed, so that only the
        reader that makes the IR could compute them. ``by_openvino`` asks for these, too; a decoder
        in the IR is always compared. With ``by_nodes``, recorded inner tensors are compared, too.

    Raises:
        ConversionError: the recorded outputs that the model declares cannot be read, or an output
            has texts.
        NoReferenceError: no runtime can run the original on the images, or an output is not finite.
        SelfCheckError: a weight is infinite, or an output has another shape than the recorded one.
    """
    recording = read_recording(spec)
    samples = read_samples(spec, extent.names)
    if recording and not by_nodes:
        recording = recording.without_inner()
    recorded = None
    try:
        run = _run_original(spec, path, recording, extent, samples, by_openvino=by_openvino)
        if run is None:
            return None
        if recording and not run.runtime.is_independent:
            recorded = _run_recording(spec, path, run.runtime, recording)
    except (RuntimeError, ValueError) as error:
        raise NoReferenceError(f"the original cannot be run: {error_text(error)}") from error
    _require_numbers(spec, path, run.cases)
    runtime = run.runtime
    # A large original is closed, because the IR needs its memory.
    open_again = cache(run.open) if frontends.is_large(spec, path) else lambda: run.runtime
    return ReferenceOutputs(
        spec,
        runtime.name,
        run.cases,
        runtime.is_independent or recorded is not None,
        recorded,
        open_again,
        run.extent,
        run.refusal,
        cache(partial(_cut, open_again, run.cases)),
    )


def _cut(
    open_original: Callable[[], ReferenceRuntime | None], cases: Sequence[ReferenceSample]
) -> CutOriginal | None:
    original = open_original()
    assert original
    try:
        return cut_original(original, [case.prepared for case in cases], list(cases[0].outputs))
    except RuntimeError:
        return None


@frozen
class _OriginalRun:
    """What an original computed, and what ran it.

    Attributes:
        open: opens the original in this runtime again.
        refusal: why the format's own runtime did not run it, in that runtime's words.
    """

    open: Callable[[], ReferenceRuntime | None]
    runtime: ReferenceRuntime
    cases: tuple[ReferenceSample, ...]
    extent: CheckExtent
    refusal: str = ""


def _run_original(
    spec: ModelSpec,
    path: VerifiedSource,
    recording: Recording | None,
    extent: CheckExtent,
    samples: Sequence[Sample],
    *,
    by_openvino: bool,
) -> _OriginalRun | None:
    attempts = _plan_attempts(spec, recording, extent, samples)
    open_own = partial(_open_runtime, spec, path)
    run, refusal = _run_first(spec, open_own, attempts, samples)
    if run:
        return run
    with suppress(UnknownOperationError):
        open_own(attempts[-1][0])  # an error if the file is damaged
    is_needed = recording or spec.decoding or by_openvino
    if not is_needed and find_missing_runtime(spec):
        return None
    open_other = partial(open_openvino, spec, path)
    run, _ = _run_first(spec, open_other, attempts[:-1], samples)
    run = run or _run(spec, open_other, *attempts[-1], samples)
    return run and replace(run, refusal=refusal)


#: The input shapes by name with which the original is run, and the images.
_Attempt = tuple[Mapping[str, Shape], CheckExtent]


def _plan_attempts(
    spec: ModelSpec,
    recording: Recording | None,
    extent: CheckExtent,
    samples: Sequence[Sample],
) -> list[_Attempt]:
    if samples:
        # They have the network's own size. Of a costly network, a single random input is run.
        whole = replace(extent, sizes={}, tables={}, runs_rounded=True, reduction="")
        extent = replace(whole, seeds=extent.seeds[:1]) if extent.reduction else whole
        return [(find_sizes(spec, samples), extent)]
    sized = [port for port in spec.inputs if port.shape]
    planned: list[_Attempt] = []
    if extent.sizes:  # an operation of the original may need its own size
        planned.append((extent.sizes, extent))
        extent = replace(ONE_IMAGE, tables=extent.tables)
    for sides in DEFAULT_SIDES:
        attempt = {port.name: _choose_sizes(port, recording, sides) for port in sized}, extent
        if attempt not in planned:
            planned.append(attempt)
    return planned


_OpenSized = Callable[[Mapping[str, Shape]], ReferenceRuntime | None]


def _run_first(
    spec: ModelSpec,
    open_original: _OpenSized,
    attempts: Sequence[_Attempt],
    samples: Sequence[Sample],
) -> tuple[_OriginalRun | None, str]:
    """The first attempt that succeeds; or why the last one failed."""
    refusal = ""
    for sizes, extent in attempts:
        try:
            if run := _run(spec, open_original, sizes, extent, samples):
                return run, ""
        except (RuntimeError, ValueError) as error:
            refusal = error_text(error)
    return None, refusal


def _run(
    spec: ModelSpec,
    open_original: _OpenSized,
    sizes: Mapping[str, Shape],
    extent: CheckExtent,
    samples: Sequence[Sample],
) -> _OriginalRun | None:
    runtime = open_original(sizes)
    if runtime is None:
        return None
    cases = _run_cases(spec, runtime, extent, samples)
    return _OriginalRun(partial(open_original, sizes), runtime, cases, extent)


def find_missing_runtime(spec: ModelSpec) -> str:
    """The command that installs a runtime which can run the original; empty if there is none."""
    module = frontends.select_format(spec).runtime_module
    if not module or import_runtime(module):
        return ""
    return install_command("convert" if module.startswith("ai_edge_litert") else "run")


def explain_dependence(spec: ModelSpec, refusal: str = "") -> str:
    """Why only the reader that makes the IR read the original, and what to install.

    Args:
        refusal: what the format's own runtime says, if it is installed.
    """
    model_format = frontends.select_format(spec)
    if command := find_missing_runtime(spec):
        return f"no other runtime that reads {model_format.kind} is installed: {command}"
    if model_format.runtime_module:
        name, _, _ = model_format.runtime_module.partition(".")
        return f"{name} cannot run it: {refusal or 'an input or output is inside of the graph'}"
    return f"only the reader that made the IR reads {model_format.kind} here"


def _open_runtime(
    spec: ModelSpec, path: VerifiedSource, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    open_runtime = frontends.select_format(spec).open_runtime
    if open_runtime is None:
        return None
    runtime = open_runtime(spec, path, sizes)
    if runtime is None:
        return None
    # If a tensor inside the graph is declared as input or output, only OpenVINO can use it as such.
    inputs = {port.name for port in spec.inputs}
    inputs |= supported_mo_args.frozen_inputs(spec.mo_args).keys()
    has_ports = inputs <= set(runtime.inputs) and set(spec.output_names) <= set(runtime.outputs)
    return runtime if has_ports else None


def _run_cases(
    spec: ModelSpec,
    runtime: ReferenceRuntime,
    extent: CheckExtent,
    given: Sequence[Sample],
) -> tuple[ReferenceSample, ...]:
    ranges = find_ranges(given)
    images = [
        CheckImage(number, title=f"sample {sample.title}", values=sample.values)
        for number, sample in enumerate(given)
    ]
    if not runtime.run_several:
        samples = [draw_inputs(spec, runtime, image) for image in images]
        samples = [_run_given(each, runtime) for each in samples]
        samples += [_run_sample(spec, runtime, extent, seed, ranges) for seed in extent.seeds]
        if not (extent.reduction or given):
            samples += _run_normalized(spec, runtime)
        return tuple(samples)
    # It takes longer to start PyTorch's process again than to run a network once more.
    images += [
        replace(_plan_images(spec, extent, seed, ranges)[0], batch=1) for seed in extent.seeds
    ]
    samples = [draw_inputs(spec, runtime, image) for image in images]
    moved = [sample.moved for sample in samples if sample.moved is not None]
    results = runtime.run_several([sample.prepared for sample in samples] + moved)
    originals = results[: len(samples)]
    others = results[len(samples) :]
    return tuple(
        replace(sample, outputs=outputs, moved_outputs=other)
        for sample, outputs, other in zip_longest(samples, originals, others)
    )


def _run_given(sample: ReferenceSample, runtime: ReferenceRuntime) -> ReferenceSample:
    try:
        return replace(sample, outputs=runtime.run(sample.prepared))
    except (RuntimeError, ValueError) as error:
        raise ConversionError(
            f"{sample.image}: {runtime.name} cannot run the original on it: {error_text(error)}",
            hint="give an input that is right for the network",
        ) from error


def _run_normalized(spec: ModelSpec, runtime: ReferenceRuntime) -> Iterator[ReferenceSample]:
    """One more image, with the values of a normalized one, if nothing says which values images
    have.
    """
    if spec.decoding or not any(_is_unprepared(spec, port) for port in spec.inputs):
        return
    sample = draw_inputs(spec, runtime, CheckImage(SEEDS[-1] + 1, is_normalized=True))
    if all(values.dtype.kind != "f" for values in sample.feed.values()):
        return
    with suppress(RuntimeError, ValueError):
        outputs = runtime.run(sample.prepared)
        if not _has_nan(outputs):
            yield replace(sample, outputs=outputs)


def _has_nan(outputs: NamedArrays) -> bool:
    floats = [values for values in outputs.values() if values.dtype.kind == "f"]
    return any(np.isnan(values).any() for values in floats)


def _run_sample(
    spec: ModelSpec,
    runtime: ReferenceRuntime,
    extent: CheckExtent,
    seed: int,
    ranges: Mapping[str, tuple[float, float]],
) -> ReferenceSample:
    *special, plain = _plan_images(spec, extent, seed, ranges)
    for image in special:
        sample = draw_inputs(spec, runtime, image)
        with suppress(RuntimeError, ValueError):
            outputs = runtime.run(sample.prepared)
            if not _has_nan(outputs):
                return replace(sample, outputs=outputs)
    sample = draw_inputs(spec, runtime, plain)
    return replace(sample, outputs=runtime.run(sample.prepared))


def _plan_images(
    spec: ModelSpec,
    extent: CheckExtent,
    seed: int,
    ranges: Mapping[str, tuple[float, float]],
) -> list[CheckImage]:
    """How the image of a seed may be drawn, from the one that shows most to the plainest.

    The last image of a check is a batch of two if the network takes that. In a reduced check, it
    has the values of a normalized image unless the preparation of images is declared.
    """
    if ranges:
        return [CheckImage(seed, ranges=ranges)]
    planned = [CheckImage(seed, tables=extent.tables)]
    if seed == extent.seeds[-1] and not spec.decoding:
        if extent.reduction:
            planned.insert(0, replace(planned[0], is_normalized=True))
        else:
            planned[0] = replace(planned[0], has_contrast=True)
        if not spec.decoder:
            planned = [replace(image, batch=2) for image in planned] + planned
    if extent.tables:
        planned.append(CheckImage(seed))
    is_open = any(map(_has_open_batch, spec.inputs))
    is_unprepared = any(_is_unprepared(spec, port) for port in spec.inputs)
    return [
        image
        for image in planned
        if (is_open or image.batch == 1) and (is_unprepared or not image.is_normalized)
    ]


def _has_open_batch(port: Input) -> bool:
    axis = port.layout.find("N") if port.layout else 0
    return axis >= 0 and not port.bounds and port.shape[axis : axis + 1] == (-1,)


def _is_unprepared(spec: ModelSpec, port: Input) -> bool:
    """Whether nothing says which values a network takes: those of pixels, or normalized ones."""
    is_declared = port.mean or port.scale or port.element_type or spec.self_check.largest != 255
    return not is_declared


def _require_numbers(
    spec: ModelSpec, path: VerifiedSource, cases: Sequence[ReferenceSample]
) -> None:
    """Refuse outputs with texts, with nan or only infinities, and infinite weights."""
    for case in cases:
        for name, values in case.outputs.items():
            if values.dtype.kind in "OSUT":
                raise ConversionError(
                    f"{spec.full_name}: the output {name} has texts, which cannot be compared",
                    hint="name the other outputs, or leave out the check with --self_check off",
                )
            is_finite = np.isfinite(values)
            if is_finite.all():
                continue
            problem = f"the original itself computes inf or nan in {name}"
            if _has_infinite_weight(spec, path):
                raise SelfCheckError(
                    f"{spec.full_name}: {problem}",
                    hint=(
                        "its weights may be damaged: compare the file with the one that its authors"
                        " publish"
                    ),
                )
            if np.isnan(values).any() or not is_finite.any():
                raise NoReferenceError(problem)


def _has_infinite_weight(spec: ModelSpec, path: VerifiedSource) -> bool:
    return any(
        values[np.isfinite(values)].any() and not np.isfinite(values).all()
        for values in frontends.read_weights(spec, path)
    )


def _choose_sizes(port: Input, recording: Recording | None, sides: tuple[int, int]) -> Shape:
    """The sizes of an input; dynamic ones are those of the recorded outputs if there are any, or
    else these sides.
    """
    recorded: Shape = ()
    if recording and port.name in recording.inputs:
        recorded = recording.inputs[port.name].shape
    if port.bounds:
        limits = import_openvino().PartialShape(port.bounds)
        return tuple(
            size.get_length() if size.is_static else max(size.get_min_length(), 1)
            for size in limits
        )
    if len(recorded) != len(port.shape):
        return with_default_sizes(port.shape, port.layout, sides)
    sizes = zip(port.shape, recorded, strict=True)
    return tuple(other if size < 0 else size for size, other in sizes)


def _run_recording(
    spec: ModelSpec, path: VerifiedSource, runtime: ReferenceRuntime, recording: Recording
) -> RecordedComparison:
    assert spec.recorded_outputs
    sizes = {name: port.shape for name, port in recording.inputs.items()}
    runtime_sizes = {name: shape for name, (shape, _) in runtime.inputs.items()}
    tensors = [*recording.shapes, *recording.inner]
    if sizes != runtime_sizes or not set(tensors) <= set(runtime.outputs):
        outputs = tuple(Output(name, ()) for name in tensors)
        runtime = open_openvino(replace(spec, outputs=outputs), path, sizes)
    dtypes = {name: dtype for name, (_, dtype) in runtime.inputs.items()}
    if set(dtypes) != set(recording.inputs):
        names = ", ".join(dtypes)
        recorded_names = ", ".join(recording.inputs)
        raise SelfCheckError(
            f"{spec.full_name}: the original has the inputs {names}, its recorded outputs belong to"
            f" {recorded_names}",
            hint="record them again with the inputs of model.yml",
        )
    cases = []
    moved = []
    for kind in recording.values:
        feed = draw_feed(kind, recording.inputs, dtypes)
        draws = [_move_feed(feed, runtime, draw) for draw in range(RECORDED_DRAWS)]
        computed, *others = runtime.run_all([feed, *filter(None, draws)])
        _require_recorded_shapes(spec, computed, recording)
        sampled = recording.sample(computed)
        cases.append(ReferenceSample(CheckImage(0), {}, feed, draws[0] or None, outputs=sampled))
        moved.append([recording.sample(each) for each in others])
    values = tuple(recording.values.values())
    runtime_name = spec.recorded_outputs.runtime
    inner = frozenset(recording.inner)
    return RecordedComparison(runtime_name, values, tuple(cases), tuple(moved), inner=inner)


def _require_recorded_shapes(spec: ModelSpec, computed: NamedArrays, recording: Recording) -> None:
    assert spec.recorded_outputs
    for name, shape in {**recording.shapes, **recording.inner}.items():
        if computed[name].shape != shape:
            raise SelfCheckError(
                f"{spec.full_name}: the original has {name} in the shape"
                f" {list(computed[name].shape)}, {spec.recorded_outputs.runtime} computed"
                f" {list(shape)}",
                hint="this is another file, or posezoo reads it wrongly",
            )


def _move_feed(feed: NamedArrays, runtime: ReferenceRuntime, draw: int) -> dict[str, Array]:
    rng = np.random.default_rng(draw)
    moved = {
        name: move_values(values, rng)
        for name, values in feed.items()
        if values.dtype.kind == "f" or name in runtime.float_inputs
    }
    return {**feed, **moved} if moved else {}


def _move_levels(feed: NamedArrays, rng: np.random.Generator) -> dict[str, Array]:
    moved = {}
    for name, values in feed.items():
        is_float = values.dtype.kind == "f"
        step = float(np.ptp(values)) / 255 if is_float and values.size else 1.0
        change = rng.uniform(-0.5, 0.5, values.shape) * step
        # An integer moves by one level half as often, instead of half a level.
        drawn = change if is_float else np.round(2 * change)
        low, high = values.min(initial=0), values.max(initial=0)
        moved[name] = np.clip(values + drawn, low, high).astype(values.dtype)
    return moved


def draw_inputs(
    spec: ModelSpec,
    runtime: ReferenceRuntime,
    wanted: CheckImage,
    draw: int = 0,
) -> ReferenceSample:
    """A sample without outputs; the draw decides how the image is moved by a rounding."""
    declared = {port.name: port for port in spec.inputs}
    frozen = supported_mo_args.frozen_inputs(spec.mo_args)
    rng = np.random.default_rng([wanted.seed, 1 + draw])
    feed: dict[str, Array] = {}
    prepared: dict[str, Array] = {}
    moved: dict[str, Array] = {}
    for number, (name, (shape, dtype)) in enumerate(runtime.inputs.items()):
        if name in frozen:
            prepared[name] = to_frozen_array(frozen[name], shape, dtype)
            continue
        port = declared.get(name) or Input(name, shape, "")
        if _has_open_batch(port):
            axis = max(port.layout.find("N"), 0)
            shape = (*shape[:axis], wanted.batch, *shape[axis + 1 :])
        # Each input gets a different image, so that exchanged inputs are detected.
        different = replace(wanted, seed=wanted.seed + 1000 * number)
        if name in wanted.values:
            image = _take_values(wanted, port, _ir_dtype(port, dtype))
        else:
            image = _draw_image(spec, port, shape, dtype, wanted=different)
        feed[name] = image
        if port.to_layout:
            axes = list(map(port.layout.index, port.ir_layout))
            feed[name] = np.ascontiguousarray(image.transpose(axes))
        if port.resize:
            image = _resize(image.astype(np.float32), spec, port, shape, dtype=dtype)
        image = image.astype(dtype)
        prepared[name] = preprocess(image, port).astype(dtype)
        if dtype.kind == "f" or name in runtime.float_inputs:
            changed = move_values(image, rng)
            moved[name] = preprocess(changed, port).astype(changed.dtype)
    return ReferenceSample(wanted, feed, prepared, {**prepared, **moved} if moved else None)


def _take_values(sample: CheckImage, port: Input, dtype: np.dtype[Any]) -> Array:
    values = arrange(sample.values[port.name], port)
    taken: Array = values.astype(dtype)
    if dtype.kind in "iub" and not np.array_equal(taken, values):
        raise ConversionError(
            f"{sample}: {port.name} has values that are not {dtype}, which the network takes"
        )
    return taken


def _draw_image(
    spec: ModelSpec, port: Input, shape: Shape, dtype: np.dtype[Any], wanted: CheckImage
) -> Array:
    ir_shape = list(shape)
    if port.resize:  # the IR takes an image that is higher and narrower than the network's
        height = port.layout.index("H")
        width = port.layout.index("W")
        if spec.decoding:
            # No average of pixels and no border of the letterbox needs a rounding.
            ir_shape[height] = shape[height] * 2
            ir_shape[width] = shape[width] * 4
        else:
            ir_shape[height] = shape[height] * 3 // 2 + 1
            ir_shape[width] = shape[width] * 2 // 3 + 1
    drawn = draw_test_image(spec.self_check.inputs, ir_shape, port.layout, wanted.seed)
    if port.name in wanted.ranges:
        low, high = wanted.ranges[port.name]
        drawn = drawn * ((high - low) / 255) + low
        dtype = _ir_dtype(port, dtype)
        return (drawn if dtype.kind == "f" else np.round(drawn)).astype(dtype)
    if wanted.is_normalized and dtype.kind == "f" and _is_unprepared(spec, port):
        low, high = NORMALIZED
        drawn *= (high - low) / 255
        drawn += low
    else:
        if wanted.has_contrast and _is_unprepared(spec, port):
            drawn = np.clip(2 * drawn - 127.5, 0, 255)
        drawn *= spec.self_check.largest / 255
    dtype = _ir_dtype(port, dtype)
    if dtype.kind in "iu" and dtype.itemsize > 1 and not port.color:
        # Usually these are row indices, and tables have at least two rows.
        rows = wanted.tables.get(port.name, 2)
        drawn *= rows / spec.self_check.largest
        np.minimum(drawn, rows - 1, out=drawn)
    return drawn.astype(dtype)


def _ir_dtype(port: Input, dtype: np.dtype[Any]) -> np.dtype[Any]:
    if not port.element_type:
        return dtype
    kind: np.dtype[Any] = getattr(import_openvino().Type, port.element_type).to_dtype()
    return kind


def _resize(
    image: Array, spec: ModelSpec, port: Input, shape: Shape, dtype: np.dtype[Any]
) -> Array:
    if not spec.decoding:
        return resize(image, port.layout, shape)
    fitted = GRAPH_DECODER.part.fit_frame(image, spec, port)
    return np.floor(fitted + 0.5) if dtype.kind in "iu" else fitted


def preprocess(image: Array, port: Input) -> Array:
    """The original's input from an image in the same layout: channels reversed, mean subtracted,
    divided by the scale, as declared.
    """
    channel = port.layout.find("C")
    if port.reverse_input_channels:
        image = np.flip(image, channel)
    for values, apply in ((port.mean, np.subtract), (port.scale, np.divide)):
        if values:
            shape = [1] * image.ndim
            shape[channel] = len(values)
            operand = np.asarray(values, np.float32).reshape(shape)
            image = apply(image, operand)
    return np.ascontiguousarray(image)


def open_openvino(
    spec: ModelSpec, path: VerifiedSource, sizes: Mapping[str, Shape]
) -> ReferenceRuntime:
    """The original in OpenVINO, without preprocessing: a comparison with it checks the
    preprocessing and the written IR, but not how the original is read, except if it is an IR.
    """
    network, inputs = read_original(spec, path, sizes)
    float_inputs = [name for name in inputs if _accept_floats(network.input(name))]
    network.validate_nodes_and_infer_types()
    compiled = openvino_core().compile_model(network, "CPU", EXACT)
    # Of the names of one tensor, one is compared.
    outputs = spec.output_names or [port.any_name for port in network.outputs]

    def run(feed: NamedArrays) -> dict[str, Array]:
        results = run_compiled(compiled, feed)
        return {name: results[name] for name in outputs}

    def open_inner(names: Sequence[str], _fed: NamedArrays) -> Run:
        run_inner = compile_tensors(network, names, EXACT)
        return lambda feed: dict(zip(names, run_inner(feed), strict=True))

    def find_partners(ir: Model) -> dict[str, Partner]:
        ports = [port for node in network.get_ordered_ops() for port in node.outputs()]
        return find_same_names(ir, [name for port in ports for name in sorted(port.names)])

    model_format = frontends.select_format(spec)
    runtime = f"OpenVINO {package_version('openvino')}, {model_format.shared_reading}"
    return ReferenceRuntime(
        runtime,
        inputs,
        outputs,
        run,
        is_independent=model_format.frontend == "ir",
        float_inputs=float_inputs,
        inner=InnerTensors(find_partners, open_inner),
    )


def _accept_floats(port: Any) -> bool:
    """Let an integer input take floats if the network converts it to floats at once.

    Otherwise its noise could not be measured, because an image of integers cannot be moved by one
    rounding. Whether it takes floats now; the caller infers the network's types again.
    """
    f32 = import_openvino().Type.f32
    readers = [target.get_node() for target in port.get_target_inputs()]
    if port.get_element_type().is_real() or not all(
        node.get_type_name() == "Convert" and node.get_output_element_type(0) == f32
        for node in readers
    ):
        return False
    port.get_node().set_element_type(f32)
    return True


def read_original(
    spec: ModelSpec, path: VerifiedSource, sizes: Mapping[str, Shape]
) -> tuple[Any, dict[str, TensorSignature]]:
    """The original as an ``openvino.Model`` of static sizes, and shape and type of its inputs by
    name.
    """
    ov = import_openvino()
    network = cut_inputs(frontends.read_network(spec, path), spec)
    declared = {port.name for port in spec.inputs if find_port(network.inputs, port.name)}
    inputs = {}
    for port in network.inputs:
        name = next(iter(port.names & declared), name_input(port))
        shape = sizes.get(name) or with_default_sizes(static_sizes(port.partial_shape), "")
        inputs[name] = shape, port.element_type.to_dtype()
    network.reshape({name: ov.PartialShape(list(shape)) for name, (shape, _) in inputs.items()})
    return cut_outputs(network, spec.output_names, spec.name), inputs
