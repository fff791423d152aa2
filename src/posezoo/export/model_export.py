"""Exports models: makes the IR that a target takes, and writes the files of all models together.

IR with other inputs, or a decoder, are made from the model's IR, so they need neither its original
nor the packages that read that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import (
    CompositeSpec,
    Framework,
    Input,
    ModelSpec,
    Output,
    Precision,
    Route,
    SourceFile,
)
from posezoo.core.errors import ConversionError, ExportError, InferenceError
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.openvino_import import (
    error_text,
    import_openvino,
    name_ports,
    openvino_core,
    static_sizes,
)
from posezoo.core.ir.provenance import SUFFIXES, read_ir_record
from posezoo.core.layout import ModelLayout, checkpoint_dir
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.registry import Selection
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import INT8_PRECISIONS, Converter, Resolved, Target
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.export.export_writer import ExportChanges, write_export
from posezoo.export.file_manifest import digest_of_file
from posezoo.export.target_type import (
    ExportedModel,
    ExportFolder,
    ExportTarget,
    Port,
    exported_name,
    render_files,
)
from posezoo.poses.decoders import finds_boxes
from posezoo.poses.people import noun_of, resolve_people
from posezoo.run.pipeline_spec import PipelineSpec, resolve_pipeline
from posezoo.run.preparation import require_stated


@frozen
class ExportOptions:
    """What models are exported for, and where the files go; ``with_target_inputs`` completes it.

    Attributes:
        precision: None: FP16, or that of the user's own IR.
        has_precisions: whether IR are in folders of their precision.
        is_dry_run: whether nothing is downloaded, converted or written.
    """

    target: ExportTarget
    folder: Path
    precision: Precision | None
    inputs: InputOptions
    has_precisions: bool
    is_dry_run: bool

    @property
    def joins_parts(self) -> bool:
        """Whether the parts of a composite are exported as one model, which finds people."""
        return self.target.runs_people and self.inputs.decode

    @property
    def ir_precision(self) -> Precision:
        """The precision of the IR."""
        return self.precision or Precision.FP16


def with_target_inputs(options: ExportOptions, name: str) -> ExportOptions:
    """The options with the inputs that the target of this name always has.

    Raises:
        ExportError: the target does not take these options.
    """
    target = options.target
    if options.has_precisions and not target.takes_precisions:
        raise ExportError("--layout NAME/PRECISION is for --to dlstreamer")
    inputs = options.inputs
    fixed = target.inputs
    if fixed is None:
        return options
    wants_type = inputs.element_type in ("", fixed.element_type)
    if not wants_type or inputs.layout not in ("", fixed.layout):
        always = f"--input_type {fixed.element_type} and --input_layout {fixed.layout}"
        raise ExportError(f"--to {name} always has {always}")
    inputs = replace(
        inputs,
        element_type=fixed.element_type,
        layout=fixed.layout,
        resize=inputs.resize or fixed.resize,
        decode=fixed.decode,
    )
    return replace(options, inputs=inputs)


def join_parts(
    selection: Selection, options: ExportOptions
) -> tuple[tuple[ModelSpec, ...], dict[str, CompositeSpec]]:
    """The models to export, and the composites exported as one model, by the name of their last
    part.
    """
    joined: dict[str, CompositeSpec] = {}
    finders: set[str] = set()
    for composite in selection.composites:
        if options.joins_parts and composite.decoder:
            joined[composite.stages[-1]] = composite
            finders.update(composite.stages[:-1])
    return tuple(spec for spec in selection.models if spec.name not in finders), joined


def prepare_export(
    spec: ModelSpec,
    options: ExportOptions,
    context: Context,
    *,
    composite: CompositeSpec | None = None,
    listener: Listener = ignore_event,
) -> ExportedModel | Plan:
    """The facts of the model and its IR, and of the detector of its people, if it needs one: both
    are made if needed. In a dry run the plan of the first of them that is to be made.

    Args:
        context: its settings name the detector.
        composite: which the model stands for, from ``join_parts``; None for a model of its own.

    Raises:
        InferenceError: the IR would take images, and nothing says how they are prepared.
        ExportError: the target cannot take the model, or its detector, or it is a part that finds
            no people alone. This is found out before a download if possible.
        PosezooError: an IR cannot be made, see ``core.pipeline.get.get``.
    """
    if options.inputs != InputOptions():
        require_stated(spec)
    if options.joins_parts and composite is None and spec.composite and spec.decoder is None:
        raise ExportError(
            f"{exported_name(spec)}: finds no people alone: it is a part of {spec.composite}",
            hint=f"export {spec.composite}",
        )
    pipeline = resolve_pipeline(composite or spec, context, options.ir_precision)
    networks = pipeline.networks(context.registry)
    finders = [each for each in networks if each[0].name != spec.name]
    maker = _IrMaker(options, context, listener)
    inputs = options.inputs
    for finder, _ in finders:
        _require_finder_taken(spec, pipeline, maker, finder)
        # These are about the boxes of people.
        inputs = replace(inputs, max_people=None, min_score=None)
    model = _prepare_network(spec, replace(maker, options=replace(options, inputs=inputs)))
    if isinstance(model, Plan):
        return model
    model = replace(model, pipeline=pipeline)
    if pipeline.doubt:
        listener(WarningIssued(pipeline.doubt))
    inputs = replace(options.inputs, decoder_options=())  # which are those of the model
    if inputs.decode and inputs.min_score is None:
        inputs = replace(inputs, min_score=pipeline.limits.min_score)
    for finder, precision in finders:
        of_finder = replace(options, precision=precision, inputs=inputs)
        detector = replace(maker, options=of_finder).make(finder)
        if isinstance(detector, Plan):
            return detector
        model = replace(model, detector=detector)
    return model


def _require_finder_taken(
    spec: ModelSpec, pipeline: PipelineSpec, maker: _IrMaker, finder: ModelSpec
) -> None:
    target = maker.options.target
    spec = maker.resolve(spec).spec
    target.require(spec)
    detector = pipeline.detector
    problem = "the files run a detector only if it is one network and finds boxes"
    if detector is None or (finds_boxes(finder.decoder) and not detector.stages):
        problem = target.refuse_detector(spec, finder)
    if problem:
        noun = noun_of(spec)
        alone = f"--detector none exports the network alone: your program then finds each {noun}"
        raise ExportError(
            f"{exported_name(spec)}: takes one {noun} at a time, in the boxes of"
            f" {(detector or pipeline.model).full_name}, and {problem}",
            hint=alone if detector else "",
        )


def _prepare_network(spec: ModelSpec, maker: _IrMaker) -> ExportedModel | Plan:
    target = maker.options.target
    resolved = maker.resolve(spec)
    target.require(resolved.spec)
    declared = declared_facts(resolved.spec, maker.options.ir_precision, resolved.layout)
    if declared:
        _require_accepted(declared, target)
    model = maker.make(spec)
    if isinstance(model, ExportedModel):
        _require_accepted(model, target)
    return model


@frozen
class _IrMaker:
    options: ExportOptions
    context: Context
    listener: Listener

    def resolve(self, spec: ModelSpec) -> Resolved:
        """INT8 has those of the model: the IR with others is made from it, as FP16 would be."""
        inputs = self.options.inputs
        context = with_export_dir(self.context, inputs)
        precision = self.options.ir_precision
        if precision in INT8_PRECISIONS and not self._takes_own_inputs(spec):
            precision = Precision.FP16
        try:
            return resolve_model(spec, (precision,), context, inputs=inputs)
        except ConversionError as error:
            fixed = self.options.target.inputs
            if not (fixed and fixed.decode and error.flag == "--decode"):
                raise
            raise ExportError(
                error.problem, hint="--to folder --detector none exports the network alone"
            ) from error

    def _takes_own_inputs(self, spec: ModelSpec) -> bool:
        return self.options.inputs == InputOptions() or spec.is_ir

    def make(self, spec: ModelSpec) -> ExportedModel | Plan:
        resolved = self.resolve(spec)
        precision = self.options.ir_precision
        if self._takes_own_inputs(spec):
            xml = self._get(resolved)
        else:
            usual = resolve_model(spec, (precision,), self.context)
            xml = self._get(usual)
            if isinstance(xml, Path):
                xml = self._get(made_from_ir(resolved, usual))
        if isinstance(xml, Plan):
            return xml
        return read_ir_facts(resolved.spec, precision, xml, resolved.layout)

    def _get(self, resolved: Resolved) -> Path | Plan:
        downloads = resolved.base is None
        if self.options.is_dry_run:
            plan = make_plan(resolved, self.context, downloads=downloads, is_dry_run=True)
            return plan if plan.obstacle or plan.is_due else plan.irs[0].xml
        irs = get(resolved, self.context, downloads=downloads, listener=self.listener).irs
        return irs[self.options.ir_precision]


def prepare_file_export(
    spec: ModelSpec,
    options: ExportOptions,
    context: Context,
    *,
    listener: Listener,
) -> ExportedModel | Plan:
    """As ``prepare_export``, for a model from ``describe_network_file``: its copy and IR have a
    folder of their own. It is exported alone unless it says who finds its people, or the user names
    a detector: it may find no people.
    """
    folder = context.layout.output_dir / checkpoint_dir(spec)
    context = replace(context, layout=ModelLayout(folder, folder))
    if context.settings.detector != "usual":  # the IR says it
        spec = replace(spec, people=resolve_people(spec, context.settings.detector))
    elif spec.people is None:
        context = replace(context, settings=replace(context.settings, detector="none"))
    if spec.is_ir and not options.precision:
        options = replace(options, precision=spec.precisions[0])
    return prepare_export(spec, options, context, listener=listener)


def _require_accepted(model: ExportedModel, target: ExportTarget) -> None:
    tuple(target.render(model, ExportFolder({})))


def write_exports(models: Sequence[ExportedModel], options: ExportOptions) -> ExportChanges:
    """Write the files of all models from ``prepare_export``, or find out what would be written.

    Raises:
        OutputError: a file cannot be written, or is not from an export.
    """
    if not models:
        return ExportChanges()
    target = options.target
    return write_export(
        options.folder,
        lambda present: render_files(target, models, ExportFolder(present, options.has_precisions)),
        versioned=[model.name for model in models] if target.is_versioned else [],
        is_dry_run=options.is_dry_run,
    )


def declared_facts(
    spec: ModelSpec, precision: Precision, layout: ModelLayout
) -> ExportedModel | None:
    """The facts of a model from ``resolve_model`` before there is an IR; None if model.yml does not
    declare them, or they are not the IR's.
    """
    ports: tuple[Input | Output, ...] = (*spec.inputs, *spec.outputs)
    if spec.decoding or not (spec.inputs and spec.outputs and all(port.shape for port in ports)):
        return None
    inputs = tuple(
        Port(port.name, port.ir_shape, port.element_type or "f32", *_layout_and_color(port))
        for port in spec.inputs
    )
    outputs = tuple(Port(port.name, port.shape, "f32", port.layout) for port in spec.outputs)
    digests = dict.fromkeys(SUFFIXES, "")
    pipeline = PipelineSpec(spec, precision)
    xml = layout.ir_path(spec, precision)
    return ExportedModel(spec, pipeline, xml, inputs, outputs, digests, layout)


def read_ir_facts(
    spec: ModelSpec, precision: Precision, xml: Path, layout: ModelLayout
) -> ExportedModel:
    """The facts of an IR and its model, from ``resolve_model``.

    Raises:
        InferenceError: OpenVINO cannot read the IR.
        MissingPackageError: OpenVINO is not installed.
    """
    try:
        network = openvino_core().read_model(xml)
    except RuntimeError as error:
        raise InferenceError(f"{xml}: cannot be read as an IR: {error_text(error)}") from error
    name_ports(network)
    digests = {suffix: digest_of_file(xml.with_suffix(suffix)) for suffix in SUFFIXES}
    inputs = _ports(network.inputs, spec.inputs)
    outputs = _ports(network.outputs, spec.outputs)
    pipeline = PipelineSpec(spec, precision)
    return ExportedModel(spec, pipeline, xml, inputs, outputs, digests, layout)


def _ports(ports: Sequence[Any], declared: Sequence[Input | Output]) -> tuple[Port, ...]:
    layouts = import_openvino().layout_helpers
    facts = []
    for port in ports:
        name = port.get_any_name()
        candidates = [each for each in declared if each.name in port.get_names()]
        if not candidates and len(ports) == 1:
            candidates = [*declared]
        layout, color = _layout_and_color(candidates[0]) if candidates else ("", "")
        shape = static_sizes(port.get_partial_shape())
        if len(layout) != len(shape):
            layout = ""
        has_batch = layouts.has_batch(layouts.get_layout(port))
        kind = port.get_element_type().get_type_name()
        facts.append(Port(name, shape, kind, layout, color=color, has_batch=has_batch))
    return tuple(facts)


def _layout_and_color(port: Input | Output) -> tuple[str, str]:
    if isinstance(port, Input):
        return port.ir_layout, str(port.ir_color or "")
    return port.layout, ""


def with_export_dir(context: Context, inputs: InputOptions) -> Context:
    """The context with a folder of its own for IR with other inputs."""
    if inputs == InputOptions():
        return context
    values = [(field.name, getattr(inputs, field.name), field.default) for field in fields(inputs)]
    folder = "_".join(f"{name}={value}" for name, value, default in values if value != default)
    folder = re.sub(r"[^\w=.-]+", "-", folder)  # options of a decoder may be words
    return context.with_output_dir(context.layout.output_dir / "exported" / folder)


def made_from_ir(wanted: Resolved, usual: Resolved) -> Resolved:
    """A model with other inputs, whose IR is made from the present IR of the ``usual`` one."""
    (own,) = usual.targets
    record = read_ir_record(own.xml)
    assert record, "an IR that is up to date has a record"
    xml = wanted.layout.converted_ir_path(wanted.spec, own.precision)
    target = Target(own.precision, xml, Converter.OPENVINO)  # a lock lists the IR it is made from
    files = tuple(
        SourceFile(f"{own.precision}/{path.name}", path.stat().st_size, compute_digest(path))
        for path in map(own.xml.with_suffix, SUFFIXES)
    )
    published = replace(
        wanted.spec,
        framework=Framework.DLDT,
        files=files,
        inputs=tuple(map(_as_in_ir, wanted.spec.inputs, usual.spec.inputs)),
        input_model="",
        network=None,
        checkpoint="",
        postprocessing=(),
        mo_args=(),
        recorded_outputs=None,
        int8_ranges=None,
    )
    return replace(
        wanted,
        route=Route.IR,
        runs_upstream_code=False,
        layout=ModelLayout(usual.layout.output_dir, wanted.layout.output_dir),
        targets=(target,),
        base=published,
        not_compared=record.not_compared,
    )


def _as_in_ir(wanted: Input, usual: Input) -> Input:
    """An input without the preprocessing that the IR of the model contains already."""
    layout = usual.ir_layout or wanted.layout
    return replace(
        wanted,
        shape=replace(wanted, to_layout=usual.to_layout, resize=False).ir_shape,
        layout=layout,
        to_layout=wanted.ir_layout if wanted.ir_layout != layout else "",
        color=usual.ir_color,
        mean=(),
        scale=(),
        reverse_input_channels=wanted.reverse_input_channels != usual.reverse_input_channels,
    )
