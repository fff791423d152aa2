"""Ends networks of TensorFlow's Object Detection API at DetectionOutput, as Model Optimizer did.

Their graph resizes the picture in one loop, and removes overlapping boxes in others, which takes 20
times as long as the network of an SSD. The IR takes a picture of the network's size, and operations
of OpenVINO remove the boxes. Unlike Model Optimizer's, the rows are sorted by score.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.routes import MO_ADVICE
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import (
    error_text,
    fold_constants,
    import_openvino,
    openvino_core,
)
from posezoo.formats.object_detection.loopless_graph import (
    detect,
    find_boxes,
    find_tensor,
    loop_input,
    loop_output,
    make_output,
    replace_input,
)
from posezoo.formats.object_detection.pipeline_config import DetectionConfig, read_pipeline
from posezoo.formats.object_detection.two_stage import join_stages, name_ends, name_starts
from posezoo.formats.region_configs import SIZE_INPUT, Detector, find_detector
from posezoo.formats.tensorflow import cut_graph

if TYPE_CHECKING:
    from openvino import Model

#: An SSD's decoded boxes [N, boxes, 1, 4] with corners as y, x, and scores [N, boxes, classes].
_BOXES = "Postprocessor/ExpandDims_1"
_SCORES = "Postprocessor/convert_scores"
_PICTURE = "image_tensor"
_PICTURES = "Preprocessor/map"
_OUTPUT = "detection_boxes"


def read_without_loops(spec: ModelSpec, source: Path) -> bytes | None:
    """The parts of a detector's graph between its loops, for ``add_detection_output``; None if the
    model is none.

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

    Another model's network is returned as it is; the parts must not be used afterwards. An SSD's
    output, ``detection_boxes`` [1, 1, rows, 7], has for each box: the image's number, its label
    (the first class is 1), its score, and x and y of two corners from 0 to 1. Rows without a box
    are last and have the score 0. See ``two_stage.join_stages`` for the outputs of others, which
    have another input: ``image_info`` [1, 3], the height and the width of the picture, and 1.

    Args:
        network: an ``openvino.Model``, read from what ``read_without_loops`` returned.
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
