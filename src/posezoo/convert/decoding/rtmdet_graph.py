"""RTMDet in a graph: ``pose.rtmdet`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import Maps, constant, integers, select_rows, take
from posezoo.pose.letterbox import Size
from posezoo.pose.rtmdet import PERSON, RtmdetOptions
from posezoo.pose.ssd_detection import MAX_BOXES


def build(maps: Maps, size: Size, _options: RtmdetOptions, max_people: int) -> tuple[Any, Any]:
    """The boxes of the people, as ``append_decoder`` says."""
    zero = constant(0)
    sides = constant([*size, *size])
    rows = ops.squeeze(maps["dets"], integers([0]))
    boxes = ops.minimum(ops.maximum(take(rows, range(4), 1), zero), sides)
    spans = take(boxes, [2, 3], 1) - take(boxes, [0, 1], 1)
    is_person = ops.equal(ops.squeeze(maps["labels"], integers([0])), constant(PERSON))
    has_size = ops.reduce_logical_and(ops.greater(spans, zero), integers([1]))
    scores = ops.select(ops.logical_and(is_person, has_size), take(rows, 4, 1), zero)
    kept, best = select_rows(boxes, scores, max_people or MAX_BOXES)
    return kept, ops.minimum(best, constant(1))
