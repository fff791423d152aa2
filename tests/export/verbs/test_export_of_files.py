"""posezoo export of an IR or ONNX of one's own, which says what a model.yml would say, or whose user says it."""

import json
import re

import cv2
import numpy as np
import pytest

from fakes.command import json_of, posezoo, python_file, refusal, succeeded
from fakes.exports import files_below
from fakes.own_files import declare
from fakes.stated_inputs import (
    GETI_BOXES,
    GETI_KEYPOINTS,
    ULTRALYTICS,
    bins,
    boxes,
    write_stated,
    write_whole_input,
)
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.export.targets import TARGETS

ov = import_openvino()
SIZE = (192, 256)
UNCHANGED_IMAGES = ("--scale_values", "1", "1", "1")
FRAMES = ("--decode", "--input_type", "u8", "--input_layout", "NHWC", "--resize")


@pytest.fixture
def keypoints(tmp_path):
    """A detector of five keypoints, as Geti exports it."""
    info = {**GETI_KEYPOINTS, "resize_type": "standard"}
    return write_stated(tmp_path / "mine.xml", SIZE, bins(SIZE), info)


@pytest.fixture
def silent(tmp_path):
    """The same network without metadata."""
    return write_stated(tmp_path / "silent.xml", SIZE, bins(SIZE), {})


@pytest.fixture
def unknown(tmp_path):
    """A network whose outputs no decoder takes."""
    outputs = {"head": np.zeros((1, 7, 3), np.float32)}
    return write_stated(tmp_path / "unknown.xml", SIZE, outputs, {"scale_values": "255"})


def export(folder, *args):
    return posezoo("export", *args, "-o", folder / "irs", cwd=folder)


def network_in(folder):
    (xml,) = folder.rglob("*.xml")
    return ov.Core().read_model(xml)


@pytest.mark.parametrize("target", TARGETS.builtin)
def test_each_target_takes_an_ir_or_says_what_it_lacks(keypoints, tmp_path, target, out):
    ended = export(tmp_path, keypoints, "--to", target, "out")
    if target == "dlstreamer":  # it does not take the network of a model either
        assert ended.returncode == 1
        assert re.fullmatch(r"error: mine: .*\n  hint: .*\n", ended.stderr)
        return
    assert ended.returncode == 0, ended.stderr
    names = {name.rpartition("/")[2].removeprefix("mine-") for name in files_below(out)}
    assert {"README.md", "NOTICE"} <= names, (
        f"render of the record of {target} in export/ also yields render_documents"
    )
    suffix = ".onnx" if TARGETS.find(target).network_format == "ONNX" else ".xml"
    assert [*out.rglob(f"*{suffix}")]


def test_an_ir_keeps_its_bytes_precision_and_description(keypoints, tmp_path, out):
    (model,) = json_of(
        succeeded(export(tmp_path, keypoints, "--to", "modelapi", "out", "--format", "json"))
    )["models"]
    assert (model["name"], model["precision"]) == ("mine", "FP32")
    written = out / "mine" / "mine.xml"
    assert written.read_bytes() == keypoints.read_bytes()
    sample = (out / "mine" / "sample.py").read_text("utf-8")
    assert "'resize_type': 'standard'" in sample and "'head', 'tail'" in sample
    readme = (out / "mine" / "README.md").read_text("utf-8")
    assert "stretches a picture" in readme and "mean [123.675, 116.28, 103.53]" in readme


@pytest.mark.parametrize("resize_type", ["standard", "fit_to_window", "fit_to_window_letterbox"])
def test_an_ir_with_its_decoder_finds_what_posezoo_run_finds(tmp_path, resize_type, out):
    size = (128, 128)
    info = {**GETI_KEYPOINTS, "resize_type": resize_type}
    xml = write_stated(tmp_path / "mine.xml", size, bins(size), info)
    succeeded(export(tmp_path, xml, "--to", "folder", "out", *FRAMES))
    picture = np.full((60, 200, 3), 90, np.uint8)
    compiled = ov.Core().compile_model(network_in(out), "CPU")
    (found,) = compiled(picture[None])["keypoints"]
    cv2.imwrite(str(tmp_path / "scene.png"), picture)
    succeeded(
        posezoo(
            "run", xml, "-i", tmp_path / "scene.png", "--detector", "none", "-o", tmp_path / "found"
        )
    )
    text = (tmp_path / "found" / "poses.json").read_text("utf-8")
    (pose,) = json.loads(text)["images"][0]["poses"]
    expected = [(keypoint["x"], keypoint["y"]) for keypoint in pose["keypoints"]]
    # The input is scaled by 200 / 128, and half of one of its pixels is between both conventions.
    assert np.abs(found[:, :2] - expected).max() < 0.5 * 200 / 128


def test_a_fit_that_no_decoder_in_an_ir_has_is_refused(tmp_path):
    info = {**GETI_KEYPOINTS, "resize_type": "crop"}
    xml = write_stated(tmp_path / "mine.xml", SIZE, bins(SIZE), info)
    assert "resize_type is crop" in refusal(export(tmp_path, xml, "--to", "cpp", "out"))
    succeeded(export(tmp_path, xml, "--to", "folder", "out"))
    succeeded(export(tmp_path, xml, "--to", "modelapi", "api"))
    assert "'resize_type': 'crop'" in (tmp_path / "api" / "mine" / "sample.py").read_text("utf-8")


def test_the_sample_shows_the_middle_of_a_picture_to_a_network_whose_file_says_so(tmp_path, out):
    """The network adds 1/1000 of the mean color that it sees to its first score, 0.5."""
    info = {**GETI_BOXES, "resize_type": "crop"}
    xml = write_stated(tmp_path / "pets.xml", (64, 64), boxes((64, 64)), info)
    picture = np.full((64, 300, 3), 255, np.uint8)
    picture[:, 110:190] = 0
    cv2.imwrite(str(tmp_path / "scene.png"), picture)
    succeeded(export(tmp_path, xml, "--to", "folder", "out"))
    own = out / "pets"
    printed = python_file(own / "sample.py", tmp_path / "scene.png", cwd=tmp_path)
    assert "[16.  16.  48.  48.   0.5" in printed.stdout
    assert "cuts the middle out" in (own / "README.md").read_text("utf-8")


def test_the_sample_of_an_own_network_finds_what_posezoo_run_finds(tmp_path, monkeypatch, out):
    """In a picture of which the network sees 96 x 72 pixels, rounded from 96 x 71.9. OpenCV opens no such name on
    Windows.
    """
    onnx = write_whole_input(tmp_path / "own.onnx", {**ULTRALYTICS, "imgsz": "[96, 96]"})
    photo = tmp_path / "Größe.png"
    cv2.imencode(".png", np.full((749, 1000, 3), 90, np.uint8))[1].tofile(photo)
    frames = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")
    succeeded(export(tmp_path, onnx, "--to", "folder", "out", *frames))
    succeeded(posezoo("run", onnx, "-i", photo, "-o", tmp_path / "found", cwd=tmp_path))
    monkeypatch.setattr(cv2, "imread", lambda *_: None)
    monkeypatch.setattr(cv2, "imwrite", lambda *_: False)
    printed = python_file(out / "own" / "sample.py", photo, cwd=tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "")
    found = re.findall(r"^  \w+: x (\S+), y (\S+), score", printed.stdout, re.MULTILINE)
    text = (tmp_path / "found" / "poses.json").read_text("utf-8")
    (pose,) = json.loads(text)["images"][0]["poses"]
    wanted = [(keypoint["x"], keypoint["y"]) for keypoint in pose["keypoints"]]
    np.testing.assert_allclose(np.array(found, float), wanted, atol=6e-3)
    assert (tmp_path / "Größe-own.png").is_file()


def test_an_ir_that_says_nothing_is_served_with_a_warning_and_decoded_after_a_flag(
    silent, tmp_path, out
):
    served = succeeded(export(tmp_path, silent, "--to", "ovms", "served"))
    assert "does not say how images are prepared" in served.stderr
    readme = (tmp_path / "served" / "silent" / "README.md").read_text("utf-8")
    assert "Nothing in its files says" in readme
    said = refusal(export(tmp_path, silent, "--to", "cpp", "out"))
    assert "does not say how images are prepared" in said
    assert f"hint: posezoo new {silent} --mean_values 0 --scale_values 1 writes" in said
    assert not out.exists()
    like = declare(silent, *UNCHANGED_IMAGES)
    stated = succeeded(export(tmp_path, silent, "--to", "cpp", "out", *like))
    assert "does not say" not in stated.stderr


def test_the_keypoints_of_a_file_have_the_names_that_the_user_gives(silent, tmp_path, out):
    names = ["beak", "left_wing", "right_wing", "tail", "claw"]
    (tmp_path / "bird.yml").write_text(f"keypoints: [{', '.join(names)}]\n")
    like = declare(silent, "--skeleton", tmp_path / "bird.yml", *UNCHANGED_IMAGES)
    succeeded(export(tmp_path, silent, "--to", "folder", "out", "--decode", *like))
    stored = network_in(out).get_rt_info(["posezoo", "own_skeleton"]).astype(str)
    assert json.loads(stored)["keypoints"] == names
    assert names[1] in (out / "silent" / "sample.py").read_text("utf-8")


def test_an_ultralytics_export_of_any_size_gets_the_size_of_its_metadata(tmp_path, out):
    onnx = tmp_path / "yolo.onnx"
    write_whole_input(onnx, {**ULTRALYTICS, "imgsz": "[320, 320]"})
    succeeded(export(tmp_path, onnx, "--to", "cpp", "out"))
    assert tuple(network_in(out).input(0).shape) == (1, 320, 320, 3)
    notice = (out / "models" / "yolo-NOTICE").read_text("utf-8")
    assert "AGPL-3.0-only" in notice
