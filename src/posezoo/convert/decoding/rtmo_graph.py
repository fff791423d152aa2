"""RTMO and RTMDet in a graph: ``pose.rtmo`` and ``pose.rtmdet`` with OpenVINO's operations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import Maps, constant, integers, select_highest, take
from posezoo.pose.letterbox import Size
from posezoo.pose.rtmdet import PERSON, RtmdetOptions
from posezoo.pose.rtmo import RtmoOptions
from posezoo.pose.ssd_detection import MAX_BOXES

#: The most people that RTMO finds.
MAX_PEOPLE = 50


def build(maps: Maps, _size: Size, _options: RtmoOptions, max_people: int) -> tuple[Any, Any]:
    """The people, as ``append_decoder`` says."""
    people = ops.squeeze(maps["keypoints"], integers([0]))
    scores = take(ops.squeeze(maps["dets"], integers([0])), 4, 1)
    kept, scores = _select_rows(people, scores, max_people or MAX_PEOPLE)
    return kept, ops.clamp(scores, 0, 1)


def build_boxes(
    maps: Maps, size: Size, _options: RtmdetOptions, max_people: int
) -> tuple[Any, Any]:
    """The boxes of the people, as ``append_decoder`` says."""
    rows = ops.squeeze(maps["dets"], integers([0]))
    zero, sides = constant(0), constant([*size, *size])
    boxes = ops.minimum(ops.maximum(take(rows, range(4), 1), zero), sides)
    spans = take(boxes, [2, 3], 1) - take(boxes, [0, 1], 1)
    tests = (
        ops.equal(ops.squeeze(maps["labels"], integers([0])), constant(PERSON)),
        ops.reduce_logical_and(ops.greater(spans, zero), integers([1])),
    )
    scores = ops.select(reduce(ops.logical_and, tests), take(rows, 4, 1), zero)
    boxes, scores = _select_rows(boxes, scores, max_people or MAX_BOXES)
    return boxes, ops.minimum(scores, constant(1))


def _select_rows(values: Any, scores: Any, limit: int) -> tuple[Any, Any]:
    """The rows with the highest scores, (limit, ...), with rows of zeros if there are fewer."""
    sides = [side.get_length() for side in list(values.get_output_partial_shape(0))[1:]]
    values = ops.concat([values, ops.constant(np.zeros((limit, *sides), np.float32))], 0)
    scores = ops.concat([scores, ops.constant(np.zeros(limit, np.float32))], 0)
    order, best = select_highest(scores, limit)
    return take(values, order, 0), best
