"""BlazePose's two networks in a graph: ``pose.blazepose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import (
    NO_BOX,
    Maps,
    are_finite,
    constant,
    integers,
    is_above,
    pick_apart,
    reshape,
    take,
    unsqueeze,
)
from posezoo.pose.blazepose import (
    BODY,
    LANDMARK_NUMBERS,
    LARGEST_LOGIT,
    BlazePoseOptions,
    generate_anchors,
)
from posezoo.pose.letterbox import Size


def build(maps: Maps, _size: Size, options: BlazePoseOptions, max_people: int) -> tuple[Any, Any]:
    """The person, or the detector's faces, as ``append_decoder`` says."""
    if "landmarks" not in maps:
        return _build_detector(maps, options, max_people or options.max_people)
    raw = reshape(maps["landmarks"], [1, -1, LANDMARK_NUMBERS])
    body = take(raw, range(BODY), 1)
    points = take(body, [0, 1], 2)
    visibility = _sigmoid(take(body, [3], 2))
    return ops.concat([points, visibility], 2), reshape(maps["presence"], [1])


def _build_detector(maps: Maps, options: BlazePoseOptions, max_people: int) -> tuple[Any, Any]:
    """The keypoints of ``FaceDetections`` with the face's score, (N, 4, 3), and the scores,
    (N,).
    """
    if options.weighted:
        raise ValueError("faces are not averaged in a graph, so the option weighted cannot be used")
    raw = reshape(maps["boxes"], [-1, 6, 2])
    points = raw + constant(generate_anchors()[:, None])
    half = take(raw, 1, 1) * constant(0.5)
    low = take(points, 0, 1) - half
    high = take(points, 0, 1) + half
    # Left, top, right, bottom: (1, 2254) each.
    rows = [take(corner, [axis], 1) for corner in (low, high) for axis in (0, 1)]
    sides = [reshape(row, [1, -1]) for row in rows]
    logits = reshape(maps["scores"], [-1])
    # nan is not equal to itself.
    is_face = ops.logical_and(ops.equal(logits, logits), are_finite(raw))
    bounded = ops.clamp(logits, NO_BOX / 2, -NO_BOX)
    ranks = ops.select(is_face, bounded, constant(NO_BOX))
    ranks = reshape(ranks, [1, -1])
    kept, kept_logits = pick_apart(sides, ranks, options.max_overlap, max_people)
    is_kept = is_above(kept_logits, NO_BOX)
    scores = ops.select(is_kept, _sigmoid(kept_logits), constant(0))
    face = take(points, range(2, 6), 1)
    keypoints = take(face, kept, 0)
    column = unsqueeze(scores, [1, 2])
    column = ops.broadcast(column, integers([max_people, 4, 1]))
    return ops.concat([keypoints, column], 2), scores


def _sigmoid(logits: Any) -> Any:
    return ops.sigmoid(ops.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
