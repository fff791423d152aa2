"""The IR of exports: their facts for targets, and IR that take other images than the model's own,
or contain its decoder.

The latter are made from the IR of the model, so they need neither its original nor the packages
that read that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import (
    Framework,
    Input,
    ModelSpec,
    Output,
    Precision,
    Route,
    SourceFile,
)
from posezoo.core.errors import InferenceError
from posezoo.core.ir.openvino_import import error_text, import_openvino, openvino_core, static_sizes
from posezoo.core.ir.provenance import SUFFIXES, read_ir_record
from posezoo.core.layout import ModelLayout
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolved import Converter, Resolved, Target
from posezoo.core.resolve.stage_context import Context
from posezoo.export.target_type import ExportedModel, Port
from posezoo.pages.file_manifest import digest_of_file
from posezoo.run.pipeline_spec import PipelineSpec


def declared_facts(
    spec: ModelSpec, precision: Precision, layout: ModelLayout
) -> ExportedModel | None:
    """The facts before there is an IR; None if model.yml does not declare them, or they are not the
    IR's.

    Args:
        spec: the model, from ``resolve_model``.
        layout: the folders of its published files and IR.
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
    """The facts of an IR and its model.

    Args:
        spec: the model as the IR was made, from ``resolve_model``.
        layout: the folders of its published files and IR.

    Raises:
        InferenceError: OpenVINO cannot read the IR.
        MissingPackageError: OpenVINO is not installed.
    """
    try:
        network = openvino_core().read_model(xml)
    except RuntimeError as error:
        raise InferenceError(f"{xml}: cannot be read as an IR: {error_text(error)}") from error
    digests = {suffix: digest_of_file(xml.with_suffix(suffix)) for suffix in SUFFIXES}
    inputs = _ports(network.inputs, spec.inputs)
    outputs = _ports(network.outputs, spec.outputs)
    pipeline = PipelineSpec(spec, precision)
    return ExportedModel(spec, pipeline, xml, inputs, outputs, digests, layout)


def _ports(ports: Sequence[Any], declared: Sequence[Input | Output]) -> tuple[Port, ...]:
    """Inputs or outputs; their layouts are those of the model, by name, or of its only port."""
    layouts = import_openvino().layout_helpers
    facts = []
    for port in ports:
        names = port.get_names()
        name = port.get_any_name() if names else port.get_node().get_friendly_name()
        candidates = [each for each in declared if each.name in {*names, name}]
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
    """The context in which IR with other inputs have their own folder, so that those of other verbs
    stay as they are.
    """
    if inputs == InputOptions():
        return context
    values = [(field.name, getattr(inputs, field.name), field.default) for field in fields(inputs)]
    folder = "_".join(f"{name}={value}" for name, value, default in values if value != default)
    folder = re.sub(r"[^\w=.-]+", "-", folder)  # options of a decoder may be words
    return context.with_output_dir(context.layout.output_dir / "exported" / folder)


def made_from_ir(wanted: Resolved, usual: Resolved) -> Resolved:
    """A model with other inputs, whose IR is made from the IR with the model's own inputs.

    Args:
        wanted: the model with the other inputs.
        usual: the model with its own inputs, whose IR exists and is up to date.
    """
    (own,) = usual.targets
    record = read_ir_record(own.xml)
    assert record, "an IR that is up to date has a record"
    xml = wanted.layout.converted_ir_path(wanted.spec, own.precision)
    target = Target(own.precision, xml, Converter.OPENVINO)  # a lock lists the IR it is made from
    files = tuple(
        SourceFile(f"{own.precision}/{usual.spec.name}{suffix}", content.size, content.digest)
        for suffix, content in record.contents.items()
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
