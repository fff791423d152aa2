"""Faster R-CNN and Mask R-CNN of TensorFlow's Object Detection API, compared with a network in numpy, and with Model
Optimizer.
"""

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from core.convert.test_graph_cutting import FP16, FP32, converted
from fakes.model_optimizer import ENVIRONMENT, needs_mo, run_model_optimizer
from fakes.ssd import SIZE
from fakes.two_stage import CLASSES, MASK, PIPELINE, PROPOSALS, ROWS, TwoStage, suppress
from formats.object_detection.test_object_detection import (
    detector_spec,
    draw_picture,
    needs_tensorflow,
    read,
)
from posezoo.core.declarations.supported_mo_args import PIPELINE_CONFIG, TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino

INFO = np.float32([[SIZE, SIZE, 1]])


def config(name):
    return (TRANSFORMATIONS_CONFIG, f"$mo_dir/extensions/front/tf/{name}.json")


def expected_rows(boxes, scores):
    """The rows of the boxes that are left, the best first; corners as x, y from 0 to 1."""
    rows = []
    for label in range(CLASSES):
        own = np.clip(boxes[:, label] / SIZE, 0, 1)
        kept = [
            each for each in suppress(own, scores[:, label], 0.6, ROWS) if scores[each, label] > 0.2
        ]
        rows += [(0, label + 1, scores[each, label], *own[each][[1, 0, 3, 2]]) for each in kept]
    return np.array(sorted(rows, key=lambda row: -row[2])[:ROWS])


@pytest.mark.parametrize(
    "name", ["faster_rcnn_support", "rfcn_support", "faster_rcnn_support_api_v1.7"]
)
def test_the_rows_are_the_boxes_of_both_stages_the_best_first(tmp_path, name):
    graph = TwoStage()
    network = read(tmp_path, graph.content(), PIPELINE, config(name))
    picture = draw_picture()
    rows = compiled(network)([picture[None], INFO])[0]
    boxes, scores, _ = graph.compute(picture)
    expected = expected_rows(boxes, scores)
    assert rows.shape == (1, 1, ROWS, 7)
    assert set(expected[:, 1]) == {1, 2, 3}
    assert PROPOSALS < len(expected) <= ROWS
    np.testing.assert_allclose(rows[0, 0, : len(expected)], expected, atol=1e-4)
    assert not rows[0, 0, len(expected) :, 1:].any()
    assert "Loop" not in {node.get_type_name() for node in network.get_ordered_ops()}


def test_masks_are_those_of_the_boxes_in_the_rows(tmp_path):
    graph = TwoStage(masks=True)
    network = read(tmp_path, graph.content(), PIPELINE, config("mask_rcnn_support"))
    picture = draw_picture()
    masks, rows = compiled(network)([picture[None], INFO]).values()
    boxes, scores, features = graph.compute(picture)
    expected = expected_rows(boxes, scores)
    assert (rows.shape, masks.shape) == ((ROWS, 7), (ROWS, CLASSES, MASK, MASK))
    np.testing.assert_allclose(rows[: len(expected)], expected, atol=1e-4)
    drawn = graph.masks_of(features, rows[:, [4, 3, 6, 5]])
    assert np.ptp(drawn) > 0.5
    np.testing.assert_allclose(masks, drawn, atol=1e-4)


def test_the_ir_has_the_ports_of_model_optimizers(tmp_path):
    content = TwoStage(masks=True).content()
    ir = converted(*detector_spec(content, tmp_path, PIPELINE, config("mask_rcnn_support")), FP32)
    names = ["image_tensor", "image_info", "masks", "reshape_do_2d"]
    ports = (*ir.inputs, *ir.outputs)
    assert all(name in port.names for name, port in zip(names, ports, strict=True))
    assert list(ir.input("image_info").shape) == [1, 3]
    assert [str(port.element_type) for port in ir.inputs] == [
        "<Type: 'uint8_t'>",
        "<Type: 'float32'>",
    ]


@pytest.mark.parametrize("masks", [False, True])
def test_the_ir_in_fp16_has_the_anchors_as_constants_and_finds_the_same_boxes(tmp_path, masks):
    """The original selects the anchors with an area, whose number must not depend on FP16."""
    name = "mask_rcnn_support" if masks else "faster_rcnn_support"
    model = detector_spec(TwoStage(masks=masks).content(), tmp_path, PIPELINE, config(name))
    irs = [converted(*model, precision) for precision in (FP32, FP16)]
    pictures = {"image_tensor": draw_picture()[None], "image_info": INFO}
    rows, rounded = (list(compiled(ir)(pictures).values())[-1].reshape(ROWS, 7) for ir in irs)
    assert len(np.unique(rows[:, 2])) > PROPOSALS
    np.testing.assert_allclose(rounded, rows, atol=1e-2)
    kinds = {node.get_type_name() for node in irs[1].get_ordered_ops()}
    assert not kinds & {"NonZero", "ShapeOf"}


@needs_mo
@needs_tensorflow
@pytest.mark.parametrize("masks", [False, True])
def test_outputs_are_those_of_model_optimizer_sorted_by_score(tmp_path, masks):
    content = TwoStage(masks=masks).content()
    name = "mask_rcnn_support" if masks else "faster_rcnn_support"
    network = read(tmp_path, content, PIPELINE, config(name))
    graph, pipeline = tmp_path / "graph.pb", tmp_path / "pipeline.config"
    graph.write_bytes(content)
    pipeline.write_text(PIPELINE)
    (front,) = ENVIRONMENT.glob(f"lib/*/site-packages/openvino/tools/mo/front/tf/{name}.json")
    arguments = [
        "--input=image_tensor", f"--input_shape=[1,{SIZE},{SIZE},3]", "--compress_to_fp16=False",
        f"--transformations_config={front}", f"{PIPELINE_CONFIG}={pipeline}",
    ]  # fmt: skip
    if not masks:
        arguments.append("--output=detection_scores,detection_boxes,num_detections")
    judge = import_openvino().Core().read_model(run_model_optimizer(graph, arguments))
    for ours, theirs in ((network.inputs, judge.inputs), (network.outputs, judge.outputs)):
        assert [port.names for port in ours] == [port.names for port in theirs]
        assert [port.shape for port in ours] == [port.shape for port in theirs]
    pictures = {"image_tensor": draw_picture()[None], "image_info": INFO}
    ours, theirs = (list(compiled(each)(pictures).values()) for each in (network, judge))
    rows, expected = ours[-1].reshape(-1, 7), theirs[-1].reshape(-1, 7)
    order = np.argsort(-expected[:, 2], kind="stable")
    np.testing.assert_allclose(rows, expected[order], atol=1e-3)
    if masks:
        np.testing.assert_allclose(ours[0], theirs[0][order], atol=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("faster_rcnn", "ssd", "describes no Faster R-CNN, but: 'ssd'"),
        (
            "max_dimension: 32",
            "pad_to_max_dimension: true",
            "'pad_to_max_dimension' is not supported",
        ),
        (
            "min_dimension: 16",
            "min_dimension: 24",
            r"would resize the declared input \[1, 16, 16, 3\]",
        ),
        ("num_classes: 3", "num_classes: 4", "its boxes and scores have the shapes"),
        ("proposals: 12", "proposals: 1e9", "first_stage_max_proposals: expected 1 to 100000"),
        ("proposals: 12", "proposals: 13", "OpenVINO cannot read it: .*Reshape"),
    ],
)
def test_a_pipeline_that_is_not_supported_is_refused_by_name(tmp_path, old, new, problem):
    with pytest.raises(ConversionError, match=problem):
        read(tmp_path, TwoStage().content(), PIPELINE.replace(old, new), config("rfcn_support"))


def test_a_graph_of_another_structure_is_refused_by_name(tmp_path):
    with pytest.raises(
        ConversionError, match="its graph has no 'BatchMultiClassNonMaxSuppression_1"
    ):
        read(tmp_path, TwoStage().content(), PIPELINE, config("mask_rcnn_support"))
