"""RF-DETR Keypoint in a graph: ``poses.rf_detr`` with OpenVINO's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    constant,
    is_above,
    keep_where,
    select_highest,
    sum_over,
    take,
    unsqueeze,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.rf_detr import EXPONENT, FINDABLE, FIRST, PERSON, SECOND, THIRD, RfDetrOptions

if TYPE_CHECKING:
    from openvino import Node


def build(maps: Maps, size: Size, _options: RfDetrOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
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
