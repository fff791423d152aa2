"""Faster R-CNN, R-FCN and Mask R-CNN: proposals, their classes, and masks of what is found.

Between the stages, TensorFlow's loops remove overlapping boxes and scale the others. Here
NonMaxSuppression and DetectionOutput do. Unlike in Model Optimizer's networks, no box without an
area is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from posezoo.formats.object_detection.loopless_graph import (
    detect,
    find_boxes,
    find_tensor,
    loop_input,
    loop_output,
    make_output,
    replace_input,
)
from posezoo.formats.object_detection.pipeline_config import DetectionConfig, Limits
from posezoo.formats.region_configs import Detector

if TYPE_CHECKING:
    from openvino import Model, Node, Output

_PROPOSALS = "BatchMultiClassNonMaxSuppression/map"
_MASKS = "SecondStageBoxPredictor_1/Conv_3/BiasAdd"
#: The release of the API since which boxes are clipped to the picture after overlaps are removed.
_CLIPS_LATE = 10
#: The release since which the third loop scales proposals to the picture, not the second.
_SCALES_ALL = 13


def _scaling_scope(detector: Detector) -> str:
    return "map_1" if detector.release < _SCALES_ALL else "map_2"


def _detections_scope(detector: Detector) -> str:
    if detector.kind == "mask_rcnn":
        return "BatchMultiClassNonMaxSuppression_1/map"
    return "SecondStagePostprocessor/BatchMultiClassNonMaxSuppression/map"


def _boxes_and_scores(scope: str) -> list[str]:
    return [loop_input(scope, number) for number in (0, 1)]


def name_ends(detector: Detector) -> list[str]:
    """The nodes at which the parts of the graph end."""
    ends = _boxes_and_scores(_PROPOSALS) + _boxes_and_scores(_detections_scope(detector))
    return [*ends, _MASKS] if detector.kind == "mask_rcnn" else ends


def name_starts(detector: Detector, pipeline: DetectionConfig) -> Mapping[str, tuple[int, ...]]:
    """The nodes at which the parts behind a loop start, with the shapes of their tensors."""
    assert pipeline.proposals is not None
    boxes = (1, pipeline.proposals.total, 4)
    starts = {loop_output("map"): boxes, loop_output(_scaling_scope(detector)): boxes}
    if detector.kind == "mask_rcnn":
        detections = (1, pipeline.detections.total, 4)
        starts[loop_output(_detections_scope(detector))] = detections
    return starts


def join_stages(
    network: Model, detector: Detector, pipeline: DetectionConfig, size: Node
) -> list[Node]:
    """The Results of the network: ``detection_output`` [1, 1, rows, 7], or ``masks``
    [rows, classes, height, width] and ``reshape_do_2d`` [rows, 7].

    Args:
        network: the parts of the graph, with their sizes.
        size: height and width of the picture and another value, [1, 3].
    """
    from openvino import opset13 as ops

    height_width = ops.gather(size, [0, 1, 0, 1], 1)
    is_one = _join_proposals(network, detector, pipeline, height_width)
    rows = _detect_in_proposals(network, detector, pipeline, height_width, is_one=is_one)
    if detector.kind != "mask_rcnn":
        return [make_output(rows, "detection_output", "detection_output:0")]
    corners = ops.gather(rows, [4, 3, 6, 5], 3)
    boxes = ops.squeeze(corners, [1])
    scope = _detections_scope(detector)
    replace_input(network, loop_output(scope), boxes.output(0))
    table = ops.reshape(rows, [-1, 7], special_zero=False)
    logits = find_tensor(network, _MASKS)
    logits.set_names(set())  # the output has them
    channels_first = ops.transpose(logits, [0, 3, 1, 2])
    masks = make_output(ops.sigmoid(channels_first), _MASKS, "masks")
    return [masks, make_output(table, "reshape_do_2d", "reshape_do_2d:0")]


def _join_proposals(
    network: Model, detector: Detector, pipeline: DetectionConfig, height_width: Node
) -> Node:
    """Give proposals to the second stage; returns whether each is one, [1, count, 1]: zeros fill
    the rest.
    """
    from openvino import opset13 as ops

    assert pipeline.proposals is not None
    boxes, scores = find_boxes(network, _boxes_and_scores(_PROPOSALS), 1)
    rows = ops.reshape(boxes, [1, -1, 4], special_zero=False)
    rows = ops.divide(rows, height_width)
    scores = ops.transpose(scores, [0, 2, 1])
    if not _clips_late(detector):
        rows = ops.clamp(rows, 0.0, 1.0)
        scores = ops.multiply(scores, _has_area(rows))
    proposals, count = _propose(rows, scores, pipeline.proposals)
    numbers = np.arange(pipeline.proposals.total, dtype=np.int32)[None]
    is_counted = ops.convert(ops.less(numbers, count), "f32")
    is_one = ops.multiply(is_counted, _has_area(proposals))
    is_one = ops.unsqueeze(is_one, -1)
    proposals = ops.multiply(proposals, is_one)
    replace_input(network, loop_output("map"), proposals.output(0))
    pixels = ops.multiply(proposals, height_width)
    replace_input(network, loop_output(_scaling_scope(detector)), pixels.output(0))
    return is_one


def _clips_late(detector: Detector) -> bool:
    return detector.release >= _CLIPS_LATE


def _propose(rows: Node, scores: Node, limits: Limits) -> tuple[Node, Output]:
    """Boxes [1, limits.total, 4] with corners as y, x from 0 to 1; and how many of them are
    proposals, [1].
    """
    from openvino import opset13 as ops

    kept = ops.non_max_suppression(
        rows,
        scores,
        limits.total,
        np.float32(limits.iou_threshold),
        np.float32(limits.score_threshold),
        output_type="i32",
    )
    indices = ops.gather(kept.output(0), 2, 1)
    indices = ops.concat([indices, np.zeros(limits.total, np.int32)], 0)
    indices = ops.slice(indices, [0], [limits.total], [1])
    boxes = ops.gather(rows, indices, 1)
    return ops.clamp(boxes, 0.0, 1.0), kept.output(2)


def _detect_in_proposals(
    network: Model, detector: Detector, pipeline: DetectionConfig, height_width: Node, is_one: Node
) -> Node:
    """The rows of DetectionOutput, [1, 1, rows, 7]."""
    from openvino import opset13 as ops

    names = _boxes_and_scores(_detections_scope(detector))
    boxes, scores = find_boxes(network, names, pipeline.classes)
    count, locations = list(boxes.get_shape())[1:3]
    boxes = ops.divide(boxes, height_width)
    is_inside = _has_area(ops.clamp(boxes, 0.0, 1.0))
    scores = ops.multiply(scores, is_one)
    scores = ops.multiply(scores, is_inside)
    background = np.zeros((1, count, 1), np.float32)
    scores = ops.concat([background, scores], 2)
    if locations > 1:
        background_box = np.zeros((1, count, 1, 4), np.float32)
        boxes = ops.concat([background_box, boxes], 2)
    clips_late = _clips_late(detector)
    clipping = {"clip_before_nms": not clips_late, "clip_after_nms": clips_late}
    return detect(boxes.output(0), scores.output(0), pipeline.detections, **clipping)


def _has_area(boxes: Node) -> Node:
    """1 for each box with an area, or else 0: the shape of the boxes without its last axis."""
    from openvino import opset13 as ops

    low = ops.gather(boxes, [0, 1], -1)
    high = ops.gather(boxes, [2, 3], -1)
    sides = ops.convert(ops.greater(high, low), "f32")
    return ops.reduce_min(sides, -1)
