"""Quantizes an FP32 IR to INT8, compares it with FP32, and writes it if it is within the model's
bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.convert.conversion_plan import select_due
from posezoo.core.convert.publish import StagedIr, read_contents, replace_irs
from posezoo.core.declarations.model import Precision
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
from posezoo.core.ir.openvino_import import error_text, openvino_core
from posezoo.core.layout import require_inside
from posezoo.core.registry import format_command
from posezoo.core.values import frozen
from posezoo.core.versions import package_versions
from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator, create_accuracy_evaluator
from posezoo.quantize.calibration_check import check_calibration_data
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
from posezoo.quantize.quantization_plan import QuantizationPlan, QuantizationTarget
from posezoo.run.measured import KINDS, Measurement, digest_irs, measurement_to_json

if TYPE_CHECKING:
    from openvino import Model

#: Layers are compared on this many inputs: large noise is visible in the first input.
COMPARED_SAMPLES = 2


@frozen
class Quantized:
    """A model in INT8.

    Attributes:
        plan: what was requested.
        displacements: the displacements from FP32 of the IR that were made now.
        photos: how many photos these were compared and calibrated on, as ``settings`` of a
            measurement.
    """

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
            record = provenance.read_provenance(xml.with_name("provenance.json"))
            if record and record.accuracy is not None and record.accuracy.is_missed:
                missed[precision] = str(record.accuracy)
        return missed


def quantize(plan: QuantizationPlan, *, listener: Listener = ignore_event) -> Quantized:
    """Make the INT8 IR of a model that has an FP32 IR, except those that are up to date.

    The same FP32 IR, photos and settings give the same bytes, on any number of threads. If an error
    occurs, earlier IR stay in place. An IR that drops by more than the limit of the options is the
    best that was reached, and ``missed`` and its record say so.

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
            check_calibration_data(data, evaluator, photos, listener)
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
                    contents = read_contents(xml)
                    int8 = provenance.Int8Record(
                        plan.key["quantization"],
                        {**counts, **displacement.to_json()} if displacement else None,
                        measured,
                    )
                    record = provenance.format_provenance(
                        target.spec, target.model.decoder, contents, int8=int8
                    )
                    staged.append(StagedIr(xml, ir, contents, record))
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
    """The state that all IR of one quantization share."""

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
            way = "quantization.preset and in_float in model.yml"
            if target.is_own:
                is_mixed = target.settings.preset == "mixed"
                way = f"{'' if is_mixed else '--preset mixed and '}--in_float LAYERS"
            raise QuantizationError(
                problem,
                hint=f"no IR was written; try {way} with the layers that have the most noise, or"
                " --max_drop D and --annotations, which search for them for minutes",
            )
        return displacement, measured

    def _write_int8(
        self, precision: Precision, xml: Path, listen: Listener, *, is_careful: bool = False
    ) -> Model:
        """Write an INT8 IR; the network as NNCF made it, with the layer names of the FP32 IR."""
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
            target.settings,
            name=name,
            target_device=self.plan.options.target_device,
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
    """The network of the FP32 IR; with samples, for images of their size."""
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
            hint=format_command("convert", target.spec),
        )
    for name, array in samples[0].inputs().items() if samples else ():
        if network.input(name).partial_shape.is_static:
            network.reshape({name: array.shape})
    return network


def to_measurements(quantized: Quantized) -> list[dict[str, object]]:
    """The displacement of each IR that was made now, in the format that ``posezoo record``
    reads.
    """
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
            tools=package_versions("nncf", "openvino"),
            date=datetime.now(timezone.utc).date().isoformat(),
            irs=digest_irs([quantized.irs[precision]]),
        )
        measurements.append(measurement_to_json(plan.target.spec.full_name, measurement))
    return measurements
