"""Quantize models to INT8: find a network's pipeline and IR, and call ``posezoo.quantize`` with
them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import (
    ColorOrder,
    Decoder,
    Model,
    ModelSpec,
    ModelT,
    Precision,
    QuantizationSettings,
)
from posezoo.core.errors import DecoderError, QuantizationError, UsageError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.plan import Plan, make_plan, require_current_ir
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context
from posezoo.poses.decoders import find_decoder, with_all_classes, with_decoder_options
from posezoo.quantize.calibration_data import collect_calibration_data
from posezoo.quantize.displacement import KeypointDisplacement
from posezoo.quantize.int8_comparison import Fp32Reference
from posezoo.quantize.int8_layers import count_layers, layers_in_float
from posezoo.quantize.quantization_plan import (
    TASKS,
    QuantizationOptions,
    QuantizationPlan,
    QuantizationTarget,
    explain_unsupported,
    plan_quantization,
    split_photos,
)
from posezoo.run.load import get_detector_irs, with_found_decoder
from posezoo.run.pipeline_spec import PipelineSpec, resolve_pipeline
from posezoo.run.preparation import require_statement
from posezoo.run.runtime.input_description import describe_stated_input
from posezoo.run.subject import Statement, Subject, find_subject, require_fitting


def plan_int8(
    spec: ModelSpec,
    context: Context,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    output_dir: Path | None = None,
    listener: Listener | None = None,
) -> QuantizationPlan:
    """Plan the INT8 IR of a model, or of ``describe_own_ir``, made from the existing FP32 IR; no IR
    is written.

    Args:
        output_dir: the folder of the INT8 IR; None: that of the model, or the one that contains the
            user's IR, without the folder that is named by its precision.
        listener: receives the events if the person detector of the user's IR is downloaded; None:
            it is left out.

    Raises:
        QuantizationError: the model cannot be quantized, there is no FP32 IR, or the photos cannot
            be used; or a file would be replaced that posezoo did not make.
    """
    if is_own_ir(spec):
        target = _own_target(spec, context, options, listener)
        folder = spec.path.parent
        if folder.name in list(Precision):
            folder = folder.parent
        layout: ModelLayout = OwnIrLayout(context.layout.download_dir, output_dir or folder)
    else:
        target = _target(spec, context, options.said)
        layout = context.with_output_dir(output_dir).layout
    return plan_quantization(target, layout, context.lock, dataset_dir, options=options)


def is_own_ir(spec: ModelSpec) -> bool:
    """Whether it describes an IR of the user's, and not a model."""
    return spec.path.suffix == ".xml"


class OwnIrLayout(ModelLayout):
    """The folders of the INT8 IR of an IR that no model.yml describes: one for each precision."""

    __slots__ = ()

    def model_dir(self, _spec: Model) -> Path:
        """The folder that has those of the precisions."""
        return self.output_dir


def describe_own_ir(subject: Subject, options: QuantizationOptions) -> QuantizationTarget:
    """The network of an IR that no model.yml describes, without its person detector.

    Raises:
        InferenceError: no decoder takes its outputs, or nothing says how images are prepared.
        QuantizationError: it is in INT8 already.
    """
    graph = subject.graph
    assert graph
    xml = graph.path
    like = subject.like
    metric = options.metric
    if len(layers_in_float(graph.model)) < count_layers(graph.model):
        raise QuantizationError(f"{xml}: its weights are quantized already", hint="name an FP32 IR")
    require_statement(graph, like, is_given=False)
    sizes = ", ".join(f"{name} {list(shape)}" for name, shape in graph.inputs.items())
    if [bool(graph.image_layout(name)) for name in graph.inputs] != [True]:
        raise QuantizationError(f"{graph.path}: takes {sizes}, and not one image")
    if subject.undecoded and metric:
        raise DecoderError(subject.undecoded)
    spec, description = subject.describe()
    preprocessing = description.preprocessing
    spec = replace(spec, name=xml.stem)
    if spec.decoder:
        spec = _with_own_decoder(spec, spec.decoder, metric)
        description = describe_stated_input(graph, spec.decoder, like)
    (name,) = graph.inputs
    port = replace(
        spec.inputs[0],
        layout=preprocessing.layout or spec.inputs[0].layout,
        color=ColorOrder.RGB if preprocessing.reverse_input_channels else ColorOrder.BGR,
        mean=preprocessing.mean,
        scale=preprocessing.scale,
        element_type=graph.model.input(name).get_element_type().get_type_name(),
    )
    spec = replace(spec, inputs=(port,), quantization=QuantizationSettings())
    pipeline = PipelineSpec(_with_said(spec, subject.said))
    return QuantizationTarget(spec, pipeline, {spec.name: xml}, description)


def _with_said(model: ModelT, said: Statement) -> ModelT:
    decoder = model.decoder
    if decoder is None and (said.height or said.decoder_options):
        given = " and ".join(map(said.spell, set(said.given()) & {"height", "decoder_options"}))
        raise UsageError(f"{given}: {model.full_name} has no decoder")
    if decoder is None:
        return model
    require_fitting(model, said)
    decoder = with_decoder_options(decoder, said.decoder_options)
    return replace(model, decoder=decoder, target_size=said.height or model.target_size)


def _with_own_decoder(spec: ModelSpec, decoder: Decoder, metric: str) -> ModelSpec:
    record = find_decoder(decoder.name)
    if metric and record.task != TASKS.get(metric, ""):
        raise QuantizationError(
            f"{spec.path}: --metric {metric} is not for the decoder {decoder.name}"
        )
    return replace(spec, task=record.task or spec.task, decoder=with_all_classes(decoder))


def _own_target(
    spec: ModelSpec, context: Context, options: QuantizationOptions, listener: Listener | None
) -> QuantizationTarget:
    """The network, which is read here: a process that quantizes gets only what was said of it."""
    subject = find_subject(f"{spec.path}", context, options.said, needs_decoder=False)
    target = describe_own_ir(subject, options)
    pipeline = resolve_pipeline(target.model, context)
    if listener is None:
        return target
    irs = {**target.irs, **get_detector_irs(pipeline, context, listener)}
    return replace(target, pipeline=pipeline, irs=irs)


def plan_required_irs(
    spec: ModelSpec, context: Context, dataset_dir: Path, *, is_dry_run: bool
) -> list[Plan]:
    """Plan the IR that have to be made before a quantization: FP32 of the pipeline's networks, FP16
    of its detector, none of the user's IR; nothing is downloaded yet.

    Raises:
        QuantizationError: the model cannot be quantized, or there are too few photos.
        ConversionError, LicenseError: as for ``make_plan``.
    """
    if is_own_ir(spec):
        return []
    model = _quantizable_model(spec, context)
    pipeline = resolve_pipeline(model, context, Precision.FP32)
    due = []
    for part, precision in pipeline.networks(context.registry):
        resolved = resolve_model(part, (precision,), context)
        plan = make_plan(resolved, context, is_dry_run=is_dry_run)
        if plan.is_due:
            due.append(plan)
    if due:  # too few photos are reported before anything is downloaded
        split_photos(dataset_dir, 1)
    return due


def compare_ir_with_fp32(
    spec: ModelSpec,
    context: Context,
    dataset_dir: Path,
    precision: Precision,
    *,
    output_dir: Path | None = None,
    listener: Listener = ignore_event,
) -> tuple[Path, KeypointDisplacement]:
    """The path of an existing INT8 IR, and the displacement of its keypoints against FP32.

    Our own IR comes before the publisher's; the photos are those of ``quantize``.

    Raises:
        QuantizationError: there is no INT8 IR, it is another network, there are too few photos, or
            the displacement exceeds the limit in the model's settings.
        InferenceError: an IR is missing or damaged.
    """
    layout = context.with_output_dir(output_dir).layout
    ours = layout.converted_ir_path(spec, precision)
    paths = dict.fromkeys((ours, layout.ir_path(spec, precision)))
    xml = next((path for path in paths if path.is_file()), None)
    if xml is None:
        problem = f"{', '.join(map(str, paths))}: missing"
        raise QuantizationError(problem, hint=format_command("quantize", spec))
    target = _target(spec, context, Statement())
    photos = split_photos(dataset_dir, target.settings.subset_size)
    photos = replace(photos, calibration=photos.calibration[:1])  # the others are not needed
    data = collect_calibration_data(target, photos, listener=listener)
    displacement, problem = Fp32Reference(target, data.measured).compare(xml, precision, listener)
    if problem:
        raise QuantizationError(
            f"{xml}: {problem}", hint=f"{format_command('quantize', spec)} makes another one"
        )
    return xml, displacement


def _target(spec: ModelSpec, context: Context, said: Statement) -> QuantizationTarget:
    model = _quantizable_model(spec, context)
    irs = {}
    for part in context.registry.parts(model):
        resolved = resolve_model(part, (Precision.FP32,), context)
        (target,) = resolved.targets
        if not target.xml.is_file():
            raise _missing_ir(target.xml, "INT8 is made from the FP32 IR", part, context)
        require_current_ir(resolved, target, "quantized")
        irs[part.name] = target.xml
    model = _with_said(with_found_decoder(model, irs), said)
    pipeline = resolve_pipeline(model, context)
    for part, precision in pipeline.networks(context.registry):
        xml = irs.setdefault(part.name, context.layout.ir_path(part, precision))
        if not xml.is_file():
            reason = f"{pipeline.people_from} finds the people for {model.full_name}"
            raise _missing_ir(xml, reason, part, context)
    return QuantizationTarget(context.lock.with_pins(spec), pipeline, irs)


def _missing_ir(xml: Path, reason: str, model: Model, context: Context) -> QuantizationError:
    hint = format_command("get", model, context.layout.output_dir)
    error = QuantizationError(f"{xml}: missing; {reason}", hint=hint)
    error.needed = model.full_name
    return error


def _quantizable_model(spec: ModelSpec, context: Context) -> Model:
    """The composite that a model is a part of, else the model itself; an error if it cannot be
    quantized.
    """
    reason = explain_unsupported(spec, context.registry)
    if reason:
        raise QuantizationError(f"{spec.full_name}: is not quantized: {reason}")
    return context.registry.composite_of(spec)
