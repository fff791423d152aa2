"""Ends networks of TensorFlow's Object Detection API (SSD) at DetectionOutput, as Model Optimizer
did.

Their graph resizes the picture in one loop, and removes overlapping boxes in another one, which
takes 20 times as long as the network. The IR takes a picture of the network's size, and
DetectionOutput removes the boxes. Unlike Model Optimizer's, its rows are sorted by score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posezoo.convert.caffe.prototxt import Message, read_prototxt
from posezoo.convert.graph_cutting import find_output
from posezoo.errors import ConversionError, sanitize
from posezoo.ir.openvino_import import error_text, fold_constants, import_openvino
from posezoo.spec.model import ModelSpec
from posezoo.spec.region_configs import find_ssd_pipeline

#: The decoded boxes [N, boxes, 1, 4] with corners as y, x, and their scores [N, boxes, classes].
BOXES, SCORES = "Postprocessor/ExpandDims_1", "Postprocessor/convert_scores"
#: Where the loop gets the pictures, and where it puts the resized ones.
_UNSTACKED = "Preprocessor/map/TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3"
_STACKED = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"

_OUTPUT = "detection_boxes"
_HINT = "a Model Optimizer of OpenVINO 2024.6 may convert it: --mo PATH"

#: The known fields of three messages. Of their other fields, only a switch that is off is known.
_RESIZER_FIELDS = {"height", "width", "resize_method"}
_POSTPROCESSING_FIELDS = {"batch_non_max_suppression", "score_converter", "logit_scale"}
_NMS_FIELDS = {
    "score_threshold",
    "iou_threshold",
    "max_detections_per_class",
    "max_total_detections",
    "use_static_shapes",
}
_SCORE_CONVERTERS = ("SIGMOID", "SOFTMAX")


class _Pipeline(NamedTuple):
    """What the network's pipeline.config says of its input and its boxes."""

    classes: int  # without the background
    height: int
    width: int
    score_threshold: float
    iou_threshold: float
    per_class: int  # boxes of each class whose overlaps are compared
    total: int  # rows of the output


def add_detection_output(network: Any, spec: ModelSpec, source: Path) -> Any:
    """The network of an SSD with its input behind the resizing loop, and DetectionOutput.

    Another model's network is returned as it is; that of an SSD must not be used afterwards. The
    output, ``detection_boxes`` [1, 1, rows, 7], has for each box: the image's number, its label
    (the first class is 1), its score, and x and y of two corners from 0 to 1. Rows without a box
    are last and have the score 0.

    Args:
        network: an ``openvino.Model`` as read from TensorFlow's graph.
        source: the path of the graph; the model's pipeline.config is beside it.

    Raises:
        ConversionError: the pipeline.config is missing, damaged or has a value that is not
            supported, or the network does not fit it.
    """
    name = find_ssd_pipeline(spec.mo_args)
    if not name:
        return network
    path = spec.path_beside_source(source, name.removeprefix("$dl_dir/"))
    pipeline = _read_pipeline(path)
    try:
        boxes, scores = _cut_loops(network, spec, pipeline)
        rows = _detect(boxes, scores, pipeline)
        result = import_openvino().op.Result(_sort_by_score(rows, pipeline.total))
    except (ValueError, RuntimeError) as error:
        problem = f"{path}: does not fit the network: {error_text(error)}"
        raise ConversionError(problem, hint=_HINT) from error
    return import_openvino().Model([result], network.get_parameters(), spec.name)


def _read_pipeline(path: Path) -> _Pipeline:
    model = read_prototxt(path).message("model")
    if "ssd" not in model.fields:
        kinds = sanitize(", ".join(model.fields))
        raise ConversionError(f"{path}: describes no SSD, but: {kinds or 'nothing'}", hint=_HINT)
    ssd = model.message("ssd")
    resizers = ssd.message("image_resizer")
    _refuse_other_fields(resizers, {"fixed_shape_resizer"})
    resizer = resizers.message("fixed_shape_resizer")
    _refuse_other_fields(resizer, _RESIZER_FIELDS)
    postprocessing = ssd.message("post_processing")
    _refuse_other_fields(postprocessing, _POSTPROCESSING_FIELDS)
    converter = postprocessing.text("score_converter", "IDENTITY")
    if converter not in _SCORE_CONVERTERS:
        raise postprocessing.make_error(f"score_converter {sanitize(converter)} is not supported")
    if not ssd.flag("add_background_class", True):
        raise ssd.make_error("add_background_class: false is not supported")
    nms = postprocessing.message("batch_non_max_suppression")
    _refuse_other_fields(nms, _NMS_FIELDS)
    return _Pipeline(
        ssd.integer("num_classes", 0),
        resizer.integer("height", 300),
        resizer.integer("width", 300),
        nms.number("score_threshold", 0.0),
        nms.number("iou_threshold", 0.6),
        nms.integer("max_detections_per_class", 100),
        nms.integer("max_total_detections", 100),
    )


def _refuse_other_fields(message: Message, known: set[str]) -> None:
    for name in message.fields.keys() - known:
        if message.fields[name] != ["false"]:
            raise message.make_error(f"{sanitize(name)} is not supported")


def _cut_loops(network: Any, spec: ModelSpec, pipeline: _Pipeline) -> tuple[Any, Any]:
    """The network's boxes and scores for a picture of its own size."""
    shape = (1, pipeline.height, pipeline.width, 3)
    if any(port.shape not in ((), shape) for port in spec.inputs):
        raise ValueError(f"the model declares another input than {list(shape)}")
    unstacked, resized, boxes, scores = (
        _find_tensor(network, name) for name in (_UNSTACKED, _STACKED, BOXES, SCORES)
    )
    picture = unstacked.get_node().input_value(2)
    for reader in resized.get_target_inputs():
        reader.replace_source_output(picture)
    ov = import_openvino()
    results = [ov.op.Result(boxes), ov.op.Result(scores)]
    cut = ov.Model(results, network.get_parameters(), spec.name)
    cut.reshape(ov.PartialShape(list(shape)))
    fold_constants(cut)
    boxes, scores = (result.input_value(0) for result in results)
    count = boxes.get_shape()[1]
    sizes = [list(boxes.get_shape()), list(scores.get_shape())]
    if sizes != [[1, count, 1, 4], [1, count, pipeline.classes + 1]]:
        raise ValueError(f"its boxes and scores have the shapes {sizes}")
    return boxes, scores


def _find_tensor(network: Any, name: str) -> Any:
    port = find_output(network, name)
    if port is None:
        raise ValueError(f"its graph has no {name}, which is in those of SSD since 2018")
    return port


def _detect(boxes: Any, scores: Any, pipeline: _Pipeline) -> Any:
    """The rows of DetectionOutput, [1, 1, rows, 7], by class."""
    from openvino import opset8

    corners = opset8.gather(boxes, np.array([1, 0, 3, 2]), np.array(3))  # x, y, as it takes them
    flat = np.array([1, -1])
    # The boxes are decoded already, so they are priors that no offset moves.
    priors = opset8.reshape(corners, np.array([1, 1, -1]), special_zero=False)
    offsets = np.zeros((1, 4 * boxes.get_shape()[1]), np.float32)
    attributes = {
        "background_label_id": 0,
        "code_type": "caffe.PriorBoxParameter.CORNER",
        "variance_encoded_in_target": True,
        "normalized": True,
        "share_location": True,
        "clip_after_nms": True,
        "confidence_threshold": pipeline.score_threshold,
        "nms_threshold": pipeline.iou_threshold,
        "top_k": pipeline.per_class,
        "keep_top_k": [pipeline.total],
    }
    return opset8.detection_output(
        opset8.constant(offsets),
        opset8.reshape(scores, flat, special_zero=False),
        priors,
        attributes,
    )


def _sort_by_score(rows: Any, count: int) -> Any:
    from openvino import opset11

    scores = opset11.gather(rows, np.array(2), np.array(3))
    order = opset11.topk(scores, np.array(count), 2, "max", "value", "i32", stable=True).output(1)
    places = opset11.reshape(order, np.array([-1]), special_zero=False)
    table = opset11.gather(rows, places, np.array(2))
    table.set_friendly_name("DetectionOutput")
    table.output(0).set_names({_OUTPUT, f"{_OUTPUT}:0"})
    return table.output(0)
