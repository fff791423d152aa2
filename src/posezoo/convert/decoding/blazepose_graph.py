"""BlazePose's landmark network in a graph: ``pose.blazepose.decode_pose`` with OpenVINO's operations."""

from __future__ import annotations

from typing import Any

import openvino.opset13 as ops

from posezoo.convert.decoding import nodes
from posezoo.convert.decoding.nodes import Maps
from posezoo.pose.blazepose import BODY, LANDMARK_NUMBERS, LARGEST_LOGIT, BlazePoseOptions
from posezoo.pose.letterbox import Size


def build(maps: Maps, _size: Size, _options: BlazePoseOptions, _max_people: int) -> tuple[Any, Any]:
    """The person, as ``append_decoder`` says."""
    raw = ops.reshape(maps["landmarks"], nodes.integers([1, -1, LANDMARK_NUMBERS]), False)
    body = nodes.take(raw, range(BODY), 1)
    scores = ops.sigmoid(ops.clamp(nodes.take(body, [3], 2), -LARGEST_LOGIT, LARGEST_LOGIT))
    keypoints = ops.concat([nodes.take(body, [0, 1], 2), scores], 2)
    return keypoints, ops.reshape(maps["presence"], nodes.integers([1]), False)
