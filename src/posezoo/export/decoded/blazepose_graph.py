"""BlazePose's two networks in a graph: ``poses.blazepose`` with OpenVINO's operations."""

from __future__ import annotations

import numpy as np

from posezoo.core.ir.openvino_graph import Node
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    constant,
    find_groups,
    integers,
    is_above,
    is_at_least,
    keep_where,
    pick_apart,
    reshape,
    stack,
    take,
    unsqueeze,
)
from posezoo.poses.blazeface import LARGEST_LOGIT, logit
from posezoo.poses.blazepose import (
    ANCHORS,
    BODY,
    LANDMARK_NUMBERS,
    MIN_CONFIDENCE,
    WINDOW,
    BlazePoseOptions,
)
from posezoo.poses.letterbox import Size


def build(maps: Maps, size: Size, options: BlazePoseOptions, max_people: int) -> TwoNodes:
    """The person, or the detector's faces, as ``append_decoder`` says."""
    if "landmarks" not in maps:
        return _build_detector(maps, options, max_people or options.max_people)
    raw = reshape(maps["landmarks"], [1, -1, LANDMARK_NUMBERS])
    body = take(raw, range(BODY), 1)
    points = _refine(take(body, [0, 1], 2), take(maps["heatmaps"], range(BODY), 3), size)
    visibility = _sigmoid(take(body, [3], 2))
    presence = reshape(maps["presence"], [1])
    is_person = are_all(are_finite(raw), are_finite(presence))
    return ops.concat([points, visibility], 2), keep_where(is_person, ops.clamp(presence, 0, 1))


def _refine(points: Node, heatmaps: Node, size: Size) -> Node:
    """``refine_landmarks``, of points (1, K, 2) with heatmaps (1, rows, columns, K)."""
    weights = _sigmoid(ops.transpose(heatmaps, integers([0, 3, 1, 2])))
    rows, columns = weights.shape[2:]
    sides = np.array([columns, rows])
    cells = points * constant(sides / size)
    # Truncated, so a little to the left of the first cell is inside.
    is_inside = are_all(is_above(cells, -1), ops.less(cells, constant(sides)))
    centers = ops.floor(ops.relu(cells))
    indices = [constant(range(columns)), constant(np.arange(rows)[:, None])]
    for axis, index in enumerate(indices):
        center = unsqueeze(take(centers, [axis], 2), [3])
        is_near = ops.less_equal(ops.abs(index - center), constant(WINDOW))
        weights = keep_where(is_near, weights)
    window = integers([2, 3])
    sums = [ops.reduce_sum(weights * index, window) for index in indices]
    total = unsqueeze(ops.reduce_sum(weights, window), [2])
    moved = stack(sums, 2) / total * constant(size / sides)
    is_likely = is_at_least(ops.reduce_max(weights, window), MIN_CONFIDENCE)
    is_refined = are_all(ops.reduce_logical_and(is_inside, integers([2])), is_likely)
    return ops.select(unsqueeze(is_refined, [2]), moved, points)


def _build_detector(maps: Maps, options: BlazePoseOptions, max_people: int) -> TwoNodes:
    """The keypoints of ``Detections`` with the face's score, (N, 4, 3), and the scores,
    (N,).
    """
    raw = reshape(maps["boxes"], [-1, 6, 2])
    points = raw + constant(ANCHORS[:, None])
    half = take(raw, 1, 1) * constant(0.5)
    low = take(points, 0, 1) - half
    high = take(points, 0, 1) + half
    # Left, top, right, bottom: (1, 2254) each.
    rows = [take(corner, [axis], 1) for corner in (low, high) for axis in (0, 1)]
    sides = [reshape(row, [1, -1]) for row in rows]
    logits = reshape(maps["scores"], [-1])
    # nan is not equal to itself.
    is_likely = is_at_least(logits, logit(options.min_detection_score))
    is_face = are_all(ops.equal(logits, logits), are_finite(raw), is_likely)
    bounded = ops.clamp(logits, NO_BOX / 2, -NO_BOX)
    ranks = ops.select(is_face, bounded, constant(NO_BOX))
    ranks = reshape(ranks, [1, -1])
    kept, kept_logits = pick_apart(sides, ranks, options.max_overlap, max_people)
    is_kept = is_above(kept_logits, NO_BOX)
    scores = keep_where(is_kept, _sigmoid(kept_logits))
    faces = take(points, range(2, 6), 1)
    if options.weighted:
        groups = find_groups(sides, kept, options.max_overlap)
        weights = keep_where(are_all(groups, is_face), _sigmoid(logits))
        shares = weights / ops.reduce_sum(weights, integers([1]), True)
        numbers = keep_where(unsqueeze(is_face, [1, 2]), faces)
        means = ops.matmul(shares, reshape(numbers, [-1, 8]), False, False)
        keypoints = reshape(means, [-1, 4, 2])
    else:
        keypoints = take(faces, kept, 0)
    column = unsqueeze(scores, [1, 2])
    column = ops.broadcast(column, integers([max_people, 4, 1]))
    return ops.concat([keypoints, column], 2), scores


def _sigmoid(logits: Node) -> Node:
    return ops.sigmoid(ops.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
