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
from posezoo.poses.yolo_pose import SCORE, Form, YoloPoseOptions, find_form, keypoints_begin

#: The people if the caller states no number.
USUAL_PEOPLE = 20


def build(maps: Maps, size: Size, options: YoloPoseOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    predictions = without_batch(maps["predictions"])
    form = find_form(tuple(predictions.shape), size, options)
    first = keypoints_begin(form, options)
    rows = predictions
    if form == Form.COLUMNS:
        rows = ops.transpose(predictions, integers([1, 0]))
    scores = take(rows, SCORE, 1)
    classes = None
    if form != Form.PEOPLE:
        of_classes = take(rows, range(first - options.classes, first), 1)
        numbers, highest = find_maximum(of_classes)
        highest = reshape(highest, [-1])
        scores = highest if form == Form.COLUMNS else scores * highest
        classes = reshape(numbers, [1, -1]) if options.classes > 1 else None
    is_person = are_all(is_at_least(scores, options.min_score), are_finite(rows))
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    if form != Form.PEOPLE:
        boxes = box_corners(take(rows, [0, 1], 1), take(rows, [2, 3], 1) * constant(0.5))
        picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count, classes)
        people = take(rows, picked, 0)
    else:
        people, best = select_rows(rows, ranks, count)
    best = ops.clamp(best, 0, 1)
    values = reshape(take(people, range(first, rows.shape[1]), 1), [count, -1, options.values])
    values = take(values, range(min(options.values, 3)), 2)
    if options.values == 2:
        keypoint_count = (rows.shape[1] - first) // 2
        shared = ops.broadcast(reshape(best, [count, 1, 1]), integers([count, keypoint_count, 1]))
        values = ops.concat([values, shared], 2)
    return values, best
