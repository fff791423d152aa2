"""Outputs behind a step are compared on both sides of it: right ones are equal, wrong ones are not."""

import json

import numpy as np
import pytest
from onnx.helper import make_node

from convert.test_one_verdict import draw, write
from faults.tflite_networks import TfliteNetwork

pytestmark = pytest.mark.usefixtures("folder")


def write_file(name, *, factor=1.0, step=1 / 16):
    """Values that are rounded to 8 bits, in a TFLite file."""
    net = TfliteNetwork()
    x = net.same(net.stem(), 8, 16)
    x = net.node("DEQUANTIZE", net.quantize(x, scale=step))
    x = net.node("MUL", x, net.constant(factor))
    content = net.finish(net.same(x, 16, 4, 1)).content
    with open(name, "wb") as file:
        file.write(content)


def test_a_tflite_file_is_compared_on_both_sides_of_a_rounding_to_8_bits(convert):
    write_file("net.tflite", step=1 / 4096)  # so fine that some values fall to the other side
    code, shown, told = convert("net.tflite", "-o", "net.xml", "--format", "json")
    answer = json.loads(shown)
    assert (code, answer["proof"]) == (0, "equal"), told


def write_boxes(name, *, overlap=0.5, factor=1.0):
    """The boxes that a non-maximum suppression keeps."""
    nodes = [
        make_node("Conv", ["image", "kernel"], ["maps"], strides=[4, 4]),
        make_node("Reshape", ["maps", "form"], ["all"]), make_node("Transpose", ["all"], ["rows"], perm=[0, 2, 1]),
        make_node("Slice", ["rows", "zero", "two", "two"], ["corner"]),
        make_node("Slice", ["rows", "two", "four", "two"], ["sides"]), make_node("Sigmoid", ["sides"], ["size"]),
        make_node("Add", ["corner", "size"], ["end"]), make_node("Concat", ["corner", "end"], ["boxes"], axis=2),
        make_node("Slice", ["all", "four", "five", "one"], ["logits"]), make_node("Sigmoid", ["logits"], ["scores"]),
        make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["kept"]),
        make_node("Slice", ["kept", "two", "three", "one"], ["column"]), make_node("Squeeze", ["column", "one"], ["places"]),
        make_node("Gather", ["boxes", "places"], ["chosen"], axis=1), make_node("Mul", ["chosen", "factor"], ["out"]),
    ]  # fmt: skip
    whole = {
        word: np.array([number])
        for number, word in enumerate(("zero", "one", "two", "three", "four", "five"))
    }
    write(
        name, nodes, kernel=draw(5, 3, 4, 4) / 100, form=np.array([1, 5, 96]), most=np.array([20]),
        overlap=np.float32([overlap]), factor=np.float32(factor), **whole,
    )  # fmt: skip


def test_boxes_that_a_suppression_keeps_are_equal(convert):
    write_boxes("net.onnx")
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json")
    assert (code, json.loads(shown)["proof"]) == (0, "equal"), told


@pytest.mark.parametrize("wrong", [{"overlap": 0.2}, {"factor": 1.01}], ids=str)
def test_a_wrong_suppression_and_what_is_wrong_behind_it_are_found(convert, misread, wrong):
    write_boxes("net.onnx")
    write_boxes("wrong.onnx", **wrong)
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert (code, "differs from the original in out" in told) == (1, True), told


def test_a_network_that_ends_in_the_difference_of_equal_images_is_not_refused(convert):
    """1 - a.b of two equal images cancels; what is left is the original's own noise."""
    nodes = [
        make_node("Conv", ["image", "kernel"], ["maps"]), make_node("Flatten", ["maps"], ["flat"]),
        make_node("LpNormalization", ["flat"], ["a"], axis=1, p=2), make_node("Mul", ["a", "a"], ["b"]),
        make_node("ReduceSum", ["b", "axis"], ["c"]), make_node("Sub", ["one", "c"], ["out"]),
    ]  # fmt: skip
    write("net.onnx", nodes, kernel=draw(8, 3, 3, 3), one=np.float32(1), axis=np.array([1]))
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert code == 0, told


def test_a_wrong_ir_sets_no_limit_of_its_own(convert, misread):
    """The IR enlarges roundings to whole values, and the original does not."""
    nodes = [make_node("Mul", ["image", "factor"], ["out"])]
    write("net.onnx", nodes, factor=np.float32(2))
    steps = [make_node("Floor", ["image"], ["a"]), make_node("Mul", ["a", "factor"], ["out"])]
    write("wrong.onnx", steps, factor=np.float32(2))
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert (code, "differs from the original in out" in told) == (1, True), told
