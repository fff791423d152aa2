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
    pick_apart,
    take,
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
    raw = ops.reshape(maps["landmarks"], integers([1, -1, LANDMARK_NUMBERS]), False)
    body = take(raw, range(BODY), 1)
    keypoints = ops.concat([take(body, [0, 1], 2), _sigmoid(take(body, [3], 2))], 2)
    return keypoints, ops.reshape(maps["presence"], integers([1]), False)


def _build_detector(maps: Maps, options: BlazePoseOptions, max_people: int) -> tuple[Any, Any]:
    """The keypoints of ``FaceDetections`` with the face's score, (N, 4, 3), and the scores,
    (N,).
    """
    if options.weighted:
        raise ValueError("faces are not averaged in a graph, so the option weighted cannot be used")
    raw = ops.reshape(maps["boxes"], integers([-1, 6, 2]), False)
    points = raw + constant(generate_anchors()[:, None])
    half = take(raw, 1, 1) * constant(0.5)
    low = take(points, 0, 1) - half
    high = take(points, 0, 1) + half
    # Left, top, right, bottom: (1, 2254) each.
    rows = [take(corner, [axis], 1) for corner in (low, high) for axis in (0, 1)]
    sides = [ops.reshape(row, integers([1, -1]), False) for row in rows]
    logits = ops.reshape(maps["scores"], integers([-1]), False)
    # nan is not equal to itself.
    is_face = ops.logical_and(ops.equal(logits, logits), are_finite(raw))
    left = ops.select(is_face, ops.clamp(logits, NO_BOX / 2, -NO_BOX), constant(NO_BOX))
    left = ops.reshape(left, integers([1, -1]), False)
    kept, kept_logits = pick_apart(sides, left, options.max_overlap, max_people)
    scores = ops.select(
        ops.greater(kept_logits, constant(NO_BOX)), _sigmoid(kept_logits), constant(0)
    )
    keypoints = take(take(points, range(2, 6), 1), kept, 0)
    column = ops.broadcast(ops.unsqueeze(scores, integers([1, 2])), integers([max_people, 4, 1]))
    return ops.concat([keypoints, column], 2), scores


def _sigmoid(logits: Any) -> Any:
    return ops.sigmoid(ops.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
