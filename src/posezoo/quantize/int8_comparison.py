"""Compares INT8 IR with the FP32 IR on photos that are not used for calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posezoo.errors import QuantizationError
from posezoo.events import DisplacementMeasured, Listener
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.detected_points import (
    DetectedPoints,
    OutputReader,
    detect_points,
    select_output_reader,
)
from posezoo.quantize.displacement import KeypointDisplacement, measure_keypoint_displacement
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.spec.model import Precision


@dataclass(frozen=True, eq=False, slots=True)
class Fp32Reference:
    """The FP32 IR's detections, to compare INT8 IR with them.

    Attributes:
        target: the network.
        network: the FP32 IR.
        samples: the inputs.
        read: reads the network's outputs.
        detected: FP32's detections in each sample.
    """

    target: QuantizationTarget
    network: CompiledNetwork
    samples: Sequence[CalibrationSample]
    read: OutputReader
    detected: Sequence[DetectedPoints]

    def compare(
        self, xml: Path, precision: Precision, listener: Listener
    ) -> tuple[KeypointDisplacement, str]:
        """Measure and report the displacement of an INT8 IR, whose floating-point layers run in f32.

        Returns:
            The displacement, and the reason why it exceeds the model's bounds; empty if it does not.

        Raises:
            QuantizationError: the IR has other inputs or outputs than the FP32 IR, or FP32 detects no person.
            InferenceError: it is missing or damaged.
        """
        int8 = CompiledNetwork(xml)
        # Compare the numbers of axes, not the sizes: a quantization makes sizes dynamic.
        for ports, expected in ((int8.inputs, self.network.inputs), (int8.outputs, self.network.outputs)):
            axes = {name: len(shape) for name, shape in ports.items()}
            if axes != {name: len(shape) for name, shape in expected.items()}:
                raise QuantizationError(
                    f"{xml}: is another network than {self.network.path}: its inputs are "
                    f"{', '.join(int8.inputs)}, its outputs {', '.join(int8.outputs)}"
                )
        detected = detect_points(int8, self.samples, self.read)
        displacement = measure_keypoint_displacement(zip(self.detected, detected, strict=True))
        name, settings = self.target.spec.full_name, self.target.settings
        if not displacement.found_fp32:
            raise QuantizationError(
                f"{name}: FP32 detects no person in the {len(self.samples)} images for the comparison",
                hint="photos with people are needed",
            )
        listener(
            DisplacementMeasured(
                name,
                precision,
                displacement.shift_p50_px,
                displacement.shift_p90_px,
                settings.max_shift_px,
                displacement.found_fp32,
                displacement.found_int8,
                displacement.agreement,
                settings.min_agreement,
            )
        )
        problem = ""
        if displacement.agreement < settings.min_agreement:
            problem = (
                f"{name}: {precision} finds {displacement.found_int8} people, FP32 finds "
                f"{displacement.found_fp32}, and {displacement.found_both} are the same: agreement "
                f"{displacement.agreement:.0%}, required {settings.min_agreement:.0%}"
            )
        elif displacement.shift_p50_px > settings.max_shift_px:
            problem = (
                f"{name}: {precision} displaces points by {displacement.shift_p50_px:.1f} px in the median, "
                f"{settings.max_shift_px:g} px of the network's input are allowed"
            )
        return displacement, problem


def detect_with_fp32(target: QuantizationTarget, samples: Sequence[CalibrationSample]) -> Fp32Reference:
    """Run the FP32 IR on samples.

    Raises:
        DecoderError: it does not have the outputs that the model's decoder needs.
        InferenceError: it is missing or damaged.
    """
    read, network = select_output_reader(target), CompiledNetwork(target.fp32_xml)
    return Fp32Reference(target, network, samples, read, detect_points(network, samples, read))
