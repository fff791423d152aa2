"""A downloaded model into IR: planned, read, prepared, written, proven, published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert import frontends
from posezoo.convert.conversion_plan import (
    PRECISIONS,
    ConversionPlan,
    PlannedIr,
    is_up_to_date,
    plan_conversion,
    plan_irs,
    require_precisions,
)
from posezoo.convert.custom_weights import KEEP_OR_REPLACE, refuse_to_replace, require_network
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    ConversionFinished,
    ConversionSkipped,
    ConversionStarted,
    ConversionUpToDate,
    Listener,
    ignore_event,
)
from posezoo.files import verified_files
from posezoo.files.staging import remove_stale_staging_dirs
from posezoo.ir.openvino_import import import_openvino
from posezoo.ir.provenance import CONVERSION_FORMAT
from posezoo.layout import ModelLayout
from posezoo.spec.model import Decoder, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.convert.publish import AcceptIr

__all__ = [
    "CONVERSION_FORMAT",
    "PRECISIONS",
    "ConversionPlan",
    "Converted",
    "PlannedIr",
    "convert_model",
    "is_up_to_date",
    "plan_conversion",
]


@dataclass(frozen=True, slots=True)
class Converted:
    """A model as IR: the .xml by precision, the .bin beside each."""

    spec: ModelSpec
    irs: Mapping[Precision, Path]


def convert_model(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    precisions: Collection[Precision] = PRECISIONS,
    self_check: bool = True,
    force: bool = False,
    decoder: Decoder | None = None,
    keep_onnx: bool = False,
    accept_ir: AcceptIr | None = None,
    listener: Listener = ignore_event,
) -> Converted:
    """The IR of a downloaded model; those that are up to date are left alone.

    The same original gives the same bytes, whenever, wherever and however often it is converted by the
    same OpenVINO. When something fails, the IR that were there before are still there.

    Args:
        spec: the model.
        layout: where its files lie and its IR will lie.
        precisions: FP32, FP16 or both; of a model published as IR, those that are wanted of it.
        self_check: prove that the IR compute what the original computes, and publish nothing else.
        force: convert again what is up to date, or was made of other weights.
        decoder: what the IR name as their decoder, where it is declared by a composite; else the model's own.
        keep_onnx: also write the ONNX that a checkpoint becomes on the way: ``<name>.onnx`` in its folder.
        accept_ir: may refuse an IR that was proven, by its bytes, before it is put in place.
        listener: is told what happens.

    Raises:
        ConversionError: the original is not there, is not what was promised, or cannot be converted; or
            an IR of other weights would be replaced (``own_weights.refuse_to_replace``).
        SelfCheckError: an IR does not compute what the original computes.
        CheckpointError: a checkpoint cannot be read, or does not fit its network.
        NetworkError: a checkpoint's network cannot be built as declared.
        OutputError: an IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    decoder = decoder or spec.decoder
    if keep_onnx:
        require_network(spec)
    if spec.is_ir:
        listener(ConversionSkipped(spec.full_name, "published as IR"))
        return Converted(spec, _published(spec, layout, precisions))
    if not force:
        refuse_to_replace(spec, layout)
    steps = plan_irs(spec, layout, precisions, self_check=self_check, force=force, decoder=decoder)
    remove_stale_staging_dirs(layout.model_dir(spec))
    if done := tuple(step.precision for step in steps if step.is_up_to_date):
        listener(ConversionUpToDate(spec.full_name, done))
    if due := tuple(step.precision for step in steps if not step.is_up_to_date):
        listener(ConversionStarted(spec.full_name, due))
        try:
            _make(spec, layout, due, self_check, decoder, keep_onnx, accept_ir, listener)
        except PosezooError as error:
            listener(ConversionFinished(spec.full_name, False, error.problem))
            raise
        listener(ConversionFinished(spec.full_name, True))
    elif keep_onnx:
        export_onnx(spec, layout, force=True)
    return Converted(spec, {step.precision: step.xml for step in steps})


def export_onnx(spec: ModelSpec, layout: ModelLayout, *, force: bool = False) -> Path:
    """The ONNX that a downloaded checkpoint becomes, written as ``<name>.onnx`` into the model's folder.

    Args:
        spec: the model.
        layout: where its files lie and the ONNX will lie.
        force: replace an ONNX that is there, or lay it beside the IR of other weights.

    Raises:
        ConversionError: it is no checkpoint of a network of ours, not there, or not what was promised; or
            the folder holds another ONNX, or the IR of other weights (``own_weights.refuse_to_replace``).
        CheckpointError: it cannot be read, or does not fit its network.
        NetworkError: its network cannot be built as declared.
        OutputError: the ONNX cannot be written.
        MissingPackageError: torch is not installed.
    """
    require_network(spec)
    if not force:
        refuse_to_replace(spec, layout)
    content = frontends.open_for_frontend(spec, frontends.verify_source_model(spec, layout))
    assert isinstance(content, bytes)
    path = layout.onnx_path(spec)
    # Nothing beside it says what it was made of: it may be that of a training that nobody can repeat.
    if not force and path.is_file() and path.read_bytes() != content:
        raise ConversionError(f"{path}: is another ONNX", hint=KEEP_OR_REPLACE)
    verified_files.write_atomically(path, content)
    return path


def _published(
    spec: ModelSpec, layout: ModelLayout, precisions: Collection[Precision]
) -> dict[Precision, Path]:
    """Those of the precisions asked for that were published and are there."""
    require_precisions(spec, precisions)
    irs = {precision: layout.ir_path(spec, precision) for precision in precisions}
    if not any(xml.is_file() for xml in irs.values()):
        places = ", ".join(map(str, irs.values()))
        raise ConversionError(f"{places}: not there", hint=f"posezoo download {spec.full_name}")
    return {precision: xml for precision, xml in irs.items() if xml.is_file()}


def _make(
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision],
    self_check: bool,
    decoder: Decoder | None,
    keep_onnx: bool,
    accept_ir: AcceptIr | None,
    listener: Listener,
) -> None:
    frontends.select_format(spec)
    with ThreadPoolExecutor() as pool:
        # 115 MB take as long to be hashed as OpenVINO and numpy to be imported: a tenth of a second.
        verified = pool.submit(frontends.verify_source_model, spec, layout)
        # Only here: whoever asks what is up to date does not wait for them.
        from posezoo.convert import preprocess
        from posezoo.convert.publish import accept_all, publish_irs
        from posezoo.convert.reference_outputs import compute_reference, import_runtime
        from posezoo.ir import ir_writer

        import_openvino()
        if self_check:
            import_runtime(spec.framework)
        # What was good when it came may be read while it is hashed once more; anything else may be made to
        # harm whoever reads it.
        if keep_onnx or not frontends.is_source_verified(spec, layout):
            verified.result()
        path = frontends.source_model_path(spec, layout)
        # Reading keeps one core busy: the original is run beside it, where its inputs are known by now.
        is_known = all(port.name and port.layout for port in spec.inputs)
        reference = pool.submit(compute_reference, spec, path) if self_check and is_known else None
        onnx = layout.onnx_path(spec) if keep_onnx else None
        try:
            network = preprocess.apply_model_yml(frontends.read_network(spec, path, keep_onnx=onnx), spec)
            ir_writer.prepare_for_writing(network, spec, decoder)
        finally:
            verified.result()  # nothing is made of other bytes, and where reading failed, this says why
        publish_irs(
            network,
            spec,
            layout,
            precisions,
            self_check=self_check,
            reference=reference,
            decoder=decoder,
            accept_ir=accept_ir or accept_all,
            listener=listener,
        )
