"""Detectors in a graph: the boxes of people that the modules of ``posezoo.poses`` decode, with
OpenVINO's operations.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as ops
from openvino import Node

from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    box_corners,
    clip_boxes,
    constant,
    integers,
    is_at_least,
    keep_where,
    pick_boxes_apart,
    reshape,
    select_highest,
    select_rows,
    sum_over,
    take,
    to_float,
    without_batch,
)
from posezoo.poses import nanodet, picodet, rtmdet, ssd_detection, yolox_boxes
from posezoo.poses.letterbox import Size

#: The boxes if the caller states no number.
USUAL_PEOPLE = 20


def build_ssd(
    maps: Maps, size: Size, options: ssd_detection.DetectionOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.ssd_detection``, as ``append_decoder`` says."""
    zero = constant(0)
    rows = reshape(maps["detections"], [-1, 7])
    image, label, score = (take(rows, column, 1) for column in range(3))
    corners = take(rows, range(3, 7), 1) * constant([*size, *size])
    boxes, has_size = clip_boxes(corners, size)
    # The first negative index ends the list.
    ended = ops.cumsum(to_float(ops.less(image, zero)), integers(0))
    is_listed = ops.equal(ended, zero)
    is_labeled = ops.equal(label, constant(ssd_detection.PERSON))
    is_high = is_at_least(score, options.min_box_score)
    is_person = are_all(is_listed, is_labeled, is_high, has_size)
    ranked = ops.select(is_person, score, constant(-1))
    order, scores = select_highest(ranked, max_people)
    return take(boxes, order, 0), ops.minimum(scores, constant(1))


def build_rtmdet(
    maps: Maps, size: Size, _options: rtmdet.RtmdetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.rtmdet``, as ``append_decoder`` says."""
    rows = without_batch(maps["dets"])
    labels = without_batch(maps["labels"])
    boxes, has_size = clip_boxes(take(rows, range(4), 1), size)
    is_person = are_all(ops.equal(labels, constant(rtmdet.PERSON)), has_size)
    scores = keep_where(is_person, take(rows, 4, 1))
    kept, best = select_rows(boxes, scores, max_people or ssd_detection.MAX_BOXES)
    return kept, ops.minimum(best, constant(1))


def build_yolox(
    maps: Maps, size: Size, options: yolox_boxes.YoloxOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.yolox_boxes``, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    rows = without_batch(maps["predictions"])
    corners, strides = yolox_boxes.generate_cells(size)
    if rows.shape[0] != len(corners):
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = (take(rows, [0, 1], 1) + constant(corners)) * constant(strides)
    halves = ops.exp(take(rows, [2, 3], 1)) * constant(strides / 2)
    boxes = box_corners(centers, halves)
    scores = take(rows, yolox_boxes.OBJECT, 1) * take(rows, yolox_boxes.PERSON, 1)
    inside, has_size = clip_boxes(boxes, size)
    is_sound = are_all(are_finite(boxes), has_size)
    return _pick_people(boxes, inside, scores, options, count, is_sound)


def build_nanodet(
    maps: Maps, size: Size, options: nanodet.NanoDetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.nanodet``, as ``append_decoder`` says."""
    rows = _join(maps, "scores")
    logits = _join(maps, "distances")
    corners, sides = yolox_boxes.generate_cells(size)
    if {rows.shape[0], logits.shape[0]} != {len(corners)}:
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = constant((corners + 0.5) * sides)
    # The distance to each side is the mean of a distribution, in cells.
    count = logits.shape[1] // 4
    shares = ops.softmax(reshape(logits, [-1, 4, count]), 2)
    distances = sum_over(shares * constant(np.arange(count)), 2) * constant(sides)
    first = centers - take(distances, [0, 1], 1)
    last = centers + take(distances, [2, 3], 1)
    boxes, has_size = clip_boxes(ops.concat([first, last], 1), size)
    scores = take(rows, [nanodet.PERSON], 1)
    is_finite = are_all(are_finite(scores), are_finite(logits))
    scores = take(scores, 0, 1)
    most = max_people or USUAL_PEOPLE
    return _pick_people(boxes, boxes, scores, options, most, is_finite, has_size)


def build_picodet(
    maps: Maps, size: Size, options: picodet.PicoDetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.picodet``, as ``append_decoder`` says."""
    rows = without_batch(maps["boxes"])
    boxes, has_size = clip_boxes(rows, size)
    scores = take(without_batch(maps["scores"]), picodet.PERSON, 0)
    is_sound = are_all(are_finite(rows), has_size)
    return _pick_people(boxes, boxes, scores, options, max_people or USUAL_PEOPLE, is_sound)


def _pick_people(
    boxes: Node,
    shown: Node,
    scores: Node,
    options: ssd_detection.OverlapOptions,
    count: int,
    *conditions: Node,
) -> TwoNodes:
    """The best boxes that do not overlap a better one, as they are shown, and their scores.

    Args:
        boxes: (N, 4), of which the overlap is computed.
        shown: (N, 4), the same ones as they are returned.
        scores: (N,).
        count: how many are returned.
        conditions: (N,) each, which hold for boxes of people, besides that of the score.
    """
    is_person = are_all(is_at_least(scores, options.min_box_score), *conditions)
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count)
    return take(shown, picked, 0), ops.clamp(best, 0, 1)


def _join(maps: Maps, kind: str) -> Node:
    """The rows of the cells of all strides, (N, ...)."""
    return ops.concat(
        [without_batch(maps[f"{kind}_{stride}"]) for stride in yolox_boxes.STRIDES], 0
    )
