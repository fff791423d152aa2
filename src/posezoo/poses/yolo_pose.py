"""Decoder of YOLO-pose, for a user's own export of Ultralytics' YOLO11, YOLO26 and others, and of
YOLOv5-pose, YOLOv7-pose and YOLOX-pose.

D. Maji et al., YOLO-Pose, 2022, arXiv:2204.06806. The outputs are those of Ultralytics 8.4.190; its
code and weights are under AGPL-3.0, so the registry has none of its models. The others, whose rows
state whether there is an object, are those of ``non_max_suppression_kpt`` in YOLOv7's repository,
branch pose, and of ``YOLOXHeadKPTS`` in edgeai-yolox.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from enum import Enum
from typing import Annotated

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.skeletons import known_counts
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.blazeface import sigmoid
from posezoo.poses.decoder_type import (
    BottomUpDecoder,
    Count,
    Maps,
    NetworkFacts,
    Range,
    Shape,
    Share,
    Sizes,
    SkeletonOptions,
    declare_outputs,
)
from posezoo.poses.keypoints import (
    OWN_SCORES,
    SCORES_OF_THE_POSE,
    Pose,
    create_poses,
    sort_descending,
)
from posezoo.poses.letterbox import LONGER, InputSizing, Size
from posezoo.poses.ssd_detection import box_corners, find_best_boxes
from posezoo.poses.yolox_boxes import generate_cells

#: The numbers of a row before its scores, which are the box; and, with the suppression of
#: overlapping people in the network, before its keypoints: the box, the score and the class.
SCORE = 4
SUPPRESSED = 6

#: Longer rows are the columns of another network.
MOST_KEYPOINTS = 300

#: The logarithms of a box's sides in cells are less, as an input has at most some hundred cells on
#: a side; sides in pixels are more.
LARGEST_LOGARITHM = 6

#: Ultralytics' exports as TFLite state x and y as shares of the input, some releases only those of
#: boxes: all of the people's are less. In pixels, the largest is more.
LARGEST_SHARE = 3

#: More rows are not those of a suppression, which keeps 300 people by default.
MOST_SUPPRESSED = 1000

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
            of a keypoint is its person's. A fourth number is not used.
    """

    min_score: Share = 0.25
    max_overlap: Share = 0.7
    max_people: Count = 300
    classes: Count = 1
    values: Annotated[int, Range("2, 3 or 4", lambda value: value in (2, 3, 4))] = 3

    @property
    def raw(self) -> int:
        """The numbers of a row before its keypoints, without that suppression."""
        return SCORE + self.classes


_USUAL = YoloPoseOptions()


class Form(Enum):
    """Forms of the predictions."""

    COLUMNS = "columns"  # before the suppression of overlapping people
    CELLS = "cells"  # rows before it, which also state whether there is an object
    PEOPLE = "people"  # rows after it


def decode_yolo_pose(maps: Maps, size: Size, options: YoloPoseOptions) -> list[Pose]:
    """The people, highest score first, with their classes, and the network's own boxes.

    Args:
        maps: ``predictions`` in pixels or shares of the input, with any number of keypoints, K:
            (4 + C + V K, N), whose columns have the box's center, width and height, the score of
            each of C classes, and the V values of each keypoint; or (N, 5 + C + V K), the same as
            a row for each cell of the input, in pixels, with the score of an object before those of
            classes, which are multiplied, of YOLOX-pose also without the grid; or (N, 6 + V K),
            whose rows have the box's corners, the score, the class, and the keypoints. Keypoints
            may be outside the image.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have none of these forms.
    """
    predictions = maps["predictions"]
    form = find_form(predictions.shape, size, options)
    rows = predictions.T if form == Form.COLUMNS else predictions
    first = keypoints_begin(form, options)
    class_scores = rows[:, SCORE : SCORE + 1]
    if form == Form.COLUMNS:
        class_scores = rows[:, SCORE:first]
    elif form == Form.CELLS:
        with np.errstate(invalid="ignore"):  # a row with inf is no person
            class_scores = class_scores * rows[:, SCORE + 1 : first]
    scores = class_scores.max(axis=1)
    classes = rows[:, SCORE + 1] if form == Form.PEOPLE else class_scores.argmax(axis=1)
    is_person = (scores >= options.min_score) & (scores > 0) & np.isfinite(rows).all(axis=1)
    largest_side = rows[is_person, 2:4].max() if is_person.any() else np.inf
    if form == Form.CELLS and largest_side < LARGEST_LOGARITHM:
        rows = _add_grid(rows, size, options)
    rows = rows[is_person]
    if form != Form.CELLS:
        rows = _in_pixels(rows, size, first, options)
    scores = scores[is_person]
    classes = classes[is_person]
    boxes = rows[:, :4]
    if form == Form.PEOPLE:
        _require_corners(boxes)
    order = sort_descending(scores)
    if form != Form.PEOPLE:
        boxes = box_corners(rows[:, :2], rows[:, 2:4] / 2)
        order = find_best_boxes(boxes, scores, options.max_overlap, classes)
    order = order[: options.max_people]
    scores = scores[order]
    count = (rows.shape[1] - first) // options.values
    keypoints = rows[order, first:].reshape(len(order), count, options.values)[:, :, :3]
    has_shared_scores = options.values == 2
    if has_shared_scores:
        shared = np.broadcast_to(scores[:, None, None], (len(order), count, 1))
        keypoints = np.concatenate([keypoints, shared], axis=2)
    poses = create_poses(keypoints, scores, options.skeleton, size)
    corners = boxes[order].clip(0, [*size, *size]).tolist()
    return [
        replace(
            pose,
            box=tuple(box),
            class_id=int(number),
            keypoint_scores=SCORES_OF_THE_POSE if has_shared_scores else OWN_SCORES,
        )
        for pose, box, number in zip(poses, corners, classes[order].tolist(), strict=True)
    ]


def find_form(shape: Shape, size: Size, options: YoloPoseOptions = _USUAL) -> Form:
    """The form of predictions, without their batch axis, for an input of this size.

    Raises:
        InferenceError: they have none of the forms, or which one they have is not known.
    """
    if _is_raw(shape, options):
        return Form.COLUMNS
    values = options.values
    row = shape[1] - options.raw - 1
    is_row_of_cell = row > 0 and row % values == 0 and row // values <= MOST_KEYPOINTS
    cells = _count_cells(size)
    if is_row_of_cell and shape[0] in cells:
        return Form.CELLS
    sides = "x".join(map(str, shape))
    if not is_row_of_cell and not _suppressed_count(shape, options):
        raise InferenceError(
            f"yolo_pose: expected {options.raw} + {values} K columns, or {SUPPRESSED} + {values} K"
            f" or {options.raw + 1} + {values} K numbers in a row, for K keypoints; the predictions"
            f" are {sides}"
        )
    if shape[0] > MOST_SUPPRESSED or not _suppressed_count(shape, options):
        raise InferenceError(
            f"yolo_pose: the predictions, {sides}, have more rows than people after the suppression"
            f" of overlapping ones ({MOST_SUPPRESSED}), and others than YOLOv5-pose, YOLOv7-pose"
            f" and YOLOX-pose have before it: {', '.join(map(str, sorted(cells)))} for"
            f" {size[0]}x{size[1]} pixels",
            hint="export the model for this size, or with the suppression",
        )
    return Form.PEOPLE


def keypoints_begin(form: Form, options: YoloPoseOptions) -> int:
    """The index of the first number of a keypoint in a row or column."""
    return {Form.COLUMNS: options.raw, Form.CELLS: options.raw + 1, Form.PEOPLE: SUPPRESSED}[form]


def _count_cells(size: Size) -> set[int]:
    """The numbers of rows for an input: one or three for each cell of the strides."""
    facts = NetworkFacts(*size)
    grids = (facts.count_cells(8, 16, 32), facts.count_cells(8, 16, 32, 64))
    return {int(anchors * cells) for anchors in (1, 3) for cells in grids}


def _require_corners(boxes: Floats) -> None:
    is_wrong = (boxes[:, :2] > boxes[:, 2:]).any(axis=1)
    if is_wrong.sum() > len(boxes) / 2:
        raise InferenceError(
            "yolo_pose: most boxes have no corners: their left side is right of the right one, or"
            f" the upper below the lower, such as {boxes[0].tolist()}",
            hint="rows before the suppression of overlapping people are read only if there is one"
            " or three for each cell of the input",
        )


def _in_pixels(people: Floats, size: Size, first: int, options: YoloPoseOptions) -> Floats:
    """Rows of people in pixels, if they are in shares of the input."""
    in_shares = people < LARGEST_SHARE
    boxes, points = coordinates(people.shape[1], first, options)
    if not in_shares[:, boxes].all():
        return people
    factors = np.ones(people.shape[1], np.float32)
    factors[boxes] = [*size, *size]
    if in_shares[:, points].all():
        factors[points] = np.resize(size, len(points))
    return people * factors


def coordinates(columns: int, first: int, options: YoloPoseOptions) -> tuple[list[int], list[int]]:
    """The indices of the box's coordinates in a row, and of x and y of each keypoint."""
    starts = range(first, columns, options.values)
    return list(range(SCORE)), [start + axis for start in starts for axis in (0, 1)]


def _add_grid(rows: Floats, size: Size, options: YoloPoseOptions) -> Floats:
    """Rows of YOLOX-pose in pixels: its exporter leaves out the grid by default."""
    factors, summands, strides = grid_terms(size, rows.shape[1], options)
    if len(rows) != len(strides):
        raise InferenceError(
            "yolo_pose: the boxes are not in pixels, and there are more rows than cells"
        )
    first = keypoints_begin(Form.CELLS, options)
    pixels = rows * factors + summands
    with np.errstate(over="ignore"):
        pixels[:, 2:4] = np.exp(rows[:, 2:4]) * strides
    if options.values > 2:
        pixels[:, first + 2 :: options.values] = sigmoid(rows[:, first + 2 :: options.values])
    return pixels


def grid_terms(size: Size, columns: int, options: YoloPoseOptions) -> tuple[Array, Array, Array]:
    """What rows of YOLOX-pose are multiplied by and what is added for centers and keypoints in
    pixels, both (cells, columns), and the stride of each cell, (cells, 1).
    """
    cells, strides = generate_cells(size)
    factors = np.ones((len(cells), columns), np.float32)
    summands = np.zeros_like(factors)
    factors[:, :2] = strides
    summands[:, :2] = cells * strides
    first = keypoints_begin(Form.CELLS, options)
    for axis in (0, 1):
        factors[:, first + axis :: options.values] = 2 * strides
        summands[:, first + axis :: options.values] = (cells[:, [axis]] - 0.5) * strides
    return factors, summands, strides


def _is_raw(shape: Shape, options: YoloPoseOptions) -> bool:
    """Whether these are columns; if they may be rows too, a known number of keypoints decides."""
    raw = _raw_count(shape, options)
    suppressed = _suppressed_count(shape, options)
    known = {len(options.skeleton.keypoints)} if options.skeleton else _KNOWN_COUNTS
    if not (raw and suppressed):
        return raw > 0
    if (raw in known) != (suppressed in known):
        return raw in known
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


def are_predictions(_name: str, shape: Shape, counts: Collection[int] = _KNOWN_COUNTS) -> bool:
    """Whether an output can have the predictions of people with one of these numbers of
    keypoints.
    """
    if len(shape) != 3 or -1 in shape[1:]:
        return False
    return _raw_count(shape[1:]) in counts or _suppressed_count(shape[1:]) in counts


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
    rules=({"predictions": are_predictions},),
    visible_score=0.5,  # as Ultralytics draws them
    input_sizing=InputSizing(default_target=640, target_side=LONGER, padding=114),
    has_own_boxes=True,
    has_classes=True,
)
