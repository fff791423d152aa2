"""What is assumed about keypoints that nothing names is said by each command that takes the file."""

import cv2
import numpy as np
import pytest
from onnx import helper

from fakes import graphs
from fakes.coco import annotations, person, written
from fakes.command import posezoo, succeeded
from fakes.irs import write_ir
from fakes.own_files import declare
from posezoo import load
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.run.runtime.decoder_matching import describe_ir
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("openvino.opset13")

IMAGE = (1, 3, 256, 192)
ASSUMED = "its 14 keypoints are assumed to be crowdpose-14: to say otherwise, state skeleton in a model.yml"


@pytest.mark.parametrize(
    ("decoder", "outputs", "assumed"),
    [
        ("heatmap", {"maps": (1, 14, 64, 48)}, "its 14 keypoints are assumed to be crowdpose-14"),
        ("heatmap", {"maps": (1, 64, 48, 17)}, "its 17 keypoints are assumed to be coco-17"),
        ("heatmap", {"maps": (1, 12, 64, 48)}, "its 12 keypoints are only numbered"),
        (
            "simcc",
            {"simcc_x": (1, 26, 384), "simcc_y": (1, 26, 512)},
            "its 26 keypoints are assumed to be halpe-26",
        ),
        ("yolo_pose", {"output": (1, 56, 1008)}, "its 17 keypoints are assumed to be coco-17"),
        ("yolo_pose", {"output": (1, 300, 57)}, "its 17 keypoints are assumed to be coco-17"),
        ("movenet", {"output": (1, 1, 17, 3)}, ""),  # takes no other keypoints
        ("detection", {"boxes": (1, 1, 200, 7)}, ""),
    ],
)
def test_an_ir_whose_keypoints_nothing_names_is_described_with_an_assumption(
    tmp_path, decoder, outputs, assumed
):
    xml = write_ir(tmp_path / "own.xml", outputs, image=IMAGE)
    spec, _ = describe_ir(Graph(xml), decoder)
    assert spec.assumption.startswith(f"{xml}: {assumed}") if assumed else not spec.assumption


def test_nothing_is_assumed_if_the_user_or_the_file_names_the_keypoints(tmp_path):
    outputs = {"maps": (1, 17, 64, 48)}
    xml = write_ir(tmp_path / "own.xml", outputs, image=IMAGE)
    assert describe_ir(Graph(xml), "heatmap")[0].assumption
    info = {("posezoo", "skeleton"): "coco-17", ("posezoo", "decoder"): "heatmap"}
    stated = write_ir(tmp_path / "stated.xml", outputs, image=IMAGE, info=info)
    assert not describe_ir(Graph(stated))[0].assumption
    labels = {("model_info", "labels"): " ".join(f"joint{number}" for number in range(17))}
    labeled = write_ir(tmp_path / "labeled.xml", outputs, image=IMAGE, info=labels)
    assert not describe_ir(Graph(labeled), "heatmap")[0].assumption
    given = LoadOptions(skeleton=SKELETONS["coco-17"])
    assert not describe_ir(Graph(xml), "heatmap", options=given)[0].assumption


@pytest.fixture
def own(tmp_path):
    """An ONNX file with 14 heatmaps."""
    node = helper.make_node("Conv", ["image", "weights"], ["maps"], strides=[4, 4])
    ports = ("image", graphs.FLOAT, IMAGE), ("maps", graphs.FLOAT, [1, 14, 64, 48])
    weights = {"weights": np.zeros((14, 3, 4, 4), np.float32)}
    path = tmp_path / "own.onnx"
    path.write_bytes(graphs.written("own", [node], ports[:1], ports[1:], weights))
    return path


def annotate(folder):
    """A photo with an annotated person of COCO's keypoints; the path of its annotations."""
    cv2.imwrite(str(folder / f"{1:012}.jpg"), np.zeros((256, 192, 3), np.uint8))
    somebody = person(1, 1, [[50, 50, 2]] * 17, bbox=(9, 9, 90, 90))
    return written(folder, annotations(1, [somebody], (192, 256)))


def test_each_command_and_load_say_the_assumption_once(own, tmp_path):
    pytest.importorskip("faster_coco_eval", reason="needs faster_coco_eval")
    people = annotate(tmp_path)
    described = ["--decoder", "heatmap", "--mean_values", "0"]
    warning = f"warning: {own}: {ASSUMED}"
    photo = ["-i", tmp_path / f"{1:012}.jpg", "-o", tmp_path / "results", "--detector", "none"]
    ran = succeeded(posezoo("run", own, *described, *photo))
    yml = declare(own, *described)
    exported = succeeded(posezoo("export", own, *yml, "--to", "folder", tmp_path / "export"))
    truth = ["--annotations", people, "--images", tmp_path, "--boxes", "truth"]
    evaluated = posezoo("evaluate", own, *yml, *truth, "-o", tmp_path / "accuracy")
    for done in (ran, exported, evaluated):
        assert done.stderr.count(warning) == 1 and "assumed" not in done.stdout, done.stderr
    xml = tmp_path / "own.xml"
    converted = succeeded(posezoo("convert", own, *described, "-o", xml))
    assert converted.stderr.count(f"warning: {xml}: {ASSUMED}") == 1
    events = []
    load(xml, detector="none", listener=events.append)
    assert [event.message for event in events] == [f"{xml}: {ASSUMED}"]
    named = posezoo("run", own, *described, *photo, "--skeleton", "crowdpose-14")
    assert "assumed" not in succeeded(named).stderr


def test_a_model_of_the_registry_that_states_the_number_of_keypoints_names_them(own, tmp_path):
    xml = tmp_path / "own.xml"
    done = succeeded(posezoo("convert", own, "--as", "hrnet-w32", "-o", xml))
    assert ASSUMED in done.stderr  # hrnet-w32 has 17
