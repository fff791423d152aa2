"""Networks without maps in a graph: MoveNet, RTMO, RF-DETR Keypoint, DETRPose, SimCC and YOLO-pose,
as ``posezoo.poses`` decodes them, with OpenVINO's operations.
"""

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
    is_above,
    is_at_least,
    keep_where,
    pick_boxes_apart,
    reshape,
    select_highest,
    select_rows,
    sum_over,
    take,
    to_float,
    unsqueeze,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.movenet import JOINTS, MultiPoseOptions
from posezoo.poses.rf_detr import EXPONENT, FINDABLE, FIRST, PERSON, SECOND, THIRD, RfDetrOptions
from posezoo.poses.rtmo import RtmoOptions
from posezoo.poses.simcc import SimccOptions
from posezoo.poses.top_down import TopDownOptions
from posezoo.poses.yolo_pose import (
    LARGEST_LOGARITHM,
    SCORE,
    Form,
    YoloPoseOptions,
    find_form,
    grid_terms,
    keypoints_begin,
)

#: The people of YOLO-pose if the caller states no number.
USUAL_PEOPLE = 20

#: The most people that RTMO finds.
_MOST_OF_RTMO = 50


def build_movenet(maps: Maps, size: Size, _options: TopDownOptions, _max_people: int) -> TwoNodes:
    """The person of MoveNet, as ``append_decoder`` says."""
    keypoints = _to_pixels(without_batch(maps["keypoints"]), size)
    scores = ops.reduce_mean(take(keypoints, 2, 2), integers([1]))
    return keypoints, ops.clamp(scores, 0, 1)


def build_multipose(
    maps: Maps, size: Size, _options: MultiPoseOptions, max_people: int
) -> TwoNodes:
    """The people of MoveNet, as ``append_decoder`` says."""
    people = without_batch(maps["people"])
    order, scores = select_highest(take(people, -1, 1), max_people)
    best = take(people, order, 0)
    points = take(best, range(3 * JOINTS), 1)
    keypoints = reshape(points, [-1, JOINTS, 3])
    return _to_pixels(keypoints, size), ops.clamp(scores, 0, 1)


def _to_pixels(keypoints: Node, size: Size) -> Node:
    """Keypoints (N, K, 3): y, x as shares of the sides become x, y in pixels."""
    return take(keypoints, [1, 0, 2], 2) * constant([*size, 1])


def build_rtmo(maps: Maps, _size: Size, _options: RtmoOptions, max_people: int) -> TwoNodes:
    """The people of RTMO, as ``append_decoder`` says."""
    people = without_batch(maps["keypoints"])
    scores = take(without_batch(maps["dets"]), 4, 1)
    kept, best = select_rows(people, scores, max_people or _MOST_OF_RTMO)
    return kept, ops.clamp(best, 0, 1)


def build_rf_detr(maps: Maps, size: Size, _options: RfDetrOptions, max_people: int) -> TwoNodes:
    """The people of RF-DETR Keypoint, as ``append_decoder`` says."""
    rows = without_batch(maps["keypoints"])
    labels = without_batch(maps["labels"])
    logits = take(rows, FINDABLE, 2)
    variance = _mean_variance(rows, logits)
    precision = ops.power(variance, constant(-EXPONENT))
    strength = ops.sigmoid(take(labels, PERSON, 1)) * precision
    # A strength that is not finite is compared like a missing person.
    scores = strength / (strength + constant(1))
    # This also keeps the boxes in the graph: the self-check compares all outputs of the network.
    boxes = without_batch(maps["dets"])
    is_person = are_all(are_finite(rows), are_finite(boxes), is_above(scores, 0))
    order, best = select_highest(keep_where(is_person, scores), max_people)
    points = take(rows, [0, 1], 2) * constant(size)
    visibility = unsqueeze(ops.sigmoid(logits), [2])
    keypoints = ops.concat([points, visibility], 2)
    return take(keypoints, order, 0), best


def _mean_variance(rows: Node, logits: Node) -> Node:
    """(N,): the mean of the traces of the keypoints' covariances, weighted by sigmoid(logits)."""
    first, second, third = (take(rows, place, 2) for place in (FIRST, SECOND, THIRD))
    double = constant(-2)
    near = ops.exp(first * double)
    far = ops.exp(third * double)
    variance = near + far + second * second * near * far
    # The softmax of log(sigmoid(logits)) has their shares, also if all are too small for f32.
    log_sigmoid = ops.negative(ops.softplus(ops.negative(logits)))
    weights = ops.softmax(log_sigmoid, 1)
    return sum_over(weights * variance, 1)


def build_detrpose(maps: Maps, _size: Size, _options: RfDetrOptions, max_people: int) -> TwoNodes:
    """The people of DETRPose and ECPose, as ``append_decoder`` says."""
    points = without_batch(maps["keypoints"])
    # This also keeps the labels in the graph: the self-check compares all outputs of the network.
    is_person = are_all(are_finite(points), is_above(without_batch(maps["labels"]), -1))
    scores = keep_where(is_person, without_batch(maps["scores"]))
    order, best = select_highest(scores, max_people)
    people = take(points, order, 0)
    keypoints = ops.concat([people, take(people, [0], 2) * constant(0) + constant(1)], 2)
    return keypoints, best


def build_simcc(maps: Maps, _size: Size, options: SimccOptions, _max_people: int) -> TwoNodes:
    """The person of SimCC, as ``append_decoder`` says."""
    x, across = find_maximum(without_batch(maps["simcc_x"]))
    y, down = find_maximum(without_batch(maps["simcc_y"]))
    bins = ops.concat([x, y], 1)
    points = to_float(bins) / constant(options.split)
    lower = ops.minimum(across, down)
    scores = ops.maximum(lower, constant(0))
    mean = ops.reduce_mean(scores, integers([0]))
    keypoints = ops.concat([points, scores], 1)
    return unsqueeze(keypoints, [0]), ops.minimum(mean, constant(1))


def build_yolo_pose(maps: Maps, size: Size, options: YoloPoseOptions, max_people: int) -> TwoNodes:
    """The people of YOLO-pose, as ``append_decoder`` says."""
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
