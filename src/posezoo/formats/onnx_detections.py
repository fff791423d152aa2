"""OpenVINO's DetectionOutput, the head of SSD, as nodes of ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posezoo.core.arrays import Array
from posezoo.formats.onnx_graph import OnnxGraph, constant_of, make_error

if TYPE_CHECKING:
    from openvino import Node


def write_detections(graph: OnnxGraph, node: Node) -> None:
    """The rows have the order and the number of OpenVINO's; the image of the row after the last
    detection is -1.
    """
    attributes = node.get_attributes()
    if node.get_input_shape(0)[0] != 1 or not attributes["share_location"]:
        raise make_error(node, "of several images, or boxes of each class, is not written as ONNX")
    priors = constant_of(node, 2).reshape(-1, node.get_input_shape(0)[1] // 4, 4)
    count = len(priors[0])
    classes = list(range(node.get_input_shape(1)[1] // count))
    if attributes["background_label_id"] in classes:
        classes.remove(attributes["background_label_id"])
    # A value below 1 is no limit.
    top_k = min(attributes["top_k"], count) if attributes["top_k"] > 0 else count
    limit = node.get_output_shape(0)[2]
    # The first empty row has another box than the others, for its image.
    empty = np.array([[0, len(classes), count + 1]] * limit)
    empty[0, 2] = count
    images = np.zeros(count + 2)
    images[count] = -1
    boxes = _write_boxes(graph, node, priors)
    if attributes["clip_before_nms"]:
        boxes = graph.add(
            "Clip", boxes, graph.constant(np.float32(0)), graph.constant(np.float32(1))
        )
    scores = graph.add("Reshape", graph.input(node, 1), graph.constant([1, count, -1]))
    parameters = (
        classes,
        np.array([*classes, 0], np.float32),
        images,
        [top_k],
        attributes["confidence_threshold"],
        attributes["nms_threshold"],
        empty,
        [limit],
    )
    graph.add("Detections", boxes, scores, *map(graph.constant, parameters))


def _write_boxes(graph: OnnxGraph, node: Node, priors: Array) -> str:
    """The corners of all boxes: prior boxes, moved by what the network says."""
    attributes = node.get_attributes()
    corners = priors[0]
    moves = graph.add("Reshape", graph.input(node), graph.constant([-1, 4]))
    if not attributes["variance_encoded_in_target"]:
        moves = graph.add("Mul", moves, graph.constant(priors[1]))
    if attributes["code_type"].endswith("CORNER"):
        return graph.add("Add", moves, graph.constant(corners))
    low, high = np.split(corners, 2, 1)
    centers = graph.constant((low + high) / 2)
    return graph.add("CenterSizeBoxes", moves, centers, graph.constant(high - low))
