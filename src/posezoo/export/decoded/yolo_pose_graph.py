"""YOLO-pose in a graph: ``poses.yolo_pose`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    box_corners,
    constant,
    find_maximum,
    integers,
    is_at_least,
    pick_boxes_apart,
    reshape,
    select_rows,
    take,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.yolo_pose import SCORE, SUPPRESSED, YoloPoseOptions, is_raw

#: The people if the caller states no number.
USUAL_PEOPLE = 20


def build(maps: Maps, _size: Size, options: YoloPoseOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    predictions = without_batch(maps["predictions"])
    is_column = is_raw(tuple(predictions.shape), options)
    rows = predictions
    if is_column:
        rows = ops.transpose(predictions, integers([1, 0]))
    scores = take(rows, SCORE, 1)
    classes = None
    if is_column and options.classes > 1:
        numbers, highest = find_maximum(take(rows, range(SCORE, options.raw), 1))
        classes = reshape(numbers, [1, -1])
        scores = reshape(highest, [-1])
    is_person = are_all(is_at_least(scores, options.min_score), are_finite(rows))
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    if is_column:
        boxes = box_corners(take(rows, [0, 1], 1), take(rows, [2, 3], 1) * constant(0.5))
        picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count, classes)
        people = take(rows, picked, 0)
        first = options.raw
    else:
        people, best = select_rows(rows, ranks, count)
        first = SUPPRESSED
    best = ops.clamp(best, 0, 1)
    values = reshape(take(people, range(first, rows.shape[1]), 1), [count, -1, options.values])
    if options.values == 2:
        keypoint_count = (rows.shape[1] - first) // 2
        shared = ops.broadcast(reshape(best, [count, 1, 1]), integers([count, keypoint_count, 1]))
        values = ops.concat([values, shared], 2)
    return values, best
