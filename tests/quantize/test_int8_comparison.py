"""What is said about the difference of INT8 from FP32 has the words of the task."""

import json

import cv2
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from fakes import tints
from fakes.command import posezoo, refusal, succeeded
from fakes.own_files import declare
from posezoo.console.console import result_lines
from posezoo.core.events import DisplacementMeasured
from posezoo.quantize.int8_comparison import compare_layers


@pytest.mark.parametrize(
    ("task", "words", "others"),
    [
        ("", ("moves points", "8 people, FP32 9"), ("objects", "class")),
        ("detection", ("moves corners of boxes", "8 objects, FP32 9"), ("points", "people")),
        ("classification", ("finds a class in 8 images, FP32 in 9",), ("points", "people", "px")),
    ],
)
def test_the_words_are_those_of_the_task(task, words, others):
    event = DisplacementMeasured(
        "net", "FP16-INT8", 1.0, 2.0, max_shift_px=5, found_fp32=9, found_int8=8, agreement=0.8,
        min_agreement=0.9, task=task,
    )  # fmt: skip
    (line,) = result_lines(event)
    assert all(word in line for word in words)
    assert not any(word in line for word in others)
    assert "80% agreement (90% needed)" in line


def test_a_classifier_is_not_said_to_move_points_or_to_find_people(tmp_path):
    pytest.importorskip("nncf", reason="needs nncf")
    xml = tints.write_ir(tmp_path / "net" / "FP32")
    pictures = tints.write_pictures(tmp_path / "pictures")
    mean = ("--mean_values", ",".join(map(str, tints.MEAN)), "--reverse_input_channels")
    stated = declare(xml, *mean, "--decoder", "classification", labels=tints.CLASSES)
    done = succeeded(posezoo("quantize", xml, "--images", pictures, "--metric", "top1", *stated))
    assert "finds a class in" in done.stderr
    assert "points by" not in done.stderr and "people" not in done.stderr


def test_a_head_that_the_decoder_does_not_fit_is_one_clear_error(tmp_path):
    pytest.importorskip("nncf", reason="needs nncf")
    image = ops.parameter([1, 3, 64, 64], np.float32, name="images")
    rows = ops.reshape(image, np.array([1, -1, 8]), False)
    rows.output(0).set_names({"output"})
    xml = tmp_path / "net" / "net.xml"
    xml.parent.mkdir()
    ov.save_model(ov.Model([rows], [image], "net"), xml, compress_to_fp16=False)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(pictures / f"{number}.png"), pixels)
    (pictures / "instances.json").write_text(json.dumps({"images": []}))
    said = refusal(posezoo("quantize", xml, "--images", pictures, "--as", "yolox-nano-coco"))
    assert "bug in posezoo" not in said
    assert "the decoder yolox does not fit its outputs output" in said
    assert "yolox: an input of 64x64 has 84 cells" in said


class Sample:
    """Values for the input of a network."""

    def inputs(self):
        return {"image": np.random.default_rng(0).random((1, 8, 4), np.float32)}


def attend(*, is_int8):
    """Attention over parts of different sizes of one output, as YOLO11 has it."""

    def quantize(node):
        return ops.fake_quantize(node, *np.float32([0, 1, 0, 1]), 256) if is_int8 else node

    image = ops.parameter([1, 8, 4], np.float32, name="image")
    parts = ops.variadic_split(image, 1, np.array([2, 6]), name="parts")
    keys, values = (quantize(parts.output(place)) for place in range(2))
    found = ops.matmul(keys, values, False, True)
    found.set_friendly_name("found")
    return ov.Model([found], [image], "attention")


def test_layers_are_compared_where_several_outputs_of_one_operation_are_quantized():
    (noise,) = compare_layers(attend(is_int8=False), attend(is_int8=True), [Sample()])
    assert (noise.layer, noise.type) == ("found", "MatMul")
    assert 0 < noise.own < 0.01 and noise.own == pytest.approx(noise.total)
