"""BlazePose's two networks in a graph: ``pose.blazepose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.convert.decoding.nodes import Maps
from posezoo.pose.blazepose import (
    BODY,
    LANDMARK_NUMBERS,
    LARGEST_LOGIT,
    BlazePoseOptions,
    generate_anchors,
)
from posezoo.pose.letterbox import Size

# The candidates with the highest scores; overlapping ones among them become one face.
_CANDIDATES = 256


def build(maps: Maps, _size: Size, options: BlazePoseOptions, max_people: int) -> tuple[Any, Any]:
    """The person, or the detector's faces, as ``append_decoder`` says."""
    if "landmarks" not in maps:
        return _build_detector(maps, options, max_people or options.max_people)
    raw = ops.reshape(maps["landmarks"], nodes.integers([1, -1, LANDMARK_NUMBERS]), False)
    body = nodes.take(raw, range(BODY), 1)
    keypoints = ops.concat([nodes.take(body, [0, 1], 2), _sigmoid(nodes.take(body, [3], 2))], 2)
    return keypoints, ops.reshape(maps["presence"], nodes.integers([1]), False)


def _build_detector(maps: Maps, options: BlazePoseOptions, max_people: int) -> tuple[Any, Any]:
    """The keypoints of ``FaceDetections`` with the face's score, (N, 4, 3), and the scores, (N,)."""
    if max_people > _CANDIDATES:
        raise ValueError(f"finds at most {_CANDIDATES} people, so --max_people {max_people} cannot be used")
    if options.weighted:
        raise ValueError("faces are not averaged in a graph, so the option weighted cannot be used")
    logits = ops.reshape(maps["scores"], nodes.integers([-1]), False)
    logits = ops.select(ops.equal(logits, logits), logits, nodes.constant(-LARGEST_LOGIT))  # nan is no face
    order, ranked = nodes.select_highest(logits, _CANDIDATES)
    raw = nodes.take(ops.reshape(maps["boxes"], nodes.integers([-1, 6, 2]), False), order, 0)
    points = ops.add(
        raw, ops.unsqueeze(nodes.take(nodes.constant(generate_anchors()), order, 0), nodes.integers([1]))
    )
    is_apart = nodes.to_float(
        _are_apart(nodes.take(points, 0, 1), nodes.take(raw, 1, 1), options.max_overlap)
    )
    left = ops.select(nodes.are_finite(raw), _sigmoid(ranked), nodes.constant(0))
    faces, scores = [], []
    for _ in range(max_people):  # the highest of those that are left; those that overlap it are then removed
        place, score = nodes.select_highest(left, 1)
        faces.append(place)
        scores.append(score)
        left = ops.multiply(left, ops.reshape(nodes.take(is_apart, place, 0), nodes.integers([-1]), False))
    found = ops.concat(scores, 0)
    keypoints = nodes.take(nodes.take(points, range(2, 6), 1), ops.concat(faces, 0).output(0), 0)
    column = ops.broadcast(ops.unsqueeze(found, nodes.integers([1, 2])), nodes.integers([max_people, 4, 1]))
    return ops.concat([keypoints, column], 2), found


def _are_apart(centers: Any, sizes: Any, max_overlap: float) -> Any:
    """(N, N) bool: whether two different boxes have at most this intersection over union."""
    half = ops.multiply(sizes, nodes.constant(0.5))
    low, high = ops.subtract(centers, half), ops.add(centers, half)
    rows, columns = nodes.integers([1]), nodes.integers([0])
    highest_low = ops.maximum(ops.unsqueeze(low, rows), ops.unsqueeze(low, columns))
    lowest_high = ops.minimum(ops.unsqueeze(high, rows), ops.unsqueeze(high, columns))
    common, areas = _area(ops.subtract(lowest_high, highest_low)), _area(sizes)
    both = ops.add(ops.unsqueeze(areas, rows), ops.unsqueeze(areas, columns))
    limit = ops.multiply(ops.subtract(both, common), nodes.constant(max_overlap))
    places = nodes.integers(range(_CANDIDATES))
    is_other = ops.not_equal(ops.unsqueeze(places, rows), ops.unsqueeze(places, columns))
    return ops.logical_and(ops.less_equal(common, limit), is_other)


def _area(spans: Any) -> Any:
    """The products of spans (..., 2), those below 0 as 0."""
    return ops.reduce_prod(ops.maximum(spans, nodes.constant(0)), nodes.integers([-1]))


def _sigmoid(logits: Any) -> Any:
    return ops.sigmoid(ops.clamp(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
