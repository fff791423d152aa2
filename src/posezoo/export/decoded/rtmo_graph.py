"""RTMO in a graph: ``poses.rtmo`` with OpenVINO's operations."""

from __future__ import annotations

import openvino.opset13 as ops

from posezoo.export.decoded.nodes import Maps, TwoNodes, select_rows, take, without_batch
from posezoo.poses.letterbox import Size
from posezoo.poses.rtmo import RtmoOptions

#: The most people that the network finds.
MAX_PEOPLE = 50


def build(maps: Maps, _size: Size, _options: RtmoOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
    people = without_batch(maps["keypoints"])
    scores = take(without_batch(maps["dets"]), 4, 1)
    kept, best = select_rows(people, scores, max_people or MAX_PEOPLE)
    return kept, ops.clamp(best, 0, 1)
