"""A network's detections as points in pixels of its input: keypoints, or the corners of boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.pose import blazepose
from posezoo.pose.decoders import decode_with_options, find_decoder, resolve_options
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.graph import Graph

Size = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class DetectedPoints:
    """A network's detections in one input.

    Attributes:
        points: (people, points, 2) float32: x, y in pixels of the input.
        is_found: (people, points) bool: which points are found.
    """

    points: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.points)


#: Reads detections from the outputs by name, and the width and height of the input.
OutputReader = Callable[[Outputs, Size], DetectedPoints]


def select_output_reader(target: QuantizationTarget) -> OutputReader:
    """The function that reads the network's outputs.

    Raises:
        DecoderError: the FP32 IR does not have the outputs that the model's decoder needs.
        InferenceError: the decoder does not have the options that the model declares.
    """
    decoder = target.decoder
    assert decoder is not None  # explain_unsupported checks this
    options = resolve_options(decoder)

    def read_person_detections(outputs: Outputs, _size: Size) -> DetectedPoints:
        """BlazePose's detector: four keypoints of each person, which determine the next network's crop."""
        detections = blazepose.decode_detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        points = detections.keypoints[: options.max_people].astype(np.float32)
        return DetectedPoints(points, np.ones(points.shape[:2], bool))

    if target.network_index != -1:
        return read_person_detections
    # The decoder names the outputs of a composite's parts.
    named = {output.role: output.name for output in find_decoder(decoder.name).networks[-1] if output.name}
    roles = named or match_output_roles(target.spec, decoder.name, Graph(target.fp32_xml))

    def read_poses(outputs: Outputs, size: Size) -> DetectedPoints:
        maps = {role: outputs[name] for role, name in roles.items()}
        poses = decode_with_options(decoder.name, maps, size, options)
        if not poses:
            return DetectedPoints(np.empty((0, 0, 2), np.float32), np.empty((0, 0), bool))
        keypoints = np.stack([pose.keypoints for pose in poses])
        if not keypoints.shape[1]:  # the poses of a detector, which have only boxes
            corners = np.array([pose.box for pose in poses], np.float32).reshape(-1, 2, 2)
            return DetectedPoints(corners, np.ones(corners.shape[:2], bool))
        return DetectedPoints(keypoints[:, :, :2], keypoints[:, :, 2] > 0)

    return read_poses


def detect_points(
    network: CompiledNetwork, samples: Sequence[CalibrationSample], read: OutputReader
) -> list[DetectedPoints]:
    """A network's detections in each sample."""
    detected = []
    for sample in samples:
        with network.infer(sample.inputs()) as outputs:
            detected.append(read(outputs, sample.size))
    return detected
