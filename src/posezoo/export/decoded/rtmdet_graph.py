"""RTMDet in a graph: ``poses.rtmdet`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    clip_boxes,
    constant,
    keep_where,
    select_rows,
    take,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.rtmdet import PERSON, RtmdetOptions
from posezoo.poses.ssd_detection import MAX_BOXES


def build(maps: Maps, size: Size, _options: RtmdetOptions, max_people: int) -> TwoNodes:
    """The boxes of the people, as ``append_decoder`` says."""
    rows = without_batch(maps["dets"])
    labels = without_batch(maps["labels"])
    boxes, has_size = clip_boxes(take(rows, range(4), 1), size)
    is_person = are_all(ops.equal(labels, constant(PERSON)), has_size)
    scores = keep_where(is_person, take(rows, 4, 1))
    kept, best = select_rows(boxes, scores, max_people or MAX_BOXES)
    return kept, ops.minimum(best, constant(1))
