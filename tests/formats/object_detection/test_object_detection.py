"""SSD of TensorFlow's Object Detection API, compared with a removal of overlapping boxes in numpy, and with Model
Optimizer.
"""

from dataclasses import replace

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from core.convert.test_graph_cutting import FP32, converted
from fakes.model_optimizer import ENVIRONMENT, needs_mo, run_model_optimizer
from fakes.network import downloaded, source_file, spec_of
from fakes.ssd import CLASSES, PIPELINE, SIZE, Ssd, intersection_over_union
from posezoo.core.convert import frontends
from posezoo.core.declarations.model import Framework, Input
from posezoo.core.declarations.supported_mo_args import PIPELINE_CONFIG, TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.ir.provenance import conversion_key
from posezoo.formats.region_configs import find_detector
from posezoo.pages.cards.ports_section import render_ports_sections

CONFIG = (TRANSFORMATIONS_CONFIG, "$mo_dir/extensions/front/tf/ssd_v2_support.json")
PIPELINE_FILE = (PIPELINE_CONFIG, "$dl_dir/net/pipeline.config")
ROWS = 60
SORTED = "the rows are sorted by score, not by class"

needs_tensorflow = pytest.mark.skipif(
    not any(ENVIRONMENT.glob("lib/*/site-packages/tensorflow")),
    reason="needs make build/mo-env MO_EXTRAS=caffe,tensorflow2",
)


def detector_spec(content, folder, pipeline=PIPELINE, config=CONFIG):
    """The model.yml of a detector, and the layout with its files."""
    files = (
        source_file("net/graph.pb", content, folder),
        source_file("net/pipeline.config", pipeline.encode(), folder),
    )
    port = Input("image_tensor", (1, SIZE, SIZE, 3), reshaped=True, reverse_input_channels=True)
    spec = replace(spec_of(content, folder, framework=Framework.TF), files=files)
    spec = replace(spec, mo_args=(config, PIPELINE_FILE), inputs=(port,), outputs=())
    layout = downloaded(spec, content, folder)
    layout.file_path(spec, files[1]).write_text(pipeline)
    return spec, layout


def read(folder, content, pipeline=PIPELINE, config=CONFIG):
    spec, layout = detector_spec(content, folder, pipeline, config)
    return frontends.read_network(spec, layout.file_path(spec, spec.files[0]))


def expected_rows(boxes, scores, *, threshold, overlap, per_class, total):
    """The rows of the boxes that are left, the best first; corners as x, y."""
    rows = []
    for label in range(1, scores.shape[1]):  # 0 is the background
        best = [each for each in np.argsort(-scores[:, label]) if scores[each, label] > threshold]
        kept = []
        for box in best[:per_class]:
            if all(intersection_over_union(boxes[box], boxes[other]) <= overlap for other in kept):
                kept.append(box)
        rows += [
            (0, label, scores[box, label], *np.clip(boxes[box][[1, 0, 3, 2]], 0, 1)) for box in kept
        ]
    return np.array(sorted(rows, key=lambda row: -row[2])[:total])


def draw_picture():
    return np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize("loop_is_last", [False, True])
@pytest.mark.parametrize("threshold", [0.3, 0.75])
def test_the_rows_are_the_boxes_that_are_left_the_best_first(tmp_path, loop_is_last, threshold):
    graph = Ssd(loop_is_last=loop_is_last)
    network = read(tmp_path, graph.content(), PIPELINE.replace("0.3", str(threshold)))
    picture = draw_picture()
    rows = compiled(network)(picture[None])[0]
    limits = {"threshold": threshold, "overlap": 0.45, "per_class": 40, "total": ROWS}
    expected = expected_rows(*graph.boxes_and_scores(picture), **limits)
    assert rows.shape == (1, 1, ROWS, 7)
    assert set(expected[:, 1]) == set(range(1, CLASSES + 1))
    np.testing.assert_allclose(rows[0, 0, : len(expected)], expected, atol=1e-5)
    assert len(expected) == ROWS if threshold == 0.3 else len(expected) < ROWS
    assert not rows[0, 0, len(expected) :, 1:].any()
    assert "Loop" not in {node.get_type_name() for node in network.get_ordered_ops()}


def test_the_ir_has_the_ports_of_model_optimizers(tmp_path):
    """The conversion compares it with the original, and reads a picture of bytes, BGR."""
    graph = Ssd()
    ir = converted(*detector_spec(graph.content(), tmp_path), FP32)
    (picture,) = ir.inputs
    (rows,) = ir.outputs
    assert picture.names == {"image_tensor", "image_tensor:0"}
    assert rows.names == {"detection_boxes", "detection_boxes:0"}
    assert (list(picture.shape), picture.element_type.to_dtype()) == ([1, SIZE, SIZE, 3], np.uint8)
    drawn = draw_picture()
    limits = {"threshold": 0.3, "overlap": 0.45, "per_class": 40, "total": ROWS}
    expected = expected_rows(*graph.boxes_and_scores(drawn[..., ::-1]), **limits)
    np.testing.assert_allclose(compiled(ir)(drawn[None])[0][0, 0], expected, atol=1e-5)


@needs_mo
@needs_tensorflow
@pytest.mark.parametrize("threshold", [0.3, 0.75])
def test_the_rows_are_those_of_model_optimizer_sorted_by_score(tmp_path, threshold):
    content, pipeline = Ssd().content(), PIPELINE.replace("0.3", str(threshold))
    network = read(tmp_path, content, pipeline)
    graph, config = tmp_path / "graph.pb", tmp_path / "pipeline.config"
    graph.write_bytes(content)
    config.write_text(pipeline)
    (front,) = ENVIRONMENT.glob(
        "lib/*/site-packages/openvino/tools/mo/front/tf/ssd_v2_support.json"
    )
    arguments = [
        "--input=image_tensor", f"--input_shape=[1,{SIZE},{SIZE},3]", "--compress_to_fp16=False",
        "--output=detection_scores,detection_boxes,num_detections", f"--transformations_config={front}",
        f"{PIPELINE_CONFIG}={config}",
    ]  # fmt: skip
    judge = import_openvino().Core().read_model(run_model_optimizer(graph, arguments))
    assert network.output(0).names == judge.output(0).names
    assert network.output(0).shape == judge.output(0).shape
    picture = draw_picture()[None]
    ours, theirs = compiled(network)(picture)[0][0, 0], compiled(judge)(picture)[0][0, 0]
    order = np.argsort(-theirs[:, 2], kind="stable")
    np.testing.assert_allclose(ours, theirs[order], atol=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ssd", "faster_rcnn", "pipeline.config: describes no SSD, but: 'faster_rcnn'"),
        ("fixed_shape_resizer", "identity_resizer", ":5: 'identity_resizer' is not supported"),
        (
            "height: 16",
            "height: 16 convert_to_grayscale: true",
            "'convert_to_grayscale' is not supported",
        ),
        (
            "score_converter: SIGMOID",
            "score_converter: IDENTITY",
            "score_converter 'IDENTITY' is not supported",
        ),
        (
            "score_converter: SIGMOID",
            "calibration_config { }",
            "'calibration_config' is not supported",
        ),
        ("use_static_shapes: false", "soft_nms_sigma: 0.5", "'soft_nms_sigma' is not supported"),
        (
            "num_classes: 3",
            "num_classes: 3 add_background_class: false",
            "add_background_class: false is not",
        ),
        (
            "num_classes: 3",
            "num_classes: 4",
            "does not fit the network: its boxes and scores have the shapes",
        ),
        (
            "height: 16 width: 16",
            "height: 32 width: 32",
            r"would resize the declared input \[1, 16, 16, 3\]",
        ),
        ("height: 16", "height: -1", "height: expected 1 to 100000, got -1"),
        ("class: 40", "class: -7", "max_detections_per_class: expected 1 to 100000, got -7"),
        ("iou_threshold: 0.45", "iou_threshold: -5", "iou_threshold: expected 0 to 1, got -5"),
        ("num_classes: 3", "num_classes: many", "num_classes: expected a number, got 'many'"),
        ("model {", "}", "pipeline.config:2: } closes nothing"),
    ],
)
def test_a_pipeline_that_is_not_supported_is_refused_by_name(tmp_path, old, new, problem):
    with pytest.raises(ConversionError, match=problem):
        read(tmp_path, Ssd().content(), PIPELINE.replace(old, new, 1))


@pytest.mark.parametrize(
    "name", ["Preprocessor/map/TensorArrayStack/", "Postprocessor/ExpandDims_"]
)
def test_a_graph_of_another_structure_is_refused_by_name(tmp_path, name):
    content = Ssd().content().replace(name.encode(), f"{name[:-2]}x{name[-1]}".encode())
    with pytest.raises(ConversionError, match=f"its graph has no .*{name}"):
        read(tmp_path, content)


def test_a_missing_pipeline_is_named(tmp_path):
    spec, layout = detector_spec(Ssd().content(), tmp_path)
    layout.file_path(spec, spec.files[1]).unlink()
    with pytest.raises(ConversionError, match=r"pipeline\.config: does not exist"):
        frontends.read_network(spec, layout.file_path(spec, spec.files[0]))


@pytest.mark.parametrize(
    ("config", "pipeline", "is_one"),
    [
        ("$mo_ext_dir/front/tf/ssd_support_api_v1.15.json", "$dl_dir/net/pipeline.config", True),
        ("$mo_ext_dir/front/tf/faster_rcnn_support.json", "$dl_dir/net/pipeline.config", True),
        ("$mo_ext_dir/front/tf/ssd_support.json", "$dl_dir/net/pipeline.config", False),
        ("$dl_dir/ssd_v2_support.json", "$dl_dir/net/pipeline.config", False),
        ("$mo_ext_dir/front/tf/ssd_v2_support.json", "/home/user/pipeline.config", False),
    ],
)
def test_only_known_configurations_of_ssd_are_followed(config, pipeline, is_one):
    arguments = [(TRANSFORMATIONS_CONFIG, config), (PIPELINE_CONFIG, pipeline)]
    assert (find_detector(arguments) is not None) == is_one


@pytest.mark.parametrize(
    ("kind", "difference"),
    [
        ("ssd", SORTED),
        ("rfcn", f"{SORTED}, and no box without an area is among them"),
    ],
)
def test_the_card_and_the_record_say_what_model_optimizer_does_otherwise(
    tmp_path, kind, difference
):
    config = (TRANSFORMATIONS_CONFIG, f"$mo_dir/extensions/front/tf/{kind}_support_api_v1.15.json")
    spec, _ = detector_spec(Ssd().content(), tmp_path, config=config)
    assert f"Unlike in Model Optimizer's IR, {difference}." in render_ports_sections(spec)
    key = "unlike_model_optimizer"
    assert conversion_key(spec, None)["arguments"][key] == difference
    assert key not in conversion_key(spec, None, model_optimizer="2024.6")["arguments"]
