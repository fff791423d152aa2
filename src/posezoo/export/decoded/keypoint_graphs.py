"""Networks without maps in a graph: MoveNet, RTMO, RF-DETR Keypoint, DETRPose and SimCC, as
``posezoo.poses`` decodes them, with OpenVINO's operations.
"""

from __future__ import annotations

import openvino.opset13 as ops
from openvino import Node

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    constant,
    find_maximum,
    integers,
    is_above,
    keep_where,
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
