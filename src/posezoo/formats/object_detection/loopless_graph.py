"""A detector's graph without its loops, and the operations that take their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from openvino import Model, Node, Output, opset8, opset11

from posezoo.core.convert.graph_cutting import find_output
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.formats.object_detection.pipeline_config import Limits


def loop_input(scope: str, number: int = 0) -> str:
    """The node that gives its first or another tensor to a loop of TensorFlow's ``map_fn``."""
    suffix = f"_{number}" if number else ""
    return f"{scope}/TensorArrayUnstack{suffix}/TensorArrayScatter/TensorArrayScatterV3"


def loop_output(scope: str) -> str:
    """The node that has the first result of such a loop."""
    return f"{scope}/TensorArrayStack/TensorArrayGatherV3"


def find_tensor(network: Model, name: str) -> Output:
    """The tensor of that name, an ``openvino.Output``; a ValueError if there is none."""
    port = find_output(network, name)
    if port is None:
        raise ValueError(f"its graph has no {name}")
    return port


def find_boxes(network: Model, names: Sequence[str], classes: int) -> tuple[Output, Output]:
    """The tensors of boxes [1, boxes, 1 or classes, 4] and of their scores [1, boxes, classes]; a
    ValueError if they have other shapes.
    """
    boxes, scores = (find_tensor(network, name) for name in names)
    sizes = [list(port.get_shape()) for port in (boxes, scores)]
    count = sizes[0][1:2]
    fitting = [[[1, *count, each, 4], [1, *count, classes]] for each in (1, classes)]
    if sizes not in fitting:
        raise ValueError(f"its boxes and scores have the shapes {sizes}")
    return boxes, scores


def replace_input(network: Model, name: str, port: Output) -> None:
    """Give what a tensor computes to all readers of an input, which the network loses by that."""
    for reader in find_tensor(network, name).get_target_inputs():
        reader.replace_source_output(port)


def detect(boxes: Output, scores: Output, limits: Limits, **clipping: bool) -> Node:
    """The rows of DetectionOutput, [1, 1, rows, 7], the best first.

    Args:
        boxes: corners as y, x from 0 to 1, [1, boxes, 1 or classes, 4].
        scores: of all classes, the background first, [1, boxes, classes].
        clipping: ``clip_before_nms`` or ``clip_after_nms``.
    """
    count, locations = list(boxes.get_shape())[1:3]
    corners = opset8.gather(boxes, [1, 0, 3, 2], 3)  # x, y, as it takes them
    flat = [1, -1]
    # The boxes are decoded already: they are offsets from priors at 0.
    attributes = {
        "background_label_id": 0,
        "code_type": "caffe.PriorBoxParameter.CORNER",
        "variance_encoded_in_target": True,
        "normalized": True,
        "share_location": locations == 1,
        "confidence_threshold": limits.score_threshold,
        "nms_threshold": limits.iou_threshold,
        "top_k": limits.per_class,
        "keep_top_k": [limits.total],
        **clipping,
    }
    rows = opset8.detection_output(
        opset8.reshape(corners, flat, special_zero=False),
        opset8.reshape(scores, flat, special_zero=False),
        opset8.constant(np.zeros((1, 1, 4 * count), np.float32)),
        attributes,
    )
    row_scores = opset11.gather(rows, 2, 3)
    order = opset11.topk(
        row_scores, limits.total, 2, "max", sort="value", index_element_type="i32", stable=True
    ).output(1)
    indices = opset11.reshape(order, [-1], special_zero=False)
    return opset11.gather(rows, indices, 2)


def make_output(node: Node, name: str, *names: str) -> Node:
    """A Result of a node, with the names of its tensor."""
    node.set_friendly_name(name)
    node.output(0).set_names({name, *names})
    return import_openvino().op.Result(node.output(0))
