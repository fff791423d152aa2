"""Quantizes an FP32 IR to INT8, compares it with FP32, and writes it if it is within the model's bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

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
from posezoo.measured import KINDS, Measurement, measurement_to_json
from posezoo.quantize.ap_evaluator import AccuracyEvaluator, create_accuracy_evaluator
from posezoo.quantize.calibration_data import CalibrationData, collect_calibration_data, split_photos
from posezoo.quantize.displacement import KeypointDisplacement
from posezoo.quantize.int8_comparison import Fp32Reference, detect_with_fp32
from posezoo.quantize.layer_noise import compare_layers
from posezoo.quantize.nncf_compression import quantize_network
from posezoo.quantize.quantization_plan import QuantizationOptions, plan_quantization, quantization_key
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.spec.model import Precision
from posezoo.versions import package_versions

#: Layers are compared on this many inputs: large noise is visible in the first input.
COMPARED_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Quantized:
    """A model in INT8.

    Attributes:
        target: the quantized network.
        irs: the .xml files by precision.
        displacements: the displacements from FP32 of the IR that were made now.
        calibration_photos: number of photos for calibration.
        measured_photos: number of photos for comparison.
    """

    target: QuantizationTarget
    irs: Mapping[Precision, Path]
    displacements: Mapping[Precision, KeypointDisplacement]
    calibration_photos: int
    measured_photos: int


def quantize(
    target: QuantizationTarget,
    layout: ModelLayout,
    dataset_dir: Path,
    options: QuantizationOptions,
    *,
    accept: AcceptIr = accept_all,
    listener: Listener = ignore_event,
) -> Quantized:
    """Make the INT8 IR of a model that has an FP32 IR, except those that are up to date.

    The same FP32 IR, photos and settings give the same bytes, on any number of threads. If an error occurs,
    earlier IR stay in place.

    Args:
        layout: the folders of the INT8 IR.
        dataset_dir: photos with people; one in three is used for comparison and not for calibration.
        accept: may refuse an IR by its bytes before it is put in place.

    Raises:
        QuantizationError: there are too few photos, or INT8 differs from FP32 by more than the model's
            settings allow.
        InferenceError: the FP32 IR is damaged or another network's.
        OutputError: an IR cannot be written.
        MissingPackageError: NNCF, OpenVINO or OpenCV is not installed, or their versions do not match.
    """
    name = target.spec.full_name
    photos = split_photos(dataset_dir, target.settings.subset_size)
    key = quantization_key(target, photos, options.target_device, options.max_drop)
    irs = plan_quantization(target, layout, key, options)
    if up_to_date := tuple(planned.precision for planned in irs if planned.is_up_to_date):
        listener(ConversionUpToDate(name, up_to_date))
    counts = len(photos.calibration), len(photos.measured)
    displacements: dict[Precision, KeypointDisplacement] = {}
    if due := tuple(planned for planned in irs if not planned.is_up_to_date):
        remove_stale_staging_dirs(layout.model_dir(target.spec))
        listener(QuantizationStarted(name, tuple(planned.precision for planned in due), *counts))
        try:
            evaluator = None
            if options.annotations is not None:
                evaluator = create_accuracy_evaluator(
                    target, options.annotations, dataset_dir, photos, options.max_drop
                )
            data = collect_calibration_data(target, photos, listener=listener)
            reference = detect_with_fp32(target, data.measured)
            job = _QuantizationJob(target, options, data, reference, evaluator, listener)
            with staging_dir(layout.model_dir(target.spec)) as folder:
                # No IR is replaced unless all of them are accepted.
                staged = {}
                for planned in due:
                    xml = folder / planned.precision / planned.xml.name
                    displacements[planned.precision] = job.make_ir(planned.precision, xml)
                    staged[planned] = xml, read_contents(xml)
                for planned, (_, contents) in staged.items():
                    accept(planned.precision, contents_by_suffix(contents))
                for planned, (xml, contents) in staged.items():
                    record = provenance.format_provenance(
                        target.spec,
                        target.decoder,
                        contents,
                        None,
                        quantization=key["quantization"],
                        shift={
                            "calibration_photos": data.calibration_photos,
                            "calibration_samples": len(data.calibration),
                            "measured_photos": data.measured_photos,
                            "measured_samples": len(data.measured),
                            **displacements[planned.precision].to_json(),
                        },
                    )
                    put_in_place(xml, planned.xml, contents, record)
        except PosezooError as error:
            listener(QuantizationFinished(name, False, error.problem))
            raise
        listener(QuantizationFinished(name, True))
    return Quantized(target, {planned.precision: planned.xml for planned in irs}, displacements, *counts)


def compare_with_fp32(
    target: QuantizationTarget,
    xml: Path,
    precision: Precision,
    dataset_dir: Path,
    *,
    listener: Listener = ignore_event,
) -> KeypointDisplacement:
    """The displacement of an INT8 IR from FP32, whether it was made here or published.

    Args:
        target: the model, with its FP32 IR.
        dataset_dir: photos with people; the same photos are used for comparison as in ``quantize``.

    Raises:
        QuantizationError: the displacement is larger than the model's settings allow, the IR is another
            network, or there are too few photos.
        InferenceError: an IR is missing or damaged.
    """
    photos = split_photos(dataset_dir, target.settings.subset_size)
    photos = replace(photos, calibration=photos.calibration[:1])  # the others are not needed
    data = collect_calibration_data(target, photos, listener=listener)
    displacement, problem = detect_with_fp32(target, data.measured).compare(xml, precision, listener)
    if problem:
        raise QuantizationError(f"{xml}: {problem}", hint="posezoo quantize makes another one")
    return displacement


@dataclass(frozen=True, slots=True)
class _QuantizationJob:
    """The state that all IR of one quantization share."""

    target: QuantizationTarget
    options: QuantizationOptions
    data: CalibrationData
    reference: Fp32Reference
    evaluator: AccuracyEvaluator | None
    listener: Listener

    def make_ir(self, precision: Precision, xml: Path) -> KeypointDisplacement:
        """Write an INT8 IR.

        Raises:
            QuantizationError: it differs too much from FP32, or its AP drops too much.
        """
        target, name = self.target, self.target.spec.full_name
        network = _read_fp32(target)
        if precision is Precision.FP16_INT8:
            # This must precede quantization: OpenVINO stores no weights as FP16 if some are already INT8.
            half = ir_writer.write_ir(network, xml.with_name("half.xml"), Precision.FP16)
            network = openvino_core(extra="quantize").read_model(half)
        network = quantize_network(
            network,
            self.data.calibration,
            target.settings,
            target_device=self.options.target_device,
            report_progress=lambda done, total: self.listener(CalibrationProgress(name, done, total)),
            evaluator=self.evaluator,
        )
        quantized = network.clone()  # still has the layer names of the FP32 IR
        ir_writer.prepare_for_writing(network, target.spec, target.decoder)
        ir_writer.write_ir(network, xml, precision)
        displacement, problem = self.reference.compare(xml, precision, self.listener)
        if not problem and self.evaluator is not None:
            before, after = self.evaluator.compute_ir_ap(target.fp32_xml), self.evaluator.compute_ir_ap(xml)
            count, max_drop = self.evaluator.person_count(), self.evaluator.max_drop
            self.listener(AccuracyCompared(name, precision, before, after, count))
            if max_drop is not None and before - after > max_drop:
                problem = (
                    f"{name}: {precision} drops AP from {before:.3f} to {after:.3f}, "
                    f"a drop of {max_drop:g} is allowed"
                )
        if problem or self.options.compare_layers:
            samples = self.data.measured[:COMPARED_SAMPLES]
            self.listener(LayerNoiseMeasured(name, compare_layers(_read_fp32(target), quantized, samples)))
        if problem:
            raise QuantizationError(
                problem,
                hint="nothing was published; quantization.in_float in model.yml keeps the layers with the "
                "most noise in floating point",
            )
        return displacement


def _read_fp32(target: QuantizationTarget) -> Any:
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


def to_measurements(quantized: Quantized) -> list[dict[str, object]]:
    """The displacement of each IR that was made now, in the format that ``posezoo record`` reads."""
    fp32_size = quantized.target.fp32_xml.with_suffix(".bin").stat().st_size
    measurements = []
    for precision, displacement in quantized.displacements.items():
        share = quantized.irs[precision].with_suffix(".bin").stat().st_size / fp32_size
        metrics = {**displacement.to_json(), "bin_share": share}
        measurement = Measurement(
            "quantization",
            precision,
            {name: metrics[name] for name in KINDS["quantization"].figures},
            settings={"photos": quantized.measured_photos, "calibrated on": quantized.calibration_photos},
            tools=package_versions("nncf", "openvino"),
            date=datetime.now(timezone.utc).date().isoformat(),
        )
        measurements.append(measurement_to_json(quantized.target.spec.full_name, measurement))
    return measurements
