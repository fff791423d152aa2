"""The boxes of an SSD detector in a graph: ``poses.ssd_detection`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    clip_boxes,
    constant,
    integers,
    is_at_least,
    reshape,
    select_highest,
    take,
    to_float,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import PERSON, DetectionOptions


def build(maps: Maps, size: Size, options: DetectionOptions, max_people: int) -> TwoNodes:
    """The boxes of the people, as ``append_decoder`` says."""
    zero = constant(0)
    rows = reshape(maps["detections"], [-1, 7])
    image, label, score = (take(rows, column, 1) for column in range(3))
    corners = take(rows, range(3, 7), 1) * constant([*size, *size])
    boxes, has_size = clip_boxes(corners, size)
    # The first negative index ends the list.
    ended = ops.cumsum(to_float(ops.less(image, zero)), integers(0))
    is_listed = ops.equal(ended, zero)
    is_labeled = ops.equal(label, constant(PERSON))
    is_high = is_at_least(score, options.min_box_score)
    is_person = are_all(is_listed, is_labeled, is_high, has_size)
    ranked = ops.select(is_person, score, constant(-1))
    order, scores = select_highest(ranked, max_people)
    return take(boxes, order, 0), ops.minimum(scores, constant(1))
