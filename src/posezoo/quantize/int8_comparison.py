"""An INT8 IR held against FP32: both are shown the same, and what they find is compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posezoo.errors import QuantizationError
from posezoo.events import DisplacementMeasured
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.detected_points import DetectedPoints, OutputReader
from posezoo.quantize.displacement import KeypointDisplacement, measure_keypoint_displacement
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.spec.model import Precision


def measure_displacement(
    target: QuantizationTarget,
    int8: Path,
    samples: Sequence[CalibrationSample],
    fp32: Sequence[DetectedPoints],
    read: OutputReader,
) -> KeypointDisplacement:
    """How far what an INT8 IR finds lies from what FP32 found.

    Raises:
        QuantizationError: it takes or puts out something else than the FP32 IR, or FP32 found nobody.
        InferenceError: it is missing or damaged.
    """
    found = detect_points(int8, samples, read, like=CompiledNetwork(target.fp32_xml))
    displacement = measure_keypoint_displacement(zip(fp32, found, strict=True))
    if not displacement.found_fp32:
        raise QuantizationError(
            f"{target.spec.full_name}: FP32 finds nobody in the {len(samples)} pictures to measure on",
            hint="photos with people are needed",
        )
    return displacement


def detect_points(
    xml: Path,
    samples: Sequence[CalibrationSample],
    read: OutputReader,
    *,
    like: CompiledNetwork | None = None,
) -> list[DetectedPoints]:
    """What a network finds in each sample, in f32 where it is not INT8.

    Raises:
        QuantizationError: it is not the same network as ``like``: other inputs or outputs.
        InferenceError: the IR is missing or damaged.
    """
    network = CompiledNetwork(xml)
    if like is not None and not _is_like(network, like):
        raise QuantizationError(
            f"{xml}: is another network than {like.path}: it takes {', '.join(network.inputs)} and puts out "
            f"{', '.join(network.outputs)}"
        )
    found = []
    for sample in samples:
        with network.infer(sample.inputs()) as outputs:
            found.append(read(outputs, sample.size))
    return found


def _is_like(network: CompiledNetwork, other: CompiledNetwork) -> bool:
    """Whether both take and put out arrays of the same names and as many axes: a quantization opens sizes."""
    ports = ((network.inputs, other.inputs), (network.outputs, other.outputs))
    return all(
        {name: len(shape) for name, shape in own.items()}
        == {name: len(shape) for name, shape in reference.items()}
        for own, reference in ports
    )


def displacement_event(
    target: QuantizationTarget, precision: Precision, displacement: KeypointDisplacement
) -> DisplacementMeasured:
    """A shift and its bounds as an event."""
    return DisplacementMeasured(
        target.spec.full_name,
        precision,
        displacement.shift_p50_px,
        displacement.shift_p90_px,
        target.quantization_settings.max_shift_px,
        displacement.found_fp32,
        displacement.found_int8,
        displacement.agreement,
        target.quantization_settings.min_agreement,
    )


def explain_rejection(
    target: QuantizationTarget, precision: Precision, displacement: KeypointDisplacement
) -> str:
    """In what an INT8 IR is too far from FP32; empty where it is within the model's bounds."""
    settings, name = target.quantization_settings, f"{target.spec.full_name}: {precision}"
    if displacement.agreement < settings.min_agreement:
        return (
            f"{name} finds {displacement.found_int8} people where FP32 finds {displacement.found_fp32}, "
            f"{displacement.found_both} of them the same: "
            f"{displacement.agreement:.0%} agreement, {settings.min_agreement:.0%} is needed"
        )
    if displacement.shift_p50_px > settings.max_shift_px:
        return (
            f"{name} moves points by {displacement.shift_p50_px:.1f} px in the median, "
            f"{settings.max_shift_px:g} px of the network's input are allowed"
        )
    return ""
