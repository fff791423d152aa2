"""SimCC in a graph: ``pose.simcc`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding.nodes import Maps, constant, find_maximum, integers, to_float
from posezoo.pose.letterbox import Size
from posezoo.pose.simcc import SimccOptions


def build(maps: Maps, _size: Size, options: SimccOptions, _max_people: int) -> tuple[Any, Any]:
    """The person, as ``append_decoder`` says."""
    rows = [ops.squeeze(maps[role], integers([0])) for role in ("simcc_x", "simcc_y")]
    (x, across), (y, down) = map(find_maximum, rows)
    points = to_float(ops.concat([x, y], 1)) / constant(options.split)
    scores = ops.maximum(ops.minimum(across, down), constant(0))
    mean = ops.reduce_mean(scores, integers([0]))
    keypoints = ops.unsqueeze(ops.concat([points, scores], 1), integers([0]))
    return keypoints, ops.minimum(mean, constant(1))
