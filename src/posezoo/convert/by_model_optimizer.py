"""Published files to IR by a real Model Optimizer, once a precision; described and recorded as ours are.

Nothing is self-checked: no runtime here reads what only Model Optimizer does. Its output is read once, so
that it is an IR that can be loaded, and written by the OpenVINO of today, without the paths that it notes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posezoo import files, provenance
from posezoo.complexity import complexity_of
from posezoo.convert import ir, original
from posezoo.convert.model_optimizer import ModelOptimizer, arguments, refuse_harm, run
from posezoo.convert.own_weights import refuse_to_replace
from posezoo.convert.plan import Plan, Step, require
from posezoo.convert.publish import Accept, by_suffix, contents_of, put_in_place, take_any
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    Listener,
    ModelConversionBegin,
    ModelConversionEnd,
    ModelConversionUpToDate,
    ignore,
)
from posezoo.layout import Layout
from posezoo.openvino_runtime import openvino, reason_of
from posezoo.provenance import IsGood
from posezoo.spec.model import Decoder, ModelSpec, Precision
from posezoo.working_folder import remove_abandoned, working_folder


def plan(
    spec: ModelSpec,
    layout: Layout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    *,
    force: bool = False,
    decoder: Decoder | None = None,
    is_good: IsGood = files.holds,
) -> Plan:
    """What ``convert`` would do with the same arguments; touches nothing.

    Raises:
        ConversionError: a precision was asked for that no conversion makes, or an argument might do harm.
    """
    steps = _steps(spec, layout, mo, precisions, force, decoder, is_good)
    obstacle = None
    if not all(step.is_done for step in steps):
        try:
            original.verified(spec, layout)
        except ConversionError as error:
            obstacle = error
    return Plan(spec, steps, obstacle, f"Model Optimizer {mo.version}")


def convert(
    spec: ModelSpec,
    layout: Layout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    *,
    force: bool = False,
    decoder: Decoder | None = None,
    accept: Accept = take_any,
    listener: Listener = ignore,
) -> Mapping[Precision, Path]:
    """The IR of a downloaded model (.xml by precision); those that are up to date are left alone.

    Args:
        spec: the model.
        layout: where its files lie and its IR will lie.
        mo: the Model Optimizer.
        precisions: FP32, FP16 or both.
        force: convert again what is up to date.
        decoder: what the IR name as their decoder, where it is declared by a composite.
        accept: may refuse an IR by its bytes, before it is put in place.
        listener: is told what happens.

    Raises:
        ConversionError: the files are not there or not what was promised, or Model Optimizer fails.
        OutputError: an IR cannot be written.
    """
    if not force:
        refuse_to_replace(spec, layout)
    steps = _steps(spec, layout, mo, precisions, force, decoder, files.is_good)
    remove_abandoned(layout.model(spec))
    if done := tuple(step.precision for step in steps if step.is_done):
        listener(ModelConversionUpToDate(spec.full_name, done))
    if due := [step for step in steps if not step.is_done]:
        listener(ModelConversionBegin(spec.full_name, tuple(step.precision for step in due)))
        try:
            source = original.verified(spec, layout)
            with working_folder(layout.model(spec)) as folder:
                for step in due:
                    _make(spec, layout, mo, step, source, folder / step.precision, decoder, accept)
        except PosezooError as error:
            listener(ModelConversionEnd(spec.full_name, False, error.problem))
            raise
        listener(ModelConversionEnd(spec.full_name, True))
    return {step.precision: step.xml for step in steps}


def _steps(
    spec: ModelSpec,
    layout: Layout,
    mo: ModelOptimizer,
    precisions: Collection[Precision],
    force: bool,
    decoder: Decoder | None,
    is_good: IsGood,
) -> tuple[Step, ...]:
    require(spec, precisions)
    refuse_harm(spec)

    def key() -> Mapping[str, object]:
        return provenance.key_of(spec, decoder or spec.decoder, model_optimizer=mo.version)

    return tuple(
        Step(
            precision,
            layout.ir(spec, precision),
            "asked to" if force else provenance.why_stale(layout.ir(spec, precision), key, is_good),
        )
        for precision in dict.fromkeys(precisions)
    )


def _make(
    spec: ModelSpec,
    layout: Layout,
    mo: ModelOptimizer,
    step: Step,
    source: Path,
    folder: Path,
    decoder: Decoder | None,
    accept: Accept,
) -> None:
    run(mo, arguments(spec, layout, source, mo, step.precision, folder), spec)
    network = _read(spec, folder / f"{spec.name}.xml")
    ir.finish(network, spec, decoder or spec.decoder)
    xml = ir.write(network, folder / "described" / f"{spec.name}.xml", step.precision)
    contents = contents_of(xml)
    accept(step.precision, by_suffix(contents))
    found = complexity_of(network)
    record = provenance.compose(
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
    ov = openvino()
    try:
        network = ov.Core().read_model(xml)
        return ov.Model(network.get_results(), network.get_parameters(), spec.name)
    except RuntimeError as error:
        raise ConversionError(
            f"{spec.full_name}: what Model Optimizer made cannot be read: {reason_of(error)}"
        ) from error
