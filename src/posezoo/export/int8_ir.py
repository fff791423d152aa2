"""The INT8 IR that is made of a model, as a model that is published as IR.

INT8 is made with the inputs and outputs that model.yml declares. An export that needs others
changes this IR, as it changes one that its publisher made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import Framework, Input, ModelSpec, Precision, SourceFile
from posezoo.core.declarations.sources import FileSource
from posezoo.core.events import Listener
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.provenance import SUFFIXES
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context


def make_int8(
    spec: ModelSpec,
    precision: Precision,
    context: Context,
    *,
    is_dry_run: bool,
    listener: Listener,
) -> ModelSpec | Plan:
    """The model as if its INT8 IR was published, which is made if needed; in a dry run the plan, if
    it is due.

    Raises:
        PosezooError: the IR cannot be made, see ``core.pipeline.get.get``.
    """
    # Where `posezoo run` has it.
    context = context.with_output_dir(context.layout.download_dir)
    resolved = resolve_model(spec, (precision,), context)
    if is_dry_run:
        plan = make_plan(resolved, context, is_dry_run=True)
        if plan.obstacle or plan.is_due:
            return plan
        xml = plan.irs[0].xml
    else:
        xml = get(resolved, context, listener=listener).irs[precision]
    return replace(
        resolved.spec,
        framework=Framework.DLDT,
        files=tuple(_describe_file(xml.with_suffix(suffix), precision) for suffix in SUFFIXES),
        inputs=tuple(map(_as_converted, resolved.spec.inputs)),
        input_model="",
        checkpoint="",
        network=None,
        int8_ranges=None,
        mo_args=(),
        postprocessing=(),
        recorded_outputs=None,
    )


def _describe_file(path: Path, precision: Precision) -> SourceFile:
    size = path.stat().st_size
    sources = (FileSource(path.absolute()),)
    return SourceFile(f"{precision}/{path.name}", size, compute_digest(path), sources=sources)


def _as_converted(port: Input) -> Input:
    """The input as the IR has it, which applies mean and scale itself."""
    return Input(
        port.name,
        port.ir_shape,
        port.ir_layout,
        color=port.ir_color,
        element_type=port.element_type,
        usual_size=port.usual_size,
        resize_type=port.resize_type,
        pad_value=port.pad_value,
    )
