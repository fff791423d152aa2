"""YOLO-pose in a graph: ``poses.yolo_pose`` with OpenVINO's operations."""

from __future__ import annotations

import numpy as np
import openvino.opset13 as ops
from openvino import Node

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
    keep_where,
    pick_boxes_apart,
    reshape,
    select_rows,
    take,
    unsqueeze,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.yolo_pose import (
    LARGEST_LOGARITHM,
    SCORE,
    Form,
    YoloPoseOptions,
    find_form,
    grid_terms,
    keypoints_begin,
)

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
    if form == Form.CELLS:
        rows = _with_grid(rows, is_person, size, options)
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


def _with_grid(rows: Node, is_person: Node, size: Size, options: YoloPoseOptions) -> Node:
    """The rows in pixels, also of YOLOX-pose without its grid."""
    factors, summands, strides = grid_terms(size, rows.shape[1], options)
    if rows.shape[0] != len(strides):
        return rows
    first = keypoints_begin(Form.CELLS, options)
    columns = np.arange(rows.shape[1])
    is_visibility = (columns >= first) & ((columns - first) % options.values == 2)
    pixels = rows * constant(factors) + constant(summands)
    sides = ops.exp(rows) * constant(strides)
    pixels = ops.select(ops.constant((columns == 2) | (columns == 3)), sides, pixels)
    pixels = ops.select(ops.constant(is_visibility), ops.sigmoid(rows), pixels)
    of_people = keep_where(unsqueeze(is_person, 1), take(rows, [2, 3], 1))
    largest = ops.reduce_max(of_people, integers([0, 1]))
    is_in_pixels = is_at_least(largest, LARGEST_LOGARITHM)
    return ops.select(is_in_pixels, rows, pixels)
