"""SimCC in a graph: ``pose.simcc`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.convert.decoding.nodes import Maps
from posezoo.pose.letterbox import Size
from posezoo.pose.simcc import SimccOptions


def build(maps: Maps, _size: Size, options: SimccOptions, _max_people: int) -> tuple[Any, Any]:
    """The person, as ``append_decoder`` says."""
    rows = [ops.squeeze(maps[role], nodes.integers([0])) for role in ("simcc_x", "simcc_y")]
    (x, across), (y, down) = map(nodes.find_maximum, rows)
    points = ops.divide(nodes.to_float(ops.concat([x, y], 1)), nodes.constant(options.split))
    scores = ops.maximum(ops.minimum(across, down), nodes.constant(0))
    mean = ops.reduce_mean(scores, nodes.integers([0]))
    keypoints = ops.unsqueeze(ops.concat([points, scores], 1), nodes.integers([0]))
    return keypoints, ops.minimum(mean, nodes.constant(1))
