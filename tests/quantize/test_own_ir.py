"""posezoo quantize of an IR that no model.yml describes, and what is refused about its images."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest

from fakes import tints
from fakes.command import posezoo, read_json, refusal, succeeded
from fakes.own_files import declare

PREPARATION = ("--mean_values", ",".join(map(str, tints.MEAN)), "--reverse_input_channels")
STATED = (*PREPARATION, "--decoder", "classification")


@pytest.fixture
def own(tmp_path):
    """The IR, in a folder with the name of its precision, and the pictures."""
    return tints.write_ir(tmp_path / "net" / "FP32"), tints.write_pictures(tmp_path / "pictures")


def quantize(own, *flags):
    xml, pictures = own
    return posezoo("quantize", xml, "--images", pictures, "--metric", "top1", *flags)


def predicted(xml, paths):
    """The classes of pictures by OpenVINO alone."""
    compiled = ov.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    classes = []
    for path in paths:
        rgb = cv2.imread(str(path))[..., ::-1] - np.float32(tints.MEAN)
        (scores,) = compiled(rgb.transpose(2, 0, 1)[None].astype(np.float32)).values()
        classes.append(tints.CLASSES[int(scores.argmax())])
    return classes


@pytest.fixture
def stated(own):
    """The flag that names the model.yml of the IR."""
    return declare(own[0], *STATED, labels=tints.CLASSES)


def test_a_dry_run_says_where_the_int8_ir_would_be(own, stated):
    xml, _ = own
    planned = quantize(own, *stated, "--dry_run")
    int8 = xml.parents[1] / "FP16-INT8" / "tints.xml"
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.endswith(
        f": would quantize to FP16-INT8, since it does not exist yet: {int8}\n"
    )
    assert not int8.parent.exists()


def test_each_of_two_irs_is_planned(own, stated):
    xml, pictures = own
    other = xml.with_name("other.xml")
    for file in (xml, xml.with_suffix(".bin")):
        shutil.copy(file, file.with_stem("other"))
    flags = ("--metric", "top1", *stated, "--dry_run")
    planned = succeeded(posezoo("quantize", xml, other, "--images", pictures, *flags))
    assert [line.partition(":")[0] for line in planned.stdout.splitlines()] == ["tints", "other"]


def test_a_size_for_a_network_of_fixed_size_is_wrong_usage(own):
    flags = (*declare(own[0], *STATED), "--height", "64", "--dry_run")
    said = refusal(quantize(own, *flags), code=2)
    assert "--height 64: tints: its input size is fixed" in said


def test_the_accuracy_is_that_of_scikit_learn_on_images_that_were_not_calibrated_on(own, stated):
    pytest.importorskip("nncf", reason="needs nncf")
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    xml, pictures = own
    done = succeeded(quantize(own, *stated, "--max_drop", "0.5"))
    int8 = xml.parents[1] / "FP16-INT8" / "tints.xml"
    assert done.stdout == f"{int8}\n"
    record = read_json(int8.with_name("provenance.json"))
    kept_apart = sorted(pictures.rglob("*.png"))[2::3]
    truth = [path.parent.name for path in kept_apart]
    for network, name in ((xml, "fp32"), (int8, "int8")):
        expected = metrics.accuracy_score(truth, predicted(network, kept_apart))
        assert record["accuracy"][name] == pytest.approx(expected)
    assert record["accuracy"]["images"] == 6 and record["accuracy"]["calibration_images"] == 12
    assert "on 6 images, after calibration on 12 others" in done.stderr
    assert "but about 600 images to measure on would decide that" in done.stderr
    assert f"{record['speed']['fp16_ms']:.2f} ms" in done.stderr and "CPU" in done.stderr
    assert record["in_float"] == {"model": "tints", "precision": "FP16-INT8", "layers": {}, "of": 2}
    before, after = (ov.Core().read_model(path) for path in (xml, int8))
    assert [port.names for port in before.inputs] == [port.names for port in after.inputs]
    names = after.get_rt_info(["model_info", "labels"]).astype(str)
    assert names.split() == list(tints.CLASSES)
    again = succeeded(quantize(own, *stated, "--max_drop", "0.5"))
    assert "measuring on" not in again.stderr


def test_before_int8_is_refused_sums_and_depthwise_layers_are_tried_in_float(own, stated):
    pytest.importorskip("nncf", reason="needs nncf")
    tints.write_ir(own[0].parent, adds_large=True)
    done = quantize(own, *stated)
    assert "INT8 is made again, with more layers in floating point" in done.stderr
    assert done.returncode == 0, done.stderr
    record = read_json(Path(done.stdout.strip()).with_name("provenance.json"))
    assert record["accuracy"]["int8"] == record["accuracy"]["fp32"]


def test_a_picture_that_cannot_be_read_is_not_counted_as_one_for_calibration(own, stated):
    pytest.importorskip("nncf", reason="needs nncf")
    _, pictures = own
    min(pictures.rglob("*.png")).write_bytes(b"not a picture")
    done = succeeded(quantize(own, *stated))
    assert "after calibration on 11 others" in done.stderr


def test_an_ir_that_does_not_say_how_images_are_prepared_is_refused(own):
    said = refusal(quantize(own))
    assert "does not say how images are prepared for it" in said
    assert f"posezoo new {own[0]} --mean_values 0 --scale_values 1 writes" in said


def test_an_ir_whose_outputs_fit_another_metric_is_refused(own):
    xml, pictures = own
    assert "--metric map is not for the decoder classification" in refusal(
        posezoo("quantize", xml, "--images", pictures, "--metric", "map", *declare(xml, *STATED))
    )


def test_an_ir_of_another_program_is_kept_under_another_name(own, stated):
    xml, _ = own
    folder = xml.parents[1] / "FP16-INT8"
    folder.mkdir()
    (folder / "tints.xml").write_text("mine")
    done = succeeded(quantize(own, *stated))
    assert "tints.xml: is not as posezoo wrote it: kept as tints.xml.bak1" in done.stderr
    assert (folder / "tints.xml.bak1").read_text() == "mine"


def test_flags_for_an_ir_are_refused_for_models(tmp_path):
    assert "--as: only for an .xml or .onnx" in refusal(
        posezoo("quantize", "movenet-thunder", "--images", tmp_path, "--as", "rtmo-s"), code=2
    )


def test_a_mean_for_values_from_0_to_1_is_refused(own):
    mean = ("--mean_values", "0.485", "0.456", "0.406", "--decoder", "classification")
    flags = declare(own[0], *mean, labels=tints.CLASSES)
    assert "are for values from 0 to 1, and images have 0 to 255" in refusal(quantize(own, *flags))


def test_images_that_were_prepared_for_a_network_are_refused(own, stated):
    for path in own[1].rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)) // 128)
    assert "use only the values 0 to 1 of 0 to 255" in refusal(quantize(own, *stated))


def test_images_with_red_and_blue_exchanged_are_refused(own, stated):
    for path in own[1].rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path))[..., ::-1])
    assert "levels more blue than red, and FP32 has top1 1.000 with red and blue" in refusal(
        quantize(own, *stated)
    )


def test_images_without_a_class_for_calibration_are_refused(own, stated):
    xml, pictures = own
    lines = []
    for number, path in enumerate(sorted(pictures.rglob("*.png"), key=lambda path: path.name)):
        shutil.move(path, pictures / f"{number:02}.png")
        lines.append(f"{number:02}.png {path.parent.name}")
    (pictures / "val.txt").write_text("\n".join(lines))
    assert "the class red is in 6 of 6 images to measure on, and in none of the 12" in refusal(
        quantize((xml, pictures), *stated, "--annotations", pictures / "val.txt")
    )


def test_fp32_that_is_wrong_itself_proves_nothing(own):
    stated = declare(own[0], *STATED, labels=("green", "red", "blue"))
    assert "tints: FP32 itself has top1 0.000" in refusal(quantize(own, *stated))
