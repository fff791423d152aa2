"""The boxes of an SSD detector in a graph: ``pose.ssd_detection`` with OpenVINO's operations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.convert.decoding.nodes import Maps
from posezoo.pose.letterbox import Size
from posezoo.pose.ssd_detection import PERSON, DetectionOptions


def build(maps: Maps, size: Size, options: DetectionOptions, max_people: int) -> tuple[Any, Any]:
    """The boxes of the people, as ``append_decoder`` says."""
    zero, sides = nodes.constant(0), nodes.constant([*size, *size])
    rows = ops.reshape(maps["detections"], nodes.integers([-1, 7]), False)
    image, label, score = (nodes.take(rows, column, 1) for column in range(3))
    boxes = ops.multiply(nodes.take(rows, range(3, 7), 1), sides)
    boxes = ops.minimum(ops.maximum(boxes, zero), sides)
    spans = ops.subtract(nodes.take(boxes, [2, 3], 1), nodes.take(boxes, [0, 1], 1))
    ended = ops.cumsum(nodes.to_float(ops.less(image, zero)), nodes.integers(0))
    tests = (
        ops.equal(ended, zero),  # the first negative index ends the list
        ops.equal(label, nodes.constant(PERSON)),
        ops.greater_equal(score, nodes.constant(options.min_box_score)),
        ops.reduce_logical_and(ops.greater(spans, zero), nodes.integers([1])),
    )
    ranked = ops.select(reduce(ops.logical_and, tests), score, nodes.constant(-1))
    order, scores = nodes.select_highest(ranked, max_people)
    return nodes.take(boxes, order, 0), ops.minimum(scores, nodes.constant(1))
