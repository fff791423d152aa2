"""Quantizes an FP32 IR to INT8, compares it with FP32, and writes it if it is within the model's
bounds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.convert.conversion_plan import select_due
from posezoo.core.convert.publish import StagedIr, describe_files, replace_irs
from posezoo.core.declarations.model import ColorOrder, Input, Precision
from posezoo.core.errors import InferenceError, PosezooError, QuantizationError
from posezoo.core.events import (
    Event,
    FloatLayersKept,
    LayerNoiseMeasured,
    Listener,
    QuantizationFinished,
    QuantizationStarted,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.core.ir import ir_writer, provenance
from posezoo.core.ir.openvino_import import error_text, name_ports, openvino_core
from posezoo.core.layout import require_inside
from posezoo.core.registry import format_command
from posezoo.core.values import frozen
from posezoo.core.versions import package_versions
from posezoo.figures.measured import KINDS, Measurement, digest_irs
from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator, create_accuracy_evaluator
from posezoo.quantize.calibration_data import (
    CalibrationData,
    CalibrationSample,
    collect_calibration_data,
    set_labels,
)
from posezoo.quantize.displacement import KeypointDisplacement
from posezoo.quantize.int8_comparison import Fp32Reference, OutputReference, compare_layers
from posezoo.quantize.int8_layers import count_layers
from posezoo.quantize.nncf_compression import delicate_layers, quantize_network
from posezoo.quantize.quantization_plan import PhotoSplit, QuantizationPlan, QuantizationTarget

if TYPE_CHECKING:
    from openvino import Model

#: Layers are compared on this many inputs: large noise is visible in the first input.
COMPARED_SAMPLES = 2

# Photos have a standard deviation of 40 to 80 of 255 levels.
_LEAST_SPREAD = 4.0

# Channels are suspected to be exchanged at this many standard errors; the accuracy then decides.
_SUSPICIOUS = 1.0
_BETTER = 0.01

# A random choice of images lacks a class less often than this.
_UNLIKELY = 0.01


@frozen
class Quantized:
    """A model in INT8."""

    plan: QuantizationPlan
    displacements: Mapping[Precision, KeypointDisplacement]
    photos: Mapping[str, int]

    @property
    def irs(self) -> dict[Precision, Path]:
        """The .xml files by precision."""
        return {planned.precision: planned.xml for planned in self.plan.irs}

    @property
    def missed(self) -> dict[Precision, str]:
        """What the record of each IR says that misses its limit."""
        missed = {}
        for precision, xml in self.irs.items():
            record = provenance.read_ir_record(xml)
            if record and record.accuracy is not None and record.accuracy.is_missed:
                missed[precision] = str(record.accuracy)
        return missed


def quantize(plan: QuantizationPlan, *, listener: Listener = ignore_event) -> Quantized:
    """Make the INT8 IR of a model that has an FP32 IR, except those that are up to date.

    The same FP32 IR, photos and settings give the same bytes. If an error occurs, earlier IR stay
    in place. An IR that drops by more than the limit of the options is the best that was reached,
    and ``missed`` and its record say so.

    Raises:
        QuantizationError: the photos do not fit the model; or there is no limit in the options, and
            INT8 differs from FP32 by more than the model's settings allow.
        LockError: a strict lock does not list an IR.
        InferenceError: the FP32 IR is damaged or another network's.
        OutputError: an IR cannot be written.
        MissingPackageError: NNCF, OpenVINO or OpenCV is not installed, or their versions do not
            match.
    """
    target = plan.target
    folder = plan.layout.model_dir(plan.target.spec)
    name = target.spec.full_name
    photos = plan.photos
    used: dict[str, int] = {}
    displacements: dict[Precision, KeypointDisplacement] = {}
    if due := select_due(name, plan.irs, listener):
        for ir in due:
            require_inside(ir.xml, plan.layout.roots)
        remove_stale_staging_dirs(folder)
        missing_folders = [each for each in (folder, *folder.parents) if not each.exists()]
        precisions = tuple(ir.precision for ir in due)
        listener(
            QuantizationStarted(name, precisions, len(photos.calibration), len(photos.measured))
        )
        if unread := target.settings.unread:
            listener(WarningIssued(f"{name}: quantization.yml: not used: {', '.join(unread)}"))
        try:
            evaluator = create_accuracy_evaluator(plan, listener)
            data = collect_calibration_data(target, photos, listener=listener)
            used = {"photos": data.measured_photos, "calibrated on": data.calibration_photos}
            _check_calibration_data(data, evaluator, photos, listener)
            compared = Fp32Reference if target.decoder else OutputReference
            reference = compared(target, data.measured, plan.options.runtime)
            job = _QuantizationJob(plan, data, reference, evaluator, listener=listener)
            counts = {
                "calibration_photos": data.calibration_photos,
                "calibration_samples": len(data.calibration),
                "measured_photos": data.measured_photos,
                "measured_samples": len(data.measured),
            }
            with staging_dir(folder) as staging:
                staged = []
                for ir in due:
                    xml = staging / ir.precision / ir.xml.name
                    displacement, measured = job.make_ir(ir.precision, xml)
                    if displacement:
                        displacements[ir.precision] = displacement
                    files = describe_files(xml)
                    int8 = provenance.Int8Record(
                        plan.key["quantization"],
                        {**counts, **displacement.to_json()} if displacement else None,
                        measured,
                    )
                    record = provenance.format_provenance(
                        target.spec, target.model.decoder, files, int8=int8
                    )
                    staged.append(StagedIr(xml, ir, files, record))
                replace_irs(staged, listener=listener)
        except PosezooError as error:
            listener(QuantizationFinished(name, False, error.problem))
            with suppress(OSError):  # one was not made, or has other files
                for each in missing_folders:
                    each.rmdir()
            raise
        listener(QuantizationFinished(name, True))
    return Quantized(plan, displacements, used)


@frozen
class _QuantizationJob:
    plan: QuantizationPlan
    data: CalibrationData
    reference: Fp32Reference | OutputReference
    evaluator: AccuracyEvaluator | None
    listener: Listener

    def make_ir(
        self, precision: Precision, xml: Path
    ) -> tuple[KeypointDisplacement | None, dict[str, Event]]:
        """Write an INT8 IR; what was measured of it, by the keys of its record.

        Raises:
            QuantizationError: it differs too much from FP32, and the options set no other limit.
        """
        measured: dict[str, Event] = {}

        def listen(event: Event) -> None:
            if type(event) in provenance.INT8_EVENTS:
                measured[provenance.INT8_EVENTS[type(event)]] = event
            self.listener(event)

        target = self.plan.target
        options = self.plan.options
        quantized = self._write_int8(precision, xml, listen)
        displacement, problem = self.reference.compare(xml, precision, listen)
        if problem and options.max_drop is None and delicate_layers(_read_fp32(target)):
            again = "INT8 is made again, with more layers in floating point"
            self.listener(WarningIssued(f"{problem}; {again}"))
            quantized = self._write_int8(precision, xml, listen, is_careful=True)
            displacement, problem = self.reference.compare(xml, precision, listen)
        if self.evaluator:
            self.evaluator.compare(xml, precision, self.data.calibration_photos, listen)
        if options.max_drop is not None:
            problem = ""  # that limit counts
        if problem or options.compare_layers:
            samples = self.data.measured[:COMPARED_SAMPLES]
            fp32 = _read_fp32(target, samples)
            noises = compare_layers(fp32, quantized, samples)
            self.listener(LayerNoiseMeasured(target.spec.full_name, noises))
        if problem:
            way = "--max_drop D and --annotations, which search for minutes for layers to keep in"
            if not target.is_own:
                way = f"quantization.preset and in_float in model.yml, or {way}"
            raise QuantizationError(problem, hint=f"no IR was written; try {way} floating point")
        return displacement, measured

    def _write_int8(
        self, precision: Precision, xml: Path, listen: Listener, *, is_careful: bool = False
    ) -> Model:
        target = self.plan.target
        name = target.spec.full_name
        network = _read_fp32(target, self.data.calibration)
        if precision is Precision.FP16_INT8:
            # This must precede quantization: OpenVINO stores no weights as FP16 if some are already
            # INT8.
            half = ir_writer.write_ir(network, xml.with_name("half.xml"), Precision.FP16)
            network = openvino_core(extra="quantize").read_model(half)
        network, in_float = quantize_network(
            network,
            self.data.calibration,
            self.plan,
            listener=listen,
            evaluator=self.evaluator,
            is_careful=is_careful,
        )
        quantized = network.clone()
        listen(FloatLayersKept(name, precision, in_float, count_layers(network)))
        if target.is_own:
            ir_writer.rename_numbered_operations(network)
            if target.labels:
                set_labels(network, target.labels)
        else:
            ir_writer.prepare_for_writing(network, target.spec, target.model.decoder)
        (port,) = _read_fp32(target).inputs[:1]
        network.reshape({port.any_name: port.partial_shape})
        ir_writer.write_ir(network, xml, precision)
        return quantized


def _read_fp32(target: QuantizationTarget, samples: Sequence[CalibrationSample] = ()) -> Any:
    try:
        network = openvino_core(extra="quantize").read_model(target.fp32_xml)
    except RuntimeError as error:
        raise InferenceError(
            f"{target.fp32_xml}: cannot be read as an IR: {error_text(error)}",
            hint="convert the model again",
        ) from error
    name_ports(network)
    declared = {port.name for port in target.spec.inputs}
    if not declared <= {name for port in network.inputs for name in port.names}:
        raise InferenceError(
            f"{target.fp32_xml}: is not {target.spec.full_name}: "
            f"it has no input {', '.join(sorted(declared))}",
            hint=format_command("convert", target.spec),
        )
    for name, array in samples[0].inputs().items() if samples else ():
        if network.input(name).partial_shape.is_static:
            network.reshape({name: array.shape})
    return network


def to_measurements(quantized: Quantized) -> list[Measurement]:
    """The displacement of each IR that was made now, for measured.yml."""
    plan = quantized.plan
    fp32_size = plan.target.fp32_xml.with_suffix(".bin").stat().st_size
    measurements = []
    for precision, displacement in quantized.displacements.items():
        share = quantized.irs[precision].with_suffix(".bin").stat().st_size / fp32_size
        metrics = {**displacement.to_json(), "bin_share": share}
        measurement = Measurement(
            "quantization",
            precision,
            {name: metrics[name] for name in KINDS["quantization"].figures},
            settings=quantized.photos,
            tools=package_versions("nncf", "openvino", "posezoo"),
            date=datetime.now(timezone.utc).date().isoformat(),
            irs=digest_irs([quantized.irs[precision]]),
        )
        measurements.append(measurement)
    return measurements


def _check_calibration_data(
    data: CalibrationData, evaluator: AccuracyEvaluator | None, photos: PhotoSplit, warn: Listener
) -> None:
    """Refuse a calibration set that does not fit the model.

    Args:
        warn: receives a warning if it may not fit, but no annotations decide.

    Raises:
        QuantizationError: the reason.
    """
    port = data.calibration[0].port
    if 0 < max(port.mean, default=0) <= 1 or 0 < min(port.scale, default=1) < 1:
        raise QuantizationError(
            f"input {port.name}: mean {port.mean} and scale {port.scale} are for values from 0 to"
            " 1, and images have 0 to 255",
            hint="multiply both by 255",
        )
    values = np.concatenate([sample.image.ravel() for sample in data.calibration])
    spread = float(values.std())
    if spread < _LEAST_SPREAD:
        raise QuantizationError(
            f"the images for calibration use only the values {values.min()} to {values.max()} of 0"
            f" to 255 (standard deviation {spread:.1f})",
            hint="save them as usual images, without the preparation for a network",
        )
    if evaluator:
        _check_classes(evaluator, photos)
        evaluator.compute_fp32_metric()  # an error if it is about 0
    _check_channel_order(data, port, evaluator, warn)


def _check_channel_order(
    data: CalibrationData, port: Input, evaluator: AccuracyEvaluator | None, warn: Listener
) -> None:
    """Compare the colors with the declared mean; if they are opposite, FP32 itself decides."""
    means = np.array([sample.image.mean(axis=(0, 1, 2)) for sample in data.calibration])
    warmth = means[:, 2] - means[:, 0]
    error = float(warmth.std(ddof=1)) / math.sqrt(len(warmth)) if len(warmth) > 1 else 0.0
    if not error or float(warmth.mean()) / error * _declared_warmth(port) > -_SUSPICIOUS:
        return
    colors = f"the images for calibration have {-warmth.mean():.0f} levels more blue than red"
    if _declared_warmth(port) < 0:
        colors = f"the images for calibration have {warmth.mean():.0f} levels more red than blue"
    if evaluator is None:
        warn(WarningIssued(f"{colors}: are red and blue exchanged?"))
        return
    before = evaluator.compute_fp32_metric()
    after = evaluator.compute_fp32_metric(reverse=True)
    if after > before + _BETTER:
        raise QuantizationError(
            f"{colors}, and FP32 has {evaluator.metric} {after:.3f} with red and blue exchanged,"
            f" {before:.3f} as declared ({port.color or 'no color'})",
            hint="save the images in the usual order, or declare the other color",
        )


def _declared_warmth(port: Input) -> int:
    """1 if red is usually larger than blue, or -1."""
    if len(port.mean) != 3 or port.mean[0] == port.mean[2]:
        return 1
    first, _, last = port.mean
    red, blue = (first, last) if port.color is ColorOrder.RGB else (last, first)
    return 1 if red > blue else -1


def _check_classes(evaluator: AccuracyEvaluator, photos: PhotoSplit) -> None:
    """Refuse a set without a class that a random one would have."""
    calibrated = {path.resolve() for path in photos.calibration}
    used = calibrated | {path.resolve() for path in photos.measured}
    in_calibration: Counter[int] = Counter()
    in_both: Counter[int] = Counter()
    for image in evaluator.annotated.images:
        path = image.path.resolve()
        for number in {each.category for each in image.people}:
            in_both[number] += path in used
            in_calibration[number] += path in calibrated
    measured_share = len(photos.measured) / (len(photos.measured) + len(photos.calibration))
    categories = evaluator.annotated.categories
    for name, number in categories.items():
        chance = len(categories) * measured_share ** in_both[number]
        if not in_calibration[number] and in_both[number] and chance < _UNLIKELY:
            raise QuantizationError(
                f"the class {name} is in {in_both[number]} of {len(photos.measured)} images to"
                f" measure on, and in none of the {len(photos.calibration)} for calibration",
                hint="every third image, by name, is measured on: rename images to mix the classes",
            )
