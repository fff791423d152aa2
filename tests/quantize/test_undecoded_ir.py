"""posezoo quantize of an IR whose outputs no decoder reads: its outputs themselves are compared."""

import cv2
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from fakes import seeker
from fakes.command import posezoo, read_json, refusal, succeeded
from fakes.own_files import declare

SIDE = 48


def convolve(node, weights):
    return ops.convolution(node, ops.constant(weights), [2, 2], [1, 1], [1, 1], [1, 1])


def write_ir(xml, loud, *, inputs=1):
    """A network for images of 0 to 1 whose output is that of the quiet half of its channels."""
    rng = np.random.default_rng(0)
    images = [ops.parameter([1, 3, SIDE, SIDE], np.float32) for _ in range(inputs)]
    for number, image in enumerate(images):
        image.output(0).set_names({f"image{number}"})
        image.set_layout(ov.Layout("NCHW"))
    kernels = rng.uniform(0.1, 1, (8, 3, 3, 3)).astype(np.float32)
    kernels[:4] *= loud
    hidden = ops.relu(convolve(images[-1], kernels))
    kernels = rng.normal(size=(7, 8, 3, 3)).astype(np.float32)
    kernels[:, :4] = 0
    result = convolve(hidden, kernels)
    result.output(0).set_names({"head"})
    xml.parent.mkdir(parents=True)
    ov.save_model(ov.Model([result], images, "net"), xml, compress_to_fp16=False)
    return xml


@pytest.fixture
def photos(tmp_path):
    seeker.write_photos(tmp_path / "photos")
    return tmp_path / "photos"


def quantize(xml, photos, *flags):
    stated = declare(xml, "--scale_values", "255")
    return posezoo("quantize", xml, "--images", photos, *stated, *flags)


def compute(xml, photo):
    compiled = ov.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = cv2.resize(cv2.imread(str(photo)), (SIDE, SIDE)).transpose(2, 0, 1)[None]
    return compiled(np.float32(image / 255))["head"].astype(float)


def test_the_reported_noise_is_that_between_the_two_irs(tmp_path, photos):
    pytest.importorskip("nncf", reason="needs nncf")
    xml = write_ir(tmp_path / "net" / "FP32" / "net.xml", loud=1)
    log = tmp_path / "log.jsonl"
    done = succeeded(quantize(xml, photos, "--log", log))
    assert "model_outputs_compared" in log.read_text("utf-8")
    int8 = tmp_path / "net" / "FP16-INT8" / "net.xml"
    record = read_json(int8.parent / "provenance.json")["outputs"]
    kept_apart = sorted(photos.iterdir())[2::3]
    pairs = [(compute(xml, photo), compute(int8, photo)) for photo in kept_apart]
    difference = sum(np.square(exact - actual).sum() for exact, actual in pairs)
    size = sum(np.square(exact).sum() for exact, _ in pairs)
    assert record["noise"]["head"] == pytest.approx(np.sqrt(difference / size), rel=0.01)
    assert f"by head {record['noise']['head']:.1%} of its root mean square" in done.stderr
    assert record["noise"]["head"] < record["limit"]


def test_int8_that_loses_the_signal_is_refused_and_not_written(tmp_path, photos):
    pytest.importorskip("nncf", reason="needs nncf")
    xml = write_ir(tmp_path / "net" / "FP32" / "net.xml", loud=1e4)
    said = refusal(quantize(xml, photos))
    assert "error: net: FP16-INT8 changes head by" in said
    assert "80% are allowed" in said and "no IR was written" in said
    assert not (tmp_path / "net" / "FP16-INT8").exists()


def test_a_metric_needs_a_decoder_and_two_images_are_refused(tmp_path, photos):
    xml = write_ir(tmp_path / "net" / "FP32" / "net.xml", loud=1)
    assert "no decoder is known for its outputs head" in refusal(
        quantize(xml, photos, "--metric", "ap")
    )
    xml = write_ir(tmp_path / "two" / "FP32" / "two.xml", loud=1, inputs=2)
    assert "takes image0 [1, 3, 48, 48], image1 [1, 3, 48, 48], and not one image" in refusal(
        quantize(xml, photos)
    )
