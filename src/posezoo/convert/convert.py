"""A downloaded model into IR: planned, read, prepared, written, proven, published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from posezoo.convert import original
from posezoo.convert.plan import PRECISIONS, Plan, Step, is_up_to_date, plan, require, steps_of
from posezoo.convert.working_folder import remove_abandoned
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    Listener,
    ModelConversionBegin,
    ModelConversionEnd,
    ModelConversionSkipped,
    ModelConversionUpToDate,
    ignore,
)
from posezoo.layout import Layout
from posezoo.openvino_runtime import openvino
from posezoo.provenance import CONVERSION_FORMAT
from posezoo.spec.model import Decoder, ModelSpec, Precision

__all__ = ["CONVERSION_FORMAT", "PRECISIONS", "Converted", "Plan", "Step", "convert", "is_up_to_date", "plan"]


@dataclass(frozen=True, slots=True)
class Converted:
    """A model as IR: the .xml by precision, the .bin beside each."""

    spec: ModelSpec
    irs: Mapping[Precision, Path]


def convert(
    spec: ModelSpec,
    layout: Layout,
    *,
    precisions: Collection[Precision] = PRECISIONS,
    self_check: bool = True,
    force: bool = False,
    decoder: Decoder | None = None,
    listener: Listener = ignore,
) -> Converted:
    """The IR of a downloaded model; those that are up to date are left alone.

    The same original gives the same bytes, whenever, wherever and however often it is converted by the
    same OpenVINO. When something fails, the IR that were there before are still there.

    Args:
        spec: the model.
        layout: where its files lie and its IR will lie.
        precisions: FP32, FP16 or both; of a model published as IR, those that are wanted of it.
        self_check: prove that the IR compute what the original computes, and publish nothing else.
        force: convert again what is up to date.
        decoder: what the IR name as their decoder, where it is declared by a composite; else the model's own.
        listener: is told what happens.

    Raises:
        ConversionError: the original is not there, is not what was promised, or cannot be converted.
        SelfCheckError: an IR does not compute what the original computes.
        OutputError: an IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    decoder = decoder or spec.decoder
    if spec.is_ir:
        listener(ModelConversionSkipped(spec.full_name, "published as IR"))
        return Converted(spec, _published(spec, layout, precisions))
    steps = steps_of(spec, layout, precisions, self_check=self_check, force=force, decoder=decoder)
    remove_abandoned(layout.model(spec))
    if done := tuple(step.precision for step in steps if step.is_done):
        listener(ModelConversionUpToDate(spec.full_name, done))
    if due := tuple(step.precision for step in steps if not step.is_done):
        listener(ModelConversionBegin(spec.full_name, due))
        try:
            _make(spec, layout, due, self_check, decoder, listener)
        except PosezooError as error:
            listener(ModelConversionEnd(spec.full_name, False, error.problem))
            raise
        listener(ModelConversionEnd(spec.full_name, True))
    return Converted(spec, {step.precision: step.xml for step in steps})


def _published(spec: ModelSpec, layout: Layout, precisions: Collection[Precision]) -> dict[Precision, Path]:
    """Those of the precisions asked for that were published and are there."""
    require(spec, precisions)
    irs = {precision: layout.ir(spec, precision) for precision in precisions}
    if not any(xml.is_file() for xml in irs.values()):
        places = ", ".join(map(str, irs.values()))
        raise ConversionError(f"{places}: not there", hint=f"posezoo download {spec.full_name}")
    return {precision: xml for precision, xml in irs.items() if xml.is_file()}


def _make(
    spec: ModelSpec,
    layout: Layout,
    precisions: Collection[Precision],
    self_check: bool,
    decoder: Decoder | None,
    listener: Listener,
) -> None:
    original.reader_of(spec)
    with ThreadPoolExecutor() as pool:
        # 115 MB take as long to be hashed as OpenVINO and numpy to be imported: a tenth of a second.
        verified = pool.submit(original.verified, spec, layout)
        # Only here: whoever asks what is up to date does not wait for them.
        from posezoo.convert import ir, preprocess
        from posezoo.convert.publish import publish
        from posezoo.convert.reference import compute_reference

        openvino()
        path = verified.result()
        # Reading keeps one core busy: the original is run beside it, where its inputs are known by now.
        is_known = all(port.name and port.layout for port in spec.inputs)
        reference = pool.submit(compute_reference, spec, path) if self_check and is_known else None
        network = preprocess.bake(original.read(spec, path), spec)
        ir.finish(network, spec, decoder)
        publish(
            network,
            spec,
            layout,
            precisions,
            self_check=self_check,
            reference=reference,
            decoder=decoder,
            listener=listener,
        )
