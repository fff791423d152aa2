"""SimCC in a graph: ``poses.simcc`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    constant,
    find_maximum,
    integers,
    to_float,
    unsqueeze,
    without_batch,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.simcc import SimccOptions


def build(maps: Maps, _size: Size, options: SimccOptions, _max_people: int) -> TwoNodes:
    """The person, as ``append_decoder`` says."""
    x, across = find_maximum(without_batch(maps["simcc_x"]))
    y, down = find_maximum(without_batch(maps["simcc_y"]))
    bins = ops.concat([x, y], 1)
    points = to_float(bins) / constant(options.split)
    lower = ops.minimum(across, down)
    scores = ops.maximum(lower, constant(0))
    mean = ops.reduce_mean(scores, integers([0]))
    keypoints = ops.concat([points, scores], 1)
    return unsqueeze(keypoints, [0]), ops.minimum(mean, constant(1))
