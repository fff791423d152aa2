"""Decoder of YOLO-pose, for a user's own export of Ultralytics' YOLO11, YOLO26 and others.

D. Maji et al., YOLO-Pose, 2022, arXiv:2204.06806. The outputs are those of Ultralytics 8.4.190; its
code and weights are under AGPL-3.0, so the registry has none of its models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError
from posezoo.pose.decoder_type import (
    BOTTOM_UP,
    DecoderGraph,
    DecoderType,
    Maps,
    check_counts,
    check_shares,
    declare_outputs,
)
from posezoo.pose.keypoints import (
    SKELETONS,
    Floats,
    Pose,
    create_poses,
    skeleton_of,
    sort_descending,
)
from posezoo.pose.letterbox import InputSizing, Size
from posezoo.pose.ssd_detection import find_best_boxes

#: The numbers of a row before its keypoints: the box and the score; with the suppression of
#: overlapping people in the network, also the class. Each keypoint has three numbers.
SCORE = 4
RAW = 5
SUPPRESSED = 6
VALUES = 3

#: Longer rows are the columns of another network.
MOST_KEYPOINTS = 300

#: The numbers of keypoints of known sets: outputs of other numbers are not recognized, because
#: networks for rotated boxes and for masks have outputs of the same form.
_KNOWN_COUNTS = {len(skeleton.keypoints) for skeleton in SKELETONS.values()} - {0}


# The strides 8, 16 and 32 have 16, 4 and 1 columns for each 32x32 pixels of the input.
_CELLS = 21


@dataclass(frozen=True, slots=True)
class YoloPoseOptions:
    """Options of the decoder yolo_pose; the defaults are Ultralytics'.

    Attributes:
        min_score: the minimum score of a person, 0..1.
        max_overlap: of people whose boxes have a larger intersection over union, only the best is
            kept, 0..1; not used if the network suppresses them itself.
        max_people: the maximum number of people.
    """

    min_score: float = 0.25
    max_overlap: float = 0.7
    max_people: int = 300

    def __post_init__(self) -> None:
        check_shares(self, "min_score", "max_overlap")
        check_counts(self, "max_people")


def decode_yolo_pose(maps: Maps, size: Size, options: YoloPoseOptions) -> list[Pose]:
    """The people, highest score first.

    Args:
        maps: ``predictions`` in pixels of the input, with any number of keypoints, K: (5 + 3 K, N),
            whose columns have the box's center, width and height, the score, and x, y, visibility
            of each keypoint; or (N, 6 + 3 K), whose rows have the box's corners, the score, the
            class, and the keypoints. Keypoints may be outside the image.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have neither form.
    """
    predictions = maps["predictions"]
    is_column = is_raw(predictions.shape)
    if not is_column and _suppressed_count(predictions.shape) == 0:
        sides = "x".join(map(str, predictions.shape))
        raise InferenceError(
            "yolo_pose: expected 5 + 3 K columns or 6 + 3 K numbers in a row, for K keypoints; the"
            f" predictions are {sides}"
        )
    rows = predictions.T if is_column else predictions
    scores = rows[:, SCORE]
    is_person = (scores >= options.min_score) & (scores > 0)
    rows = rows[is_person & np.isfinite(rows).all(axis=1)]
    if is_column:
        order = _best_rows(rows, options.max_overlap)
        first = RAW
    else:
        order = sort_descending(rows[:, SCORE])
        first = SUPPRESSED
    rows = rows[order[: options.max_people]]
    values = rows[:, first:]
    keypoints: Floats = values.reshape(len(rows), values.shape[1] // VALUES, VALUES)
    skeleton = skeleton_of(keypoints.shape[1])
    return create_poses(keypoints, rows[:, SCORE].clip(0, 1), skeleton, size)


def _best_rows(rows: Floats, max_overlap: float) -> NDArray[np.intp]:
    centers = rows[:, :2]
    halves = rows[:, 2:4] / 2
    boxes = np.concatenate([centers - halves, centers + halves], axis=1)
    return find_best_boxes(boxes, rows[:, SCORE], max_overlap)


def is_raw(shape: tuple[int, ...]) -> bool:
    """Whether these are columns; if they may be rows too, a known number of keypoints decides."""
    raw = _raw_count(shape)
    suppressed = _suppressed_count(shape)
    if not (raw and suppressed):
        return raw > 0
    if (raw in _KNOWN_COUNTS) != (suppressed in _KNOWN_COUNTS):
        return raw in _KNOWN_COUNTS
    return shape[1] % _CELLS == 0


def _raw_count(shape: tuple[int, ...]) -> int:
    """The number of keypoints of columns; 0 if these are no columns."""
    columns, people = shape
    count, rest = divmod(columns - RAW, VALUES)
    return max(count, 0) if rest == 0 and columns < people else 0


def _suppressed_count(shape: tuple[int, ...]) -> int:
    """The number of keypoints of rows; 0 if these are no rows."""
    count, rest = divmod(shape[1] - SUPPRESSED, VALUES)
    return count if rest == 0 and 0 < count <= MOST_KEYPOINTS else 0


def _are_predictions(_name: str, shape: tuple[int, ...]) -> bool:
    if len(shape) != 3 or -1 in shape[1:]:
        return False
    counts = {_raw_count(shape[1:]), _suppressed_count(shape[1:])}
    return bool(counts & _KNOWN_COUNTS)


DECODER = DecoderType(
    networks=(declare_outputs(predictions=(1, -1, -1)),),
    options=YoloPoseOptions,
    person_score="min_score",
    decode=decode_yolo_pose,
    pipeline=BOTTOM_UP,
    skeleton="",
    needs="5 + 3 K columns, or rows of 6 + 3 K numbers, for K keypoints",
    rules=({"predictions": _are_predictions},),
    visible_score=0.5,  # as Ultralytics draws them
    input_sizing=InputSizing(default_target=640, padding=114),
    graph=DecoderGraph("posezoo.convert.decoding.yolo_pose_graph:build", "min_score"),
    approach="bottom-up",
)
