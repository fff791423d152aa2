"""MoveNet MultiPose in a graph: ``pose.movenet_multipose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.movenet_graph import to_pixels
from posezoo.convert.decoding.nodes import Maps, reshape, select_highest, take, without_batch
from posezoo.pose.letterbox import Size
from posezoo.pose.movenet_multipose import JOINTS, MultiPoseOptions


def build(maps: Maps, size: Size, _options: MultiPoseOptions, max_people: int) -> tuple[Any, Any]:
    """The people, as ``append_decoder`` says."""
    people = without_batch(maps["people"])
    order, scores = select_highest(take(people, -1, 1), max_people)
    best = take(people, order, 0)
    points = take(best, range(3 * JOINTS), 1)
    keypoints = reshape(points, [-1, JOINTS, 3])
    return to_pixels(keypoints, size), ops.clamp(scores, 0, 1)
