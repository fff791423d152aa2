"""MoveNet in a graph: ``poses.movenet`` with OpenVINO's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    constant,
    integers,
    reshape,
    select_highest,
    take,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.movenet import JOINTS, MultiPoseOptions
from posezoo.poses.top_down import TopDownOptions

if TYPE_CHECKING:
    from openvino import Node


def build(maps: Maps, size: Size, _options: TopDownOptions, _max_people: int) -> TwoNodes:
    """The person, as ``append_decoder`` says."""
    keypoints = _to_pixels(without_batch(maps["keypoints"]), size)
    scores = ops.reduce_mean(take(keypoints, 2, 2), integers([1]))
    return keypoints, ops.clamp(scores, 0, 1)


def build_multipose(
    maps: Maps, size: Size, _options: MultiPoseOptions, max_people: int
) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
    people = without_batch(maps["people"])
    order, scores = select_highest(take(people, -1, 1), max_people)
    best = take(people, order, 0)
    points = take(best, range(3 * JOINTS), 1)
    keypoints = reshape(points, [-1, JOINTS, 3])
    return _to_pixels(keypoints, size), ops.clamp(scores, 0, 1)


def _to_pixels(keypoints: Node, size: Size) -> Node:
    """Keypoints (N, K, 3): y, x as shares of the sides become x, y in pixels."""
    return take(keypoints, [1, 0, 2], 2) * constant([*size, 1])
