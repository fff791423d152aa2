"""MoveNet MultiPose in a graph: ``pose.movenet_multipose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.convert.decoding.movenet_graph import to_pixels
from posezoo.convert.decoding.nodes import Maps
from posezoo.pose.letterbox import Size
from posezoo.pose.movenet_multipose import JOINTS, MultiPoseOptions


def build(maps: Maps, size: Size, _options: MultiPoseOptions, max_people: int) -> tuple[Any, Any]:
    """The people, as ``append_decoder`` says."""
    people = ops.squeeze(maps["people"], nodes.integers([0]))
    order, scores = nodes.select_highest(nodes.take(people, -1, 1), max_people)
    points = nodes.take(nodes.take(people, order, 0), range(3 * JOINTS), 1)
    keypoints = ops.reshape(points, nodes.integers([-1, JOINTS, 3]), False)
    return to_pixels(keypoints, size), ops.clamp(scores, 0, 1)
