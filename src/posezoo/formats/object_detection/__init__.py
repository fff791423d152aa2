"""Ends networks of TensorFlow's Object Detection API at DetectionOutput, as Model Optimizer did.

Their graph resizes the picture and removes overlapping boxes in loops, which takes 20 times as long
as the network of an SSD. The IR takes a picture of the network's size, and OpenVINO's operations
remove the boxes; unlike Model Optimizer's, the rows are sorted by score.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from posezoo.core.convert.graph_cutting import find_output
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.routes import MO_ADVICE
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_graph import Model, Node, Output, opset8, opset11
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.core.ir.openvino_import import (
    error_text,
    fold_constants,
    import_openvino,
    openvino_core,
)
from posezoo.formats.object_detection.pipeline_config import DetectionConfig, Limits, read_pipeline
from posezoo.formats.region_configs import SIZE_INPUT, Detector, find_detector
from posezoo.formats.tensorflow import cut_graph

#: An SSD's decoded boxes [N, boxes, 1, 4] with corners as y, x, and scores [N, boxes, classes].
_BOXES = "Postprocessor/ExpandDims_1"
_SCORES = "Postprocessor/convert_scores"
_PICTURE = "image_tensor"
_PICTURES = "Preprocessor/map"
_OUTPUT = "detection_boxes"


def read_without_loops(spec: ModelSpec, source: Path) -> bytes | None:
    """The parts of a detector's graph between its loops, for ``add_detection_output``; None for
    other models.

    Raises:
        ConversionError: see ``add_detection_output``.
    """
    detector = find_detector(spec.mo_args)
    if detector is None:
        return None
    pipeline = _read_pipeline(detector, spec, source)
    starts = {loop_output(_PICTURES): _picture_shape(spec, pipeline)}
    ends = [loop_input(_PICTURES)]
    if detector.stages == 1:
        ends += [_BOXES, _SCORES]
    else:
        starts |= name_starts(detector, pipeline)
        ends += name_ends(detector)
    return cut_graph(source, ends, starts)


def add_detection_output(network: Model, spec: ModelSpec, source: Path) -> Model:
    """The network of a detector, joined from its parts, with DetectionOutput.

    Another model's network is returned as it is; the given one must not be used afterwards. An
    SSD's output, ``detection_boxes`` [1, 1, rows, 7], has for each box: the image's number, its
    label (the first class is 1), its score (0 in rows without a box, which are last), and x and y
    of two corners from 0 to 1. Others have the outputs of ``join_stages``, and the input
    ``image_info`` [1, 3]: the height and the width of the picture, and 1.

    Args:
        network: an ``openvino.Model`` from ``read_without_loops``.
        source: the path of the graph; the model's pipeline.config is beside it.

    Raises:
        ConversionError: the pipeline.config is missing, damaged or has a value that is not
            supported, or the network does not fit it.
    """
    detector = find_detector(spec.mo_args)
    if detector is None:
        return network
    pipeline = _read_pipeline(detector, spec, source)
    try:
        return _join(network, detector, pipeline, spec)
    except (ValueError, RuntimeError) as error:
        path = _pipeline_path(detector, spec, source)
        problem = f"{path}: does not fit the network: {error_text(error)}"
        raise ConversionError(problem, hint=MO_ADVICE) from error


def _read_pipeline(detector: Detector, spec: ModelSpec, source: Path) -> DetectionConfig:
    return read_pipeline(_pipeline_path(detector, spec, source), stages=detector.stages)


def _pipeline_path(detector: Detector, spec: ModelSpec, source: Path) -> Path:
    return spec.path_beside_source(source, detector.pipeline.removeprefix("$dl_dir/"))


def _picture_shape(spec: ModelSpec, pipeline: DetectionConfig) -> tuple[int, ...]:
    declared = next((port.shape for port in spec.inputs if port.shape), ())
    return declared or (1, *pipeline.smallest, 3)


def _join(network: Model, detector: Detector, pipeline: DetectionConfig, spec: ModelSpec) -> Model:
    ov = import_openvino()
    shape = _picture_shape(spec, pipeline)
    if len(shape) != 4 or not pipeline.accepts(*shape[1:3]):
        raise ValueError(f"the network would resize the declared input {list(shape)}")
    replace_input(network, loop_output(_PICTURES), find_tensor(network, loop_input(_PICTURES)))
    find_tensor(network, _PICTURE).get_node().set_partial_shape(ov.PartialShape(list(shape)))
    network.validate_nodes_and_infer_types()
    network = _fold_sizes(network)
    picture = find_tensor(network, _PICTURE).get_node()
    if detector.stages == 1:
        boxes, scores = find_boxes(network, [_BOXES, _SCORES], pipeline.classes + 1)
        rows = detect(boxes, scores, pipeline.detections, clip_after_nms=True)
        return ov.Model([make_output(rows, _OUTPUT, f"{_OUTPUT}:0")], [picture], spec.name)
    size = ov.op.Parameter(ov.Type.f32, ov.Shape([1, 3]))
    size.set_friendly_name(SIZE_INPUT)
    size.output(0).set_names({SIZE_INPUT, f"{SIZE_INPUT}:0"})
    results = join_stages(network, detector, pipeline, size)
    return ov.Model(results, [picture, size], spec.name)


def _fold_sizes(network: Model) -> Model:
    """The same network from an IR, with constants for what follows from sizes, such as anchors.

    In a network from TensorFlow, OpenVINO keeps sizes from being folded. FP16 could then not be
    compared with FP32, and the CPU plug-in of OpenVINO 2026.4 cannot run the parts joined.
    """
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "network.xml"
        import_openvino().serialize(network, xml)
        config = {"ENABLE_MMAP": False}  # the file is removed
        network = openvino_core().read_model(xml, config=config)
    fold_constants(network)
    return network


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
    """The Results of Faster R-CNN, R-FCN or Mask R-CNN: ``detection_output`` [1, 1, rows, 7], or
    ``masks`` [rows, classes, height, width] and ``reshape_do_2d`` [rows, 7].

    NonMaxSuppression and DetectionOutput replace TensorFlow's loops between the stages. Unlike in
    Model Optimizer's networks, no box without an area is found.

    Args:
        network: the parts of the graph.
        size: height and width of the picture and another value, [1, 3].
    """
    height_width = ops.gather(size, [0, 1, 0, 1], 1)
    is_one = _join_proposals(network, detector, pipeline, height_width)
    scope = _detections_scope(detector)
    found, scores = find_boxes(network, _boxes_and_scores(scope), pipeline.classes)
    count, locations = list(found.get_shape())[1:3]
    boxes = ops.divide(found, height_width)
    is_inside = _has_area(ops.clamp(boxes, 0.0, 1.0))
    scores = ops.multiply(scores, is_one)
    scores = ops.multiply(scores, is_inside)
    background = np.zeros((1, count, 1), np.float32)
    scores = ops.concat([background, scores], 2)
    if locations > 1:
        background_box = np.zeros((1, count, 1, 4), np.float32)
        boxes = ops.concat([background_box, boxes], 2)
    clips_late = detector.release >= _CLIPS_LATE
    clipping = {"clip_before_nms": not clips_late, "clip_after_nms": clips_late}
    rows = detect(boxes.output(0), scores.output(0), pipeline.detections, **clipping)
    if detector.kind != "mask_rcnn":
        return [make_output(rows, "detection_output", "detection_output:0")]
    corners = ops.gather(rows, [4, 3, 6, 5], 3)
    boxes = ops.squeeze(corners, [1])
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
    limits = pipeline.proposals
    assert limits is not None
    boxes, scores = find_boxes(network, _boxes_and_scores(_PROPOSALS), 1)
    rows = ops.reshape(boxes, [1, -1, 4], special_zero=False)
    rows = ops.divide(rows, height_width)
    scores = ops.transpose(scores, [0, 2, 1])
    if detector.release < _CLIPS_LATE:
        rows = ops.clamp(rows, 0.0, 1.0)
        scores = ops.multiply(scores, _has_area(rows))
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
    proposals = ops.clamp(ops.gather(rows, indices, 1), 0.0, 1.0)
    numbers = np.arange(limits.total, dtype=np.int32)[None]
    is_counted = ops.convert(ops.less(numbers, kept.output(2)), "f32")
    is_one = ops.multiply(is_counted, _has_area(proposals))
    is_one = ops.unsqueeze(is_one, -1)
    proposals = ops.multiply(proposals, is_one)
    replace_input(network, loop_output("map"), proposals.output(0))
    pixels = ops.multiply(proposals, height_width)
    replace_input(network, loop_output(_scaling_scope(detector)), pixels.output(0))
    return is_one


def _has_area(boxes: Node) -> Node:
    """1 for each box with an area, or else 0: the shape of the boxes without its last axis."""
    low = ops.gather(boxes, [0, 1], -1)
    high = ops.gather(boxes, [2, 3], -1)
    sides = ops.convert(ops.greater(high, low), "f32")
    return ops.reduce_min(sides, -1)


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
    """Give what a tensor computes to all readers of an input, which is removed."""
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
