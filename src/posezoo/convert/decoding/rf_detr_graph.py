"""RF-DETR Keypoint in a graph: ``pose.rf_detr`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import (
    Maps,
    are_finite,
    constant,
    integers,
    select_highest,
    take,
)
from posezoo.pose.letterbox import Size
from posezoo.pose.rf_detr import (
    EXPONENT,
    FINDABLE,
    FIRST,
    PERSON,
    SECOND,
    THIRD,
    RfDetrOptions,
)


def build(maps: Maps, size: Size, _options: RfDetrOptions, max_people: int) -> tuple[Any, Any]:
    """The people, as ``append_decoder`` says."""
    rows = ops.squeeze(maps["keypoints"], integers([0]))
    labels = ops.squeeze(maps["labels"], integers([0]))
    logits = take(rows, FINDABLE, 2)
    variance = _mean_variance(rows, logits)
    strength = ops.sigmoid(take(labels, PERSON, 1)) * ops.power(variance, constant(-EXPONENT))
    # A strength that is not finite is compared like a missing person.
    scores = strength / (strength + constant(1))
    # This also keeps the boxes in the graph: the self-check compares all outputs of the network.
    boxes = ops.squeeze(maps["dets"], integers([0]))
    is_finite = ops.logical_and(are_finite(rows), are_finite(boxes))
    is_person = ops.logical_and(is_finite, ops.greater(scores, constant(0)))
    order, best = select_highest(ops.select(is_person, scores, constant(0)), max_people)
    points = take(rows, [0, 1], 2) * constant(size)
    visibility = ops.unsqueeze(ops.sigmoid(logits), integers([2]))
    return take(ops.concat([points, visibility], 2), order, 0), best


def _mean_variance(rows: Any, logits: Any) -> Any:
    """(N,): the mean of the traces of the keypoints' covariances, weighted by sigmoid(logits)."""
    first, second, third = (take(rows, place, 2) for place in (FIRST, SECOND, THIRD))
    double = constant(-2)
    near = ops.exp(first * double)
    far = ops.exp(third * double)
    variance = near + far + second * second * near * far
    # The softmax of log(sigmoid(logits)) has their shares, also if all are too small for f32.
    weights = ops.softmax(ops.negative(ops.softplus(ops.negative(logits))), 1)
    return ops.reduce_sum(weights * variance, integers([1]))
