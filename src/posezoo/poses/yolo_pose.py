"""Decoder of YOLO-pose, for a user's own export of Ultralytics' YOLO11, YOLO26 and others.

D. Maji et al., YOLO-Pose, 2022, arXiv:2204.06806. The outputs are those of Ultralytics 8.4.190; its
code and weights are under AGPL-3.0, so the registry has none of its models.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posezoo.core.declarations.skeletons import known_counts
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    BottomUpDecoder,
    Count,
    DecoderGraph,
    Maps,
    NetworkFacts,
    Shape,
    Share,
    Sizes,
    SkeletonOptions,
    check_option,
    declare_outputs,
)
from posezoo.poses.keypoints import Pose, create_poses, sort_descending
from posezoo.poses.letterbox import LONGER, InputSizing, Size
from posezoo.poses.ssd_detection import box_corners, find_best_boxes

#: The numbers of a row before its scores, which are the box; and, with the suppression of
#: overlapping people in the network, before its keypoints: the box, the score and the class.
SCORE = 4
SUPPRESSED = 6

#: Longer rows are the columns of another network.
MOST_KEYPOINTS = 300

#: The numbers of keypoints of known sets: outputs of other numbers are not recognized, because
#: networks for rotated boxes and for masks have outputs of the same form.
_KNOWN_COUNTS = known_counts()

#: The strides 8, 16 and 32 have 16, 4 and 1 columns for each 32x32 pixels of the input.
CELLS = 21


@frozen
class YoloPoseOptions(SkeletonOptions):
    """Options of the decoder yolo_pose; the defaults are Ultralytics'.

    Attributes:
        min_score: the minimum score of a person, 0..1.
        max_overlap: of people of one class whose boxes have a larger intersection over union, only
            the best is kept, 0..1; not used if the network suppresses them itself.
        max_people: the maximum number of people.
        classes: the number of classes, each of which has a score without that suppression.
        values: the numbers of each keypoint: x, y, and 3 with the visibility; without it, the score
            of a keypoint is its person's.
    """

    min_score: Share = 0.25
    max_overlap: Share = 0.7
    max_people: Count = 300
    classes: Count = 1
    values: int = 3

    def __post_init__(self) -> None:
        SkeletonOptions.__post_init__(self)
        check_option(self, "2 or 3", lambda value: value in (2, 3), "values")

    @property
    def raw(self) -> int:
        """The numbers of a row before its keypoints, without that suppression."""
        return SCORE + self.classes


_USUAL = YoloPoseOptions()


def decode_yolo_pose(maps: Maps, size: Size, options: YoloPoseOptions) -> list[Pose]:
    """The people, highest score first, with their classes, and the network's own boxes.

    Args:
        maps: ``predictions`` in pixels of the input, with any number of keypoints, K: (4 + C + V K,
            N), whose columns have the box's center, width and height, the score of each of C
            classes, and the V values of each keypoint; or (N, 6 + V K), whose rows have the box's
            corners, the score, the class, and the keypoints. Keypoints may be outside the image.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have neither form.
    """
    predictions = maps["predictions"]
    is_column = is_raw(predictions.shape, options)
    if not is_column and _suppressed_count(predictions.shape, options) == 0:
        sides = "x".join(map(str, predictions.shape))
        values = options.values
        raise InferenceError(
            f"yolo_pose: expected {options.raw} + {values} K columns or {SUPPRESSED} + {values} K"
            f" numbers in a row, for K keypoints; the predictions are {sides}"
        )
    rows = predictions.T if is_column else predictions
    first = options.raw if is_column else SUPPRESSED
    class_scores = rows[:, SCORE : options.raw if is_column else SCORE + 1]
    scores = class_scores.max(axis=1)
    classes = class_scores.argmax(axis=1) if is_column else rows[:, SCORE + 1]
    is_person = (scores >= options.min_score) & (scores > 0) & np.isfinite(rows).all(axis=1)
    rows = rows[is_person]
    scores = scores[is_person]
    classes = classes[is_person]
    boxes = rows[:, :4]
    order = sort_descending(scores)
    if is_column:
        boxes = box_corners(rows[:, :2], rows[:, 2:4] / 2)
        order = find_best_boxes(boxes, scores, options.max_overlap, classes)
    order = order[: options.max_people]
    scores = scores[order].clip(0, 1)
    count = (rows.shape[1] - first) // options.values
    keypoints = rows[order, first:].reshape(len(order), count, options.values)
    if options.values == 2:
        shared = np.broadcast_to(scores[:, None, None], (len(order), count, 1))
        keypoints = np.concatenate([keypoints, shared], axis=2)
    poses = create_poses(keypoints, scores, options.skeleton, size)
    corners = boxes[order].clip(0, [*size, *size]).tolist()
    return [
        replace(pose, box=tuple(box), class_id=int(number))
        for pose, box, number in zip(poses, corners, classes[order].tolist(), strict=True)
    ]


def is_raw(shape: Shape, options: YoloPoseOptions = _USUAL) -> bool:
    """Whether these are columns; if they may be rows too, a known number of keypoints decides."""
    raw = _raw_count(shape, options)
    suppressed = _suppressed_count(shape, options)
    if not (raw and suppressed):
        return raw > 0
    if (raw in _KNOWN_COUNTS) != (suppressed in _KNOWN_COUNTS):
        return raw in _KNOWN_COUNTS
    return shape[1] % CELLS == 0


def _raw_count(shape: Shape, options: YoloPoseOptions = _USUAL) -> int:
    """The number of keypoints of columns; 0 if these are no columns."""
    columns, people = shape
    count, rest = divmod(columns - options.raw, options.values)
    return max(count, 0) if rest == 0 and columns < people else 0


def _suppressed_count(shape: Shape, options: YoloPoseOptions = _USUAL) -> int:
    """The number of keypoints of rows; 0 if these are no rows."""
    count, rest = divmod(shape[1] - SUPPRESSED, options.values)
    return count if rest == 0 and 0 < count <= MOST_KEYPOINTS else 0


def _are_predictions(_name: str, shape: Shape) -> bool:
    if len(shape) != 3 or -1 in shape[1:]:
        return False
    counts = {_raw_count(shape[1:]), _suppressed_count(shape[1:])}
    return bool(counts & _KNOWN_COUNTS)


def _find_sizes(facts: NetworkFacts, options: YoloPoseOptions) -> dict[str, Sizes]:
    columns = options.raw + options.values * facts.keypoints
    if facts.rows == columns:
        return {"predictions": (1, columns, facts.count_cells(8, 16, 32))}
    return {"predictions": (1, facts.rows, SUPPRESSED + options.values * facts.keypoints)}


DECODER = BottomUpDecoder(
    networks=(declare_outputs(predictions=(1, -1, -1)),),
    options=YoloPoseOptions,
    decode=decode_yolo_pose,
    sizes=_find_sizes,
    needs="5 + 3 K columns, or rows of 6 + 3 K numbers, for K keypoints",
    rules=({"predictions": _are_predictions},),
    visible_score=0.5,  # as Ultralytics draws them
    input_sizing=InputSizing(default_target=640, target_side=LONGER, padding=114),
    has_own_boxes=True,
    graph=DecoderGraph("posezoo.export.decoded.yolo_pose_graph:build", "min_score"),
)
