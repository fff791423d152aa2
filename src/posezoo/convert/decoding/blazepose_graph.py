"""BlazePose's two networks in a graph: ``pose.blazepose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import Maps, are_finite, constant, integers, take
from posezoo.pose.blazepose import (
    BODY,
    LANDMARK_NUMBERS,
    LARGEST_LOGIT,
    BlazePoseOptions,
    generate_anchors,
)
from posezoo.pose.letterbox import Size

# The most faces: there are as many steps in the graph.
_MOST = 256

# Instead of the logit of a candidate that is no face any more. FP16 has this number.
_NONE = -30000


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
    if max_people > _MOST:
        raise ValueError(
            f"finds at most {_MOST} people, so --max_people {max_people} cannot be used"
        )
    if options.weighted:
        raise ValueError("faces are not averaged in a graph, so the option weighted cannot be used")
    raw = ops.reshape(maps["boxes"], integers([-1, 6, 2]), False)
    points = raw + constant(generate_anchors()[:, None])
    half = take(raw, 1, 1) * constant(0.5)
    low, high = (
        take(points, 0, 1) - half,
        take(points, 0, 1) + half,
    )
    # Left, top, right, bottom: (1, 2254) each.
    rows = [take(corner, [axis], 1) for corner in (low, high) for axis in (0, 1)]
    sides = [ops.reshape(row, integers([1, -1]), False) for row in rows]
    areas = _area(sides)
    table = ops.concat([*sides, areas], 0)
    logits = ops.reshape(maps["scores"], integers([-1]), False)
    # nan is not equal to itself.
    is_face = ops.logical_and(ops.equal(logits, logits), are_finite(raw))
    none, limit = constant(_NONE), constant(options.max_overlap)
    left = ops.select(is_face, ops.clamp(logits, _NONE / 2, -_NONE), none)
    left = ops.reshape(left, integers([1, -1]), False)
    every, last = constant([range(raw.shape[0])]), constant(raw.shape[0] - 1)
    faces, highest = [], []
    # The highest of those that are left; those that overlap it are then removed.
    for _ in range(max_people):
        # Few nodes, since each costs more than its computation; TopK would take longer than two
        # reductions.
        logit = ops.reduce_max(left, integers([1]))
        first = ops.reduce_min(ops.select(ops.equal(left, logit), every, last), integers([1]))
        place = ops.convert(first, "i32")
        faces.append(place)
        highest.append(logit)
        *chosen, area = ops.split(take(table, place, 1), integers(0), 5).outputs()
        common = _area(
            [ops.maximum(side, own) for side, own in zip(sides[:2], chosen[:2], strict=True)]
            + [ops.minimum(side, own) for side, own in zip(sides[2:], chosen[2:], strict=True)]
        )
        union = ops.add(areas, area) - common
        is_apart = ops.less_equal(common, union * limit)
        left = ops.select(ops.logical_and(is_apart, ops.not_equal(every, first)), left, none)
    found = ops.concat(highest, 0)
    scores = ops.select(ops.greater(found, none), _sigmoid(found), constant(0))
    keypoints = take(take(points, range(2, 6), 1), ops.concat(faces, 0), 0)
    column = ops.broadcast(ops.unsqueeze(scores, integers([1, 2])), integers([max_people, 4, 1]))
    return ops.concat([keypoints, column], 2), scores


def _area(sides: list[Any]) -> Any:
    """The areas of boxes from their left, top, right and bottom; 0 of those that are inside out."""
    left, top, right, bottom = sides
    width, height = ops.relu(right - left), ops.relu(bottom - top)
    return width * height


def _sigmoid(logits: Any) -> Any:
    return ops.sigmoid(ops.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
