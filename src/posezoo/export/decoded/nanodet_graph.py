"""NanoDet in a graph: ``poses.nanodet`` with OpenVINO's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    clip_boxes,
    constant,
    is_at_least,
    pick_boxes_apart,
    reshape,
    sum_over,
    take,
    without_batch,
)
from posezoo.export.decoded.yolox_graph import USUAL_PEOPLE
from posezoo.poses.letterbox import Size
from posezoo.poses.nanodet import PERSON, NanoDetOptions
from posezoo.poses.yolox_boxes import STRIDES, generate_cells

if TYPE_CHECKING:
    from openvino import Node


def build(maps: Maps, size: Size, options: NanoDetOptions, max_people: int) -> TwoNodes:
    """The boxes of the people, as ``append_decoder`` says."""
    rows = _join(maps, "scores")
    logits = _join(maps, "distances")
    corners, sides = generate_cells(size)
    if {rows.shape[0], logits.shape[0]} != {len(corners)}:
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = constant((corners + 0.5) * sides)
    distances = _distances(logits) * constant(sides)
    first = centers - take(distances, [0, 1], 1)
    last = centers + take(distances, [2, 3], 1)
    boxes, has_size = clip_boxes(ops.concat([first, last], 1), size)
    scores = take(rows, [PERSON], 1)
    is_finite = are_all(are_finite(scores), are_finite(logits))
    ranks = take(scores, 0, 1)
    is_high = is_at_least(ranks, options.min_box_score)
    ranks = ops.select(are_all(is_high, is_finite, has_size), ranks, constant(NO_BOX))
    picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, max_people or USUAL_PEOPLE)
    return take(boxes, picked, 0), ops.clamp(best, 0, 1)


def _join(maps: Maps, kind: str) -> Node:
    """The rows of the cells of all strides, (N, ...)."""
    return ops.concat([without_batch(maps[f"{kind}_{stride}"]) for stride in STRIDES], 0)


def _distances(logits: Node) -> Node:
    """The distances to the four sides, (N, 4), in cells: each is the mean of a distribution."""
    count = logits.shape[1] // 4
    shares = ops.softmax(reshape(logits, [-1, 4, count]), 2)
    return sum_over(shares * constant(np.arange(count)), 2)
