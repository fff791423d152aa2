"""Published files to IR by a real Model Optimizer, once a precision; described and recorded as ours are.

Nothing is self-checked: no runtime here reads what only Model Optimizer does. Its output is read once, so
that it is an IR that can be loaded, and written by the OpenVINO of today, without the paths that it notes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.convert import frontends
from posezoo.convert.conversion_plan import ConversionPlan, PlannedIr, require_precisions
from posezoo.convert.custom_weights import refuse_to_replace
from posezoo.convert.model_optimizer import (
    ModelOptimizer,
    build_arguments,
    refuse_unsafe_arguments,
    run_model_optimizer,
)
from posezoo.convert.publish import AcceptIr, accept_all, contents_by_suffix, put_in_place, read_contents
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    ConversionFinished,
    ConversionStarted,
    ConversionUpToDate,
    Listener,
    ignore_event,
)
from posezoo.files import verified_files
from posezoo.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.ir import ir_writer, provenance
from posezoo.ir.complexity import compute_complexity
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.ir.provenance import IsGood
from posezoo.layout import ModelLayout
from posezoo.spec.model import Decoder, ModelSpec, Precision

# A plan writes nothing.
_CHECK_ONLY: IsGood = partial(verified_files.is_verified, remember=False)


def plan_with_model_optimizer(
    spec: ModelSpec,
    layout: ModelLayout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    *,
    force: bool = False,
    decoder: Decoder | None = None,
    is_good: IsGood = _CHECK_ONLY,
) -> ConversionPlan:
    """What ``convert`` would do with the same arguments; touches nothing.

    Raises:
        ConversionError: a precision was asked for that no conversion makes, or an argument might do harm.
    """
    steps = _steps(spec, layout, mo, precisions, force, decoder, is_good)
    obstacle = None
    if not all(step.is_up_to_date for step in steps):
        try:
            frontends.verify_source_model(spec, layout)
        except ConversionError as error:
            obstacle = error
    return ConversionPlan(spec, steps, obstacle, f"Model Optimizer {mo.version}")


def convert_with_model_optimizer(
    spec: ModelSpec,
    layout: ModelLayout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    *,
    force: bool = False,
    decoder: Decoder | None = None,
    accept_ir: AcceptIr = accept_all,
    listener: Listener = ignore_event,
) -> Mapping[Precision, Path]:
    """The IR of a downloaded model (.xml by precision); those that are up to date are left alone.

    Args:
        spec: the model.
        layout: where its files lie and its IR will lie.
        mo: the Model Optimizer.
        precisions: FP32, FP16 or both.
        force: convert again what is up to date.
        decoder: what the IR name as their decoder, where it is declared by a composite.
        accept_ir: may refuse an IR by its bytes, before it is put in place.
        listener: is told what happens.

    Raises:
        ConversionError: the files are not there or not what was promised, or Model Optimizer fails.
        OutputError: an IR cannot be written.
    """
    if not force:
        refuse_to_replace(spec, layout)
    steps = _steps(spec, layout, mo, precisions, force, decoder, verified_files.is_verified)
    remove_stale_staging_dirs(layout.model_dir(spec))
    if done := tuple(step.precision for step in steps if step.is_up_to_date):
        listener(ConversionUpToDate(spec.full_name, done))
    if due := [step for step in steps if not step.is_up_to_date]:
        listener(ConversionStarted(spec.full_name, tuple(step.precision for step in due)))
        try:
            source = frontends.verify_source_model(spec, layout)
            with staging_dir(layout.model_dir(spec)) as folder:
                for step in due:
                    _make(spec, layout, mo, step, source, folder / step.precision, decoder, accept_ir)
        except PosezooError as error:
            listener(ConversionFinished(spec.full_name, False, error.problem))
            raise
        listener(ConversionFinished(spec.full_name, True))
    return {step.precision: step.xml for step in steps}


def _steps(
    spec: ModelSpec,
    layout: ModelLayout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    force: bool,
    decoder: Decoder | None,
    is_good: IsGood,
) -> tuple[PlannedIr, ...]:
    require_precisions(spec, precisions)
    refuse_unsafe_arguments(spec)

    def key() -> Mapping[str, object]:
        return provenance.conversion_key(spec, decoder or spec.decoder, model_optimizer=mo.version)

    return tuple(
        PlannedIr(
            precision,
            layout.ir_path(spec, precision),
            "asked to"
            if force
            else provenance.explain_stale_record(layout.ir_path(spec, precision), key, is_good),
        )
        for precision in dict.fromkeys(precisions)
    )


def _make(
    spec: ModelSpec,
    layout: ModelLayout,
    mo: ModelOptimizer,
    step: PlannedIr,
    source: Path,
    folder: Path,
    decoder: Decoder | None,
    accept_ir: AcceptIr,
) -> None:
    run_model_optimizer(mo, build_arguments(spec, layout, source, mo, step.precision, folder), spec)
    network = _read(spec, folder / f"{spec.name}.xml")
    ir_writer.prepare_for_writing(network, spec, decoder or spec.decoder)
    xml = ir_writer.write_ir(network, folder / "described" / f"{spec.name}.xml", step.precision)
    contents = read_contents(xml)
    accept_ir(step.precision, contents_by_suffix(contents))
    found = compute_complexity(network)
    record = provenance.format_provenance(
        spec,
        decoder or spec.decoder,
        contents,
        None,
        asdict(found) if found else None,
        model_optimizer=mo.version,
    )
    put_in_place(xml, step.xml, contents, record)


def _read(spec: ModelSpec, xml: Path) -> Any:
    """What Model Optimizer wrote, without its own notes."""
    ov = import_openvino()
    try:
        network = ov.Core().read_model(xml)
        return ov.Model(network.get_results(), network.get_parameters(), spec.name)
    except RuntimeError as error:
        raise ConversionError(
            f"{spec.full_name}: what Model Optimizer made cannot be read: {error_text(error)}"
        ) from error
