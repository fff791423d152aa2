"""RTMDet in a graph: ``pose.rtmdet`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import (
    Maps,
    clip_boxes,
    constant,
    integers,
    select_rows,
    take,
)
from posezoo.pose.letterbox import Size
from posezoo.pose.rtmdet import PERSON, RtmdetOptions
from posezoo.pose.ssd_detection import MAX_BOXES


def build(maps: Maps, size: Size, _options: RtmdetOptions, max_people: int) -> tuple[Any, Any]:
    """The boxes of the people, as ``append_decoder`` says."""
    zero = constant(0)
    rows = ops.squeeze(maps["dets"], integers([0]))
    boxes, has_size = clip_boxes(take(rows, range(4), 1), size)
    is_person = ops.equal(ops.squeeze(maps["labels"], integers([0])), constant(PERSON))
    scores = ops.select(ops.logical_and(is_person, has_size), take(rows, 4, 1), zero)
    kept, best = select_rows(boxes, scores, max_people or MAX_BOXES)
    return kept, ops.minimum(best, constant(1))
