"""An FP32 IR into INT8: calibrated on photos, held against FP32 on others, published only within bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posezoo.convert.conversion_plan import PlannedIr
from posezoo.convert.publish import AcceptIr, accept_all, contents_by_suffix, put_in_place, read_contents
from posezoo.errors import InferenceError, PosezooError, QuantizationError
from posezoo.events import (
    AccuracyCompared,
    CalibrationProgress,
    ConversionUpToDate,
    LayerNoiseMeasured,
    Listener,
    QuantizationFinished,
    QuantizationStarted,
    ignore_event,
)
from posezoo.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.ir import ir_writer, provenance
from posezoo.ir.openvino_import import error_text, openvino_core
from posezoo.layout import ModelLayout
from posezoo.quantize.ap_evaluator import AccuracyEvaluator, create_accuracy_evaluator
from posezoo.quantize.calibration_data import (
    CalibrationData,
    PhotoSplit,
    collect_calibration_data,
    split_photos,
)
from posezoo.quantize.detected_points import DetectedPoints, OutputReader, select_output_reader
from posezoo.quantize.displacement import KeypointDisplacement
from posezoo.quantize.int8_comparison import (
    detect_points,
    displacement_event,
    explain_rejection,
    measure_displacement,
)
from posezoo.quantize.layer_noise import compare_layers
from posezoo.quantize.nncf_compression import quantize_network
from posezoo.quantize.quantization_plan import plan_int8_irs, quantization_key
from posezoo.quantize.quantization_target import QuantizationTarget, require_quantizable
from posezoo.spec.model import Precision

#: On so many inputs layers are compared: what does harm shows on the first.
COMPARED = 2

_HINT = (
    "nothing was published; quantization.in_float in model.yml keeps what does most harm in floating point"
)


@dataclass(frozen=True, slots=True)
class Quantized:
    """A model in INT8.

    Attributes:
        irs: the .xml by precision.
        shifts: how far from FP32, of those that were made now.
        calibration_photos: how many photos were to be calibrated on.
        measured_photos: how many were kept apart to measure on.
    """

    irs: Mapping[Precision, Path]
    shifts: Mapping[Precision, KeypointDisplacement]
    calibration_photos: int
    measured_photos: int


def quantize(
    target: QuantizationTarget,
    layout: ModelLayout,
    dataset_dir: Path,
    *,
    precisions: Collection[Precision] = (Precision.FP16_INT8,),
    target_device: str = "ANY",
    force: bool = False,
    compare: bool = False,
    annotations: Path | None = None,
    max_drop: float | None = None,
    accept: AcceptIr = accept_all,
    listener: Listener = ignore_event,
) -> Quantized:
    """The INT8 IR of a model whose FP32 IR is there; those that are up to date are left alone.

    The same FP32 IR, photos and settings give the same bytes, on however many threads. When something fails,
    the IR that were there before are still there.

    Args:
        target: what to quantize.
        layout: where the INT8 IR will lie.
        dataset_dir: photos with people; one in three is kept apart from calibration, to measure on.
        precisions: FP16-INT8, FP32-INT8 or both: how what stays in floating point is stored.
        target_device: what it shall run on: one of ``spec.quantization.TARGET_DEVICES``.
        force: quantize again what is up to date.
        compare: tell what quantization does to each layer, even where nothing is wrong.
        annotations: of people in the photos, in COCO's format: AP before and after is told, too, of those
            photos that are kept apart.
        max_drop: by how much AP may drop, 0..1; layers go back to floating point until it drops no more.
        accept: may refuse an IR by its bytes, before it is put in place.
        listener: is told what happens.

    Raises:
        QuantizationError: the model cannot be quantized, the photos do not do, or what INT8 finds lies
            farther from what FP32 finds than the model's settings allow.
        InferenceError: the FP32 IR is damaged or another network's.
        OutputError: an IR cannot be written.
        MissingPackageError: NNCF, OpenVINO or OpenCV is not installed, or they do not go together.
    """
    name, spec = target.spec.full_name, target.spec
    require_quantizable(spec, target.model)
    photos = split_photos(dataset_dir, target.quantization_settings.subset_size)
    key = quantization_key(target, photos, target_device, max_drop)
    steps = plan_int8_irs(target, layout, key, precisions, force=force)
    if done := tuple(step.precision for step in steps if step.is_up_to_date):
        listener(ConversionUpToDate(name, done))
    shifts: Mapping[Precision, KeypointDisplacement] = {}
    numbers = len(photos.calibration), len(photos.measured)
    if due := tuple(step for step in steps if not step.is_up_to_date):
        remove_stale_staging_dirs(layout.model_dir(spec))
        listener(QuantizationStarted(name, tuple(step.precision for step in due), *numbers))
        try:
            referee = _evaluator(target, annotations, dataset_dir, photos, max_drop)
            shifts = _make(
                target,
                layout,
                due,
                photos,
                target_device,
                compare,
                referee,
                key["quantization"],
                accept,
                listener,
            )
        except PosezooError as error:
            listener(QuantizationFinished(name, False, error.problem))
            raise
        listener(QuantizationFinished(name, True))
    return Quantized({step.precision: step.xml for step in steps}, shifts, *numbers)


def compare_with_fp32(
    target: QuantizationTarget,
    xml: Path,
    precision: Precision,
    dataset_dir: Path,
    *,
    listener: Listener = ignore_event,
) -> KeypointDisplacement:
    """How far what an INT8 IR finds lies from what FP32 finds, whoever made it.

    Args:
        target: the model, with its FP32 IR.
        xml: the INT8 IR.
        precision: what it is called.
        dataset_dir: photos with people; the same of them are measured on as by ``quantize``.
        listener: is told the shift.

    Raises:
        QuantizationError: it lies farther than the model's settings allow, is another network, or the photos
            do not do.
        InferenceError: an IR is missing or damaged.
    """
    photos, read = (
        split_photos(dataset_dir, target.quantization_settings.subset_size),
        select_output_reader(target),
    )
    samples = collect_calibration_data(
        target, replace(photos, calibration=photos.calibration[:1]), listener=listener
    )
    displacement = measure_displacement(
        target, xml, samples.measured, detect_points(target.fp32_xml, samples.measured, read), read
    )
    listener(displacement_event(target, precision, displacement))
    if problem := explain_rejection(target, precision, displacement):
        raise QuantizationError(f"{xml}: {problem}", hint="posezoo quantize makes another one")
    return displacement


@dataclass(frozen=True, slots=True)
class _QuantizationJob:
    """What all IR of one quantization share."""

    subject: QuantizationTarget
    samples: CalibrationData
    read: OutputReader
    fp32: Sequence[DetectedPoints]  # what FP32 finds in the samples to measure on
    target_device: str
    compare: bool
    judge: AccuracyEvaluator | None
    listener: Listener


def _evaluator(
    target: QuantizationTarget,
    annotations: Path | None,
    folder: Path,
    photos: PhotoSplit,
    max_drop: float | None,
) -> AccuracyEvaluator | None:
    if annotations is None:
        if max_drop is not None:
            raise QuantizationError("max_drop needs annotations of the photos", hint="--annotations FILE")
        return None
    return create_accuracy_evaluator(target, annotations, folder, photos, max_drop)


def _make(
    target: QuantizationTarget,
    layout: ModelLayout,
    steps: Sequence[PlannedIr],
    photos: PhotoSplit,
    target_device: str,
    compare: bool,
    referee: AccuracyEvaluator | None,
    key: Mapping[str, object],
    accept: AcceptIr,
    listener: Listener,
) -> dict[Precision, KeypointDisplacement]:
    samples, read = (
        collect_calibration_data(target, photos, listener=listener),
        select_output_reader(target),
    )
    fp32 = detect_points(target.fp32_xml, samples.measured, read)
    job = _QuantizationJob(target, samples, read, fp32, target_device, compare, referee, listener)
    with staging_dir(layout.model_dir(target.spec)) as folder:
        # Nothing is replaced unless all of them are good.
        made = {step: _quantized(job, step, folder / step.precision) for step in steps}
        contents = {step: read_contents(xml) for step, (xml, _) in made.items()}
        for step, held in contents.items():
            accept(step.precision, contents_by_suffix(held))
        for step, (xml, displacement) in made.items():
            record = _record(job, key, displacement, contents[step])
            put_in_place(xml, step.xml, contents[step], record)
    return {step.precision: shift for step, (_, shift) in made.items()}


def _quantized(job: _QuantizationJob, step: PlannedIr, folder: Path) -> tuple[Path, KeypointDisplacement]:
    """An IR in a working folder, and how far it is from FP32.

    Raises:
        QuantizationError: too far.
    """
    target, name = job.subject, job.subject.spec.full_name
    network = quantize_network(
        _stored(_fp32(target), step.precision, folder),
        job.samples.calibration,
        target.quantization_settings,
        target_device=job.target_device,
        progress=lambda done, of: job.listener(CalibrationProgress(name, done, of)),
        evaluator=job.judge,
    )
    as_compressed = network.clone()  # with the layers' names in the FP32 IR
    ir_writer.prepare_for_writing(network, target.spec, target.decoder)
    xml = ir_writer.write_ir(network, folder / step.xml.name, step.precision)
    displacement = measure_displacement(target, xml, job.samples.measured, job.fp32, job.read)
    job.listener(displacement_event(target, step.precision, displacement))
    problem = explain_rejection(target, step.precision, displacement) or _explain_ap_drop(
        job, step.precision, xml
    )
    if problem or job.compare:
        layers = compare_layers(_fp32(target), as_compressed, job.samples.measured[:COMPARED])
        job.listener(LayerNoiseMeasured(name, layers))
    if problem:
        raise QuantizationError(problem, hint=_HINT)
    return xml, displacement


def _explain_ap_drop(job: _QuantizationJob, precision: Precision, xml: Path) -> str:
    """Tell AP before and after, where photos are annotated; why that will not do, else nothing."""
    if job.judge is None:
        return ""
    before, after = job.judge.compute_ir_ap(job.subject.fp32_xml), job.judge.compute_ir_ap(xml)
    name, max_count = job.subject.spec.full_name, job.judge.max_drop
    job.listener(AccuracyCompared(name, precision, before, after, job.judge.person_count()))
    if max_count is None or before - after <= max_count:
        return ""
    return f"{name}: {precision} drops AP from {before:.3f} to {after:.3f}, by {max_count:g} it may"


def _stored(network: Any, precision: Precision, folder: Path) -> Any:
    """The network with its weights as the precision stores those that stay in floating point.

    Before it is quantized: OpenVINO halves no weights where some are INT8 already.
    """
    if precision is not Precision.FP16_INT8:
        return network
    half = ir_writer.write_ir(network, folder / "half.xml", Precision.FP16)
    return openvino_core(extra="quantize").read_model(half)


def _fp32(target: QuantizationTarget) -> Any:
    """The FP32 IR, read.

    Raises:
        InferenceError: it is damaged, or not what model.yml describes.
    """
    try:
        network = openvino_core(extra="quantize").read_model(target.fp32_xml)
    except RuntimeError as error:
        raise InferenceError(
            f"{target.fp32_xml}: cannot be read as an IR: {error_text(error)}",
            hint="convert the model again",
        ) from error
    declared = {port.name for port in target.spec.inputs}
    if not declared <= {name for port in network.inputs for name in port.names}:
        raise InferenceError(
            f"{target.fp32_xml}: is not {target.spec.full_name}: "
            f"it has no input {', '.join(sorted(declared))}",
            hint=f"posezoo convert {target.spec.full_name}",
        )
    return network


def _record(
    job: _QuantizationJob,
    key: Mapping[str, object],
    displacement: KeypointDisplacement,
    contents: Mapping[str, provenance.FileContent],
) -> bytes:
    samples, target = job.samples, job.subject
    proof = {
        "calibration_photos": samples.calibration_photos,
        "calibration_samples": len(samples.calibration),
        "measured_photos": samples.measured_photos,
        "measured_samples": len(samples.measured),
        **displacement.to_json(),
    }
    return provenance.format_provenance(
        target.spec, target.decoder, contents, None, quantization=key, shift=proof
    )
