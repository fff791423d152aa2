"""What a network's outputs say, as points in the pixels of its input: keypoints, or the corners of boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.pose import blazepose
from posezoo.pose.decoders import decode_with_options, find_decoder, resolve_options
from posezoo.pose.keypoints import Pose
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import Outputs
from posezoo.runtime.decoder_matching import match_output_roles
from posezoo.runtime.graph import Graph

Size = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class DetectedPoints:
    """What a network found in one input.

    Attributes:
        points: (people, points, 2) float32: x, y in pixels of the input.
        is_found: (people, points) bool: which of them it found.
    """

    points: NDArray[np.float32]
    is_found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.points)


#: From outputs by name, and width and height of the input.
OutputReader = Callable[[Outputs, Size], DetectedPoints]


def select_output_reader(target: QuantizationTarget) -> OutputReader:
    """How the outputs of a network are read.

    Raises:
        DecoderError: the FP32 IR has other outputs than the model's decoder needs.
        InferenceError: the model's decoder has not the options that it declares.
    """
    assert target.decoder is not None  # subject.refuse saw to it
    return _poses_reader(target) if target.network_index == -1 else _faces_reader(target)


def _poses_reader(target: QuantizationTarget) -> OutputReader:
    decoder = target.decoder
    assert decoder is not None
    options = resolve_options(decoder)
    roles = _roles(target, decoder.name)

    def read(outputs: Outputs, size: Size) -> DetectedPoints:
        maps = {role: outputs[name] for role, name in roles.items()}
        return _of_poses(decode_with_options(decoder.name, maps, size, options))

    return read


def _roles(target: QuantizationTarget, decoder: str) -> Mapping[str, str]:
    """The outputs' names by role; those of a composite's parts the decoder itself names."""
    named = {output.role: output.name for output in find_decoder(decoder).networks[-1] if output.name}
    return named or match_output_roles(target.spec, decoder, Graph(target.fp32_xml))


def _faces_reader(target: QuantizationTarget) -> OutputReader:
    """BlazePose's detector: four keypoints of each person, which decide where the next network looks."""
    assert target.decoder is not None
    options = resolve_options(target.decoder)

    def read(outputs: Outputs, _size: Size) -> DetectedPoints:
        found = blazepose.decode_detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        points = found.keypoints[: options.max_people].astype(np.float32)
        return DetectedPoints(points, np.ones(points.shape[:2], bool))

    return read


def _of_poses(poses: Sequence[Pose]) -> DetectedPoints:
    if not poses:
        return DetectedPoints(np.empty((0, 0, 2), np.float32), np.empty((0, 0), bool))
    keypoints = np.stack([pose.keypoints for pose in poses])
    if not keypoints.shape[1]:  # a detector's: all that is known of them is their boxes
        corners = np.array([pose.box for pose in poses], np.float32).reshape(-1, 2, 2)
        return DetectedPoints(corners, np.ones(corners.shape[:2], bool))
    return DetectedPoints(keypoints[:, :, :2], keypoints[:, :, 2] > 0)
