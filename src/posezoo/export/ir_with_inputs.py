"""IR of exports that take other images than those of the model, or contain its decoder.

They are made from the IR of the model, so they need neither its original nor the packages that read
that.
"""

from __future__ import annotations

from dataclasses import fields, replace

from posezoo.core.declarations.model import (
    Framework,
    Input,
    ModelSpec,
    Precision,
    Route,
    SourceFile,
)
from posezoo.core.ir.provenance import Provenance, read_ir_record
from posezoo.core.layout import ModelLayout
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolved import Converter, Resolved, Target
from posezoo.core.resolve.stage_context import Context


def with_export_dir(context: Context, inputs: InputOptions) -> Context:
    """The context in which IR with other inputs have their own folder, so that those of other verbs
    stay as they are.
    """
    if inputs == InputOptions():
        return context
    values = [(field.name, getattr(inputs, field.name), field.default) for field in fields(inputs)]
    folder = "_".join(f"{name}={value}" for name, value, default in values if value != default)
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
    return replace(
        wanted,
        route=Route.IR,
        runs_upstream_code=False,
        layout=ModelLayout(usual.layout.output_dir, wanted.layout.output_dir),
        targets=(target,),
        base=_as_published(wanted.spec, usual.spec, own.precision, record),
        not_compared=record.not_compared,
    )


def _as_published(
    wanted: ModelSpec, usual: ModelSpec, precision: Precision, record: Provenance
) -> ModelSpec:
    """The model with other inputs, as if the IR with its own ones was published."""
    files = tuple(
        SourceFile(f"{precision}/{usual.name}{suffix}", content.size, content.digest)
        for suffix, content in record.contents.items()
    )
    inputs = tuple(map(_as_in_ir, wanted.inputs, usual.inputs))
    return replace(
        wanted,
        framework=Framework.DLDT,
        files=files,
        inputs=inputs,
        input_model="",
        network=None,
        checkpoint="",
        postprocessing=(),
        mo_args=(),
        recorded_outputs=None,
        int8_ranges=None,
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
