"""YOLOX in a graph: ``poses.yolox_boxes`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    box_corners,
    clip_boxes,
    constant,
    is_at_least,
    pick_boxes_apart,
    take,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.yolox_boxes import OBJECT, PERSON, YoloxOptions, generate_cells

#: The boxes if the caller states no number.
USUAL_PEOPLE = 20


def build(maps: Maps, size: Size, options: YoloxOptions, max_people: int) -> TwoNodes:
    """The boxes of the people, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    rows = without_batch(maps["predictions"])
    corners, strides = generate_cells(size)
    if rows.shape[0] != len(corners):
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = (take(rows, [0, 1], 1) + constant(corners)) * constant(strides)
    halves = ops.exp(take(rows, [2, 3], 1)) * constant(strides / 2)
    boxes = box_corners(centers, halves)
    scores = take(rows, OBJECT, 1) * take(rows, PERSON, 1)
    inside, has_size = clip_boxes(boxes, size)
    is_sound = are_all(are_finite(boxes), has_size)
    is_person = are_all(is_at_least(scores, options.min_box_score), is_sound)
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count)
    return take(inside, picked, 0), ops.clamp(best, 0, 1)
