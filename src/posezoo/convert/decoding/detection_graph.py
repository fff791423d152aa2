"""The boxes of an SSD detector in a graph: ``pose.ssd_detection`` with OpenVINO's operations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import Maps, constant, integers, select_highest, take, to_float
from posezoo.pose.letterbox import Size
from posezoo.pose.ssd_detection import PERSON, DetectionOptions


def build(maps: Maps, size: Size, options: DetectionOptions, max_people: int) -> tuple[Any, Any]:
    """The boxes of the people, as ``append_decoder`` says."""
    zero, sides = constant(0), constant([*size, *size])
    rows = ops.reshape(maps["detections"], integers([-1, 7]), False)
    image, label, score = (take(rows, column, 1) for column in range(3))
    boxes = take(rows, range(3, 7), 1) * sides
    boxes = ops.minimum(ops.maximum(boxes, zero), sides)
    spans = take(boxes, [2, 3], 1) - take(boxes, [0, 1], 1)
    ended = ops.cumsum(to_float(ops.less(image, zero)), integers(0))
    tests = (
        ops.equal(ended, zero),  # the first negative index ends the list
        ops.equal(label, constant(PERSON)),
        ops.greater_equal(score, constant(options.min_box_score)),
        ops.reduce_logical_and(ops.greater(spans, zero), integers([1])),
    )
    ranked = ops.select(reduce(ops.logical_and, tests), score, constant(-1))
    order, scores = select_highest(ranked, max_people)
    return take(boxes, order, 0), ops.minimum(scores, constant(1))
