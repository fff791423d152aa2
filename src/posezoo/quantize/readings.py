"""What a network's outputs say, as points in the pixels of its input: keypoints, or the corners of boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.estimator.recognition import roles_of
from posezoo.inference import Graph, Outputs
from posezoo.pose import blazepose
from posezoo.pose.decoders import DECODERS, decode_with, options_of
from posezoo.pose.keypoints import Pose
from posezoo.quantize.subject import Subject

Size = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """What a network found in one input.

    Attributes:
        points: (people, points, 2) float32: x, y in pixels of the input.
        found: (people, points) bool: which of them it found.
    """

    points: NDArray[np.float32]
    found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.points)


#: From outputs by name, and width and height of the input.
Reader = Callable[[Outputs, Size], Reading]


def reader_of(subject: Subject) -> Reader:
    """How the outputs of a network are read.

    Raises:
        DecoderError: the FP32 IR has other outputs than the model's decoder needs.
        InferenceError: the model's decoder has not the options that it declares.
    """
    assert subject.decoder is not None  # subject.refuse saw to it
    return _poses_reader(subject) if subject.place == -1 else _faces_reader(subject)


def _poses_reader(subject: Subject) -> Reader:
    decoder = subject.decoder
    assert decoder is not None
    options = options_of(decoder)
    roles = _roles(subject, decoder.name)

    def read(outputs: Outputs, size: Size) -> Reading:
        maps = {role: outputs[name] for role, name in roles.items()}
        return _of_poses(decode_with(decoder.name, maps, size, options))

    return read


def _roles(subject: Subject, decoder: str) -> Mapping[str, str]:
    """The outputs' names by role; those of a composite's parts the decoder itself names."""
    named = {output.role: output.name for output in DECODERS[decoder].networks[-1] if output.name}
    return named or roles_of(subject.spec, decoder, Graph(subject.xml))


def _faces_reader(subject: Subject) -> Reader:
    """BlazePose's detector: four keypoints of each person, which decide where the next network looks."""
    assert subject.decoder is not None
    options = options_of(subject.decoder)

    def read(outputs: Outputs, _size: Size) -> Reading:
        found = blazepose.detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        points = found.keypoints[: options.max_people].astype(np.float32)
        return Reading(points, np.ones(points.shape[:2], bool))

    return read


def _of_poses(poses: Sequence[Pose]) -> Reading:
    if not poses:
        return Reading(np.empty((0, 0, 2), np.float32), np.empty((0, 0), bool))
    keypoints = np.stack([pose.keypoints for pose in poses])
    if not keypoints.shape[1]:  # a detector's: all that is known of them is their boxes
        corners = np.array([pose.box for pose in poses], np.float32).reshape(-1, 2, 2)
        return Reading(corners, np.ones(corners.shape[:2], bool))
    return Reading(keypoints[:, :, :2], keypoints[:, :, 2] > 0)
