"""The targets modelapi and dlstreamer: samples that Model API runs, and files that fit DL Streamer's rules."""

import json
import os
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fakes.command import read_json, run_process, succeeded
from fakes.exports import files_below
from fakes.loaded_irs import load_ir
from fakes.model_api import SIMCC, SIZE, convert_simcc, simcc_network, simcc_spec
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ExportError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.get import get_irs
from posezoo.core.registry import open_registry
from posezoo.export.decoded import with_decoding
from posezoo.export.export_writer import write_export
from posezoo.export.model_export import read_ir_facts
from posezoo.export.target_type import ExportFolder, Port
from posezoo.export.targets import TARGETS
from posezoo.poses.keypoints import to_pixel_indices
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

DETECTOR = "person-detection-retail-0013"
HEATMAPS = {"name": "heatmaps", "shape": [1, 17, 16, 24], "role": "heatmaps"}
OPENPOSE = (
    {"name": "pafs", "shape": [1, 38, 8, 12], "layout": "NCHW", "role": "pafs"},
    {"name": "maps", "shape": [1, 19, 8, 12], "layout": "NCHW", "role": "heatmaps"},
)


def export(folder, target, model):
    render = TARGETS.find(target).render
    return write_export(folder, lambda present: list(render(model, ExportFolder(present))))


@pytest.fixture
def of_heatmaps(make_model):
    return make_model("net", HEATMAPS, decoder={"name": "heatmap"}, skeleton="coco-17")


def facts_of(xml, spec):
    return read_ir_facts(spec, Precision.FP32, xml, ModelLayout(xml.parent, xml.parent))


def run(*command, **environ):
    ended = succeeded(run_process(command, env={**os.environ, **environ}))
    return ended.stdout


@pytest.fixture
def has_model_api():
    if sys.version_info < (3, 11):
        pytest.skip("openvino-model-api needs Python 3.11")
    pytest.importorskip("model_api.models", reason="needs openvino-model-api")


@pytest.fixture(scope="module")
def simcc(tmp_path_factory):
    """The facts of a SimCC network's IR, which no test changes."""
    folder = tmp_path_factory.mktemp("simcc")
    return facts_of(convert_simcc(folder), simcc_spec(folder, simcc_network()))


# --- modelapi


@pytest.mark.usefixtures("has_model_api")
def test_the_sample_of_a_detector_prints_our_boxes(detector, photos, tmp_path, out):
    model = detector
    export(out, "modelapi", model)
    picture = cv2.resize(photos[0][0], (544, 320))  # the network's size: nothing is resized
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    printed = run(sys.executable, out / DETECTOR / "sample.py", tmp_path / "photo.png")
    expected = load_estimator(model.spec, {DETECTOR: model.xml})(picture)
    rows = [line.split(maxsplit=2) for line in printed.splitlines() if line.startswith("person ")]
    sure = [pose for pose in expected if pose.score > 0.6]
    assert sure
    for pose in sure:
        assert any(json.loads(box) == pytest.approx(pose.box, abs=0.51) for _, _, box in rows)


@pytest.mark.usefixtures("has_model_api")
def test_the_sample_of_a_simcc_network_prints_our_keypoints(simcc, tmp_path, out):
    export(out, "modelapi", simcc)
    picture = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    printed = run(sys.executable, out / "tiny-pose" / "sample.py", tmp_path / "photo.png")
    box = (0, 0, *SIZE)
    estimator = load_ir(simcc.xml, options=LoadOptions(decoder_options={"padding": 1.0}))
    (pose,) = estimator(picture, boxes=[box])
    rows = [line.split() for line in printed.splitlines() if line.count(" ") == 3]
    assert [row[0] for row in rows][:2] == ["nose", "left_eye"]
    found = np.array([row[1:3] for row in rows], float)
    # Model API counts pixels.
    assert found == pytest.approx(to_pixel_indices(pose.keypoints)[:, :2], abs=0.06)


def test_model_api_cannot_take_heatmaps(make_model):
    with pytest.raises(
        ExportError,
        match=r"net: Model API has wrappers only for SSD detectors, classifiers and SimCC",
    ):
        list(TARGETS.find("modelapi").render(make_model(), ExportFolder({})))


# --- dlstreamer


def model_proc(folder, name):
    (output,) = (proc := read_json(folder / name / f"{name}.json"))["output_postproc"]
    return proc, output


def pipeline_of(folder, name, tmp_path):
    """What the script gives to gst-launch-1.0; all files that it names exist."""
    launch = tmp_path / "bin" / "gst-launch-1.0"
    launch.parent.mkdir(exist_ok=True)
    launch.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    launch.chmod(0o755)
    (tmp_path / "a video.mp4").touch()
    script = folder / name / "pipeline.sh"
    words = run(
        "sh", script, tmp_path / "a video.mp4", PATH=f"{launch.parent}:{os.environ['PATH']}"
    ).splitlines()
    files = [
        word.partition("=")[2]
        for word in words
        if word.startswith(("model=", "model-proc=", "location="))
    ]
    missing = [file for file in files if not (folder / name / file).exists()]
    return words, missing


def test_a_detector_gets_its_converter_and_labels(detector, tmp_path):
    export(tmp_path, "dlstreamer", detector)
    proc, output = model_proc(tmp_path, DETECTOR)
    assert proc["json_schema_version"] == "2.2.0"
    (image,) = proc["input_preproc"]  # without mean and scale
    assert image["params"] == {"resize": "no-aspect-ratio", "color_space": "BGR"}
    assert output == {
        "converter": "detection_output", "layer_names": ["detection_out"], "labels": ["background", "person"],
    }  # fmt: skip
    words, missing = pipeline_of(tmp_path, DETECTOR, tmp_path)
    assert "gvadetect" in words
    assert "ie-config=INFERENCE_PRECISION_HINT=f32" in words
    assert missing == []


def test_heatmaps_of_one_person_follow_a_detector(of_heatmaps, detector, tmp_path, out):
    export(out, "dlstreamer", of_heatmaps)
    proc, output = model_proc(out, "net")
    assert output["converter"] == "keypoints_hrnet"
    assert len(output["point_names"]) == 17
    assert output["point_connections"][:2] == ["left_ear", "left_eye"]
    assert proc["input_preproc"][0]["params"] == {"resize": "aspect-ratio", "color_space": "BGR"}
    words, missing = pipeline_of(out, "net", tmp_path)
    assert words.index("gvadetect") < words.index("gvaclassify")
    assert words.count("ie-config=INFERENCE_PRECISION_HINT=f32") == 2
    assert [name.split("/")[1] for name in missing] == [DETECTOR, DETECTOR]
    export(out, "dlstreamer", detector)
    assert pipeline_of(out, "net", tmp_path)[1] == []


def test_the_pipeline_names_a_detector_in_the_folder_of_its_precision(
    of_heatmaps, detector, tmp_path, out
):
    files = TARGETS.find("dlstreamer").render(
        replace(of_heatmaps, detector=detector), ExportFolder({}, has_precisions=True)
    )
    write_export(out, lambda _present: list(files))
    words, missing = pipeline_of(out, "net", tmp_path)
    assert f"model=../{DETECTOR}/FP32/{DETECTOR}.xml" in words
    assert missing == []


def test_openpose_gets_the_names_of_outputs_that_its_converter_requires(make_model, out):
    model = make_model("net", *OPENPOSE, decoder={"name": "openpose"}, skeleton="openpose-18")
    export(out, "dlstreamer", model)
    before = files_below(out)
    assert export(out, "dlstreamer", model).unchanged  # the same bytes
    assert files_below(out) == before
    network = import_openvino().Core().read_model(out / "net" / "net.xml")
    shapes = {port.any_name: tuple(port.shape) for port in network.outputs}
    assert shapes == {"Mconv7_stage2_L1": (1, 38, 8, 12), "Mconv7_stage2_L2": (1, 19, 8, 12)}
    proc, output = model_proc(out, "net")
    assert set(output["layer_names"]) == shapes.keys()
    assert output["point_names"][1] == "neck"
    assert proc["input_preproc"][0]["params"]["padding"] == {"fill_value": [128.0, 128.0, 128.0]}
    own = import_openvino().Core().read_model(model.xml)
    # The IR itself keeps its names.
    assert {port.any_name for port in own.outputs} == {
        "pafs",
        "maps",
    }


def test_an_ir_with_its_decoder_passes_on_its_keypoints_as_tensors(tmp_path, out):
    spec = with_decoding(simcc_spec(tmp_path, simcc_network()), SIMCC)
    model = facts_of(convert_simcc(tmp_path, decodes=True), spec)
    export(out, "dlstreamer", model)
    assert not (out / "tiny-pose" / "tiny-pose.json").exists()
    words, missing = pipeline_of(out, "tiny-pose", tmp_path)
    assert {"gvainference", "gvametaconvert", "gvametapublish"} <= set(words)
    assert missing == []


def exported_as(name, model, tmp_path, *shape):
    """The files of a model of Open Model Zoo with that name and an output of this shape."""
    spec = replace(model.spec, name=name, decoder=None)
    outputs = (Port("prob", shape, "f32"),) if shape else model.outputs
    pipeline = replace(model.pipeline, model=spec)
    model = replace(model, spec=spec, pipeline=pipeline, outputs=outputs)
    export(tmp_path, "dlstreamer", model)
    return read_json(tmp_path / name / f"{name}.json")


def test_a_model_of_open_model_zoo_has_a_file_for_each_of_its_outputs(make_model, tmp_path):
    name = "age-gender-recognition-retail-0013"
    proc = exported_as(name, make_model(), tmp_path)
    assert proc == {
        "json_schema_version": "2.2.0",
        "input_preproc": [],
        "output_postproc": [
            {"layer_name": "age_conv3", "attribute_name": "age", "converter": "text",
             "text_precision": 0, "text_scale": 100},
            {"layer_name": "prob", "attribute_name": "gender", "converter": "label",
             "method": "max", "labels": ["Female", "Male"]},
        ],
    }  # fmt: skip
    words, missing = pipeline_of(tmp_path, name, tmp_path)
    assert "inference-region=full-frame" in words
    assert missing == []


@pytest.mark.parametrize(("classes", "first"), [(1000, "tench, Tinca tinca"), (1001, "background")])
def test_a_classifier_of_imagenet_has_a_label_for_each_value(classes, first, make_model, tmp_path):
    proc = exported_as("mobilenet-v2-pytorch", make_model(), tmp_path, 1, classes)
    (output,) = proc["output_postproc"]
    assert (len(output["labels"]), output["labels"][0]) == (classes, first)


def test_yolo_has_its_anchors_and_the_labels_of_coco(make_model, tmp_path):
    (output,) = exported_as("yolo-v3-tf", make_model(), tmp_path)["output_postproc"]
    assert (output["converter"], output["labels"][79]) == ("yolo_v3", "toothbrush")
    assert len(output["anchors"]) == 2 * len(output["masks"]) == 18
    assert "gvadetect" in pipeline_of(tmp_path, "yolo-v3-tf", tmp_path)[0]


def test_the_ir_may_be_in_a_folder_of_its_precision_as_vippet_looks_for_it(make_model, tmp_path):
    model = make_model()
    name = "face-detection-retail-0004"
    spec = replace(model.spec, name=name, decoder=None)
    folder = ExportFolder({}, has_precisions=True)
    model = replace(model, spec=spec, pipeline=replace(model.pipeline, model=spec))
    files = TARGETS.find("dlstreamer").render(model, folder)
    write_export(tmp_path, lambda _present: list(files))
    assert (tmp_path / name / f"{model.pipeline.precision}" / f"{name}.xml").is_file()
    assert (tmp_path / name / f"{name}.json").is_file()
    assert pipeline_of(tmp_path, name, tmp_path)[1] == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("movenet-lightning", "has a converter for its outputs only with --decode"),
        ("simcc", "has a converter for its outputs only with --decode"),
        ("hand-landmark-full", "has no converter for the outputs of hand_landmarks"),
    ],
)
def test_a_model_without_a_converter_is_refused(simcc, name, problem):
    model = simcc
    if name != "simcc":
        spec = open_registry().find(name)
        outputs = tuple(Port(port.name, port.shape, "f32") for port in spec.outputs)
        pipeline = replace(simcc.pipeline, model=spec)
        model = replace(simcc, spec=spec, pipeline=pipeline, outputs=outputs)
    with pytest.raises(ExportError, match=f"DL Streamer {problem}"):
        list(TARGETS.find("dlstreamer").render(model, ExportFolder({})))


@pytest.fixture(scope="session")
def detector(zoo):
    spec = zoo.registry.find(DETECTOR)
    irs = get_irs(spec, Precision.FP32, zoo)
    return read_ir_facts(spec, Precision.FP32, irs[spec.name], zoo.layout)
