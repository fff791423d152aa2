import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from core.convert.test_conversion import tiny
from fakes.conversion import convert_model
from fakes.graphs import FLOAT, written
from posezoo.core.convert import frontends, preprocess
from posezoo.core.declarations.model import Input, Output, Precision
from posezoo.core.errors import SelfCheckError
from posezoo.core.events import SelfCheckPassed
from posezoo.formats import onnx as onnx_format
from posezoo.proof import check_extent
from posezoo.proof.check_extent import SEEDS, choose_extent
from proof.test_self_check import publish_as, read, replace_constant

FP32, FP16 = Precision.FP32, Precision.FP16
CHANNELS = 16
#: Tensors of 16 channels with this side are too large for the limit that these tests set.
SIDE = 192


@pytest.fixture
def low_limit(monkeypatch, in_this_process):
    """Networks of a few pixels are costly."""
    monkeypatch.setattr(check_extent, "MAX_TENSOR", 2 << 20)


def layers(*, side=SIDE, grid=False, form=False, stride=1):
    """A convolution and a ReLU, with a value for each pixel, or a Reshape that changes nothing."""
    rng = np.random.default_rng(3)
    constants = {"kernel": rng.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)}
    pads = {"pads": [1, 1, 1, 1], "strides": [stride, stride]}
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["seen"], "seen", **pads)]
    last = "seen"
    shape = (1, CHANNELS, side // stride, side // stride)
    if grid:
        constants["grid"] = rng.normal(size=(1, 1, *shape[2:])).astype(np.float32)
        nodes.append(helper.make_node("Add", [last, "grid"], ["placed"], "placed"))
        last = "placed"
    if form:
        constants["shape"] = np.array(shape, np.int64)
        nodes.append(helper.make_node("Reshape", [last, "shape"], ["formed"], "formed"))
        last = "formed"
    nodes.append(helper.make_node("Relu", [last], ["bright"], "bright"))
    constants["head"] = rng.normal(size=(2, CHANNELS, 1, 1)).astype(np.float32)
    nodes.append(helper.make_node("Conv", ["bright", "head"], ["heatmaps"], "heatmaps"))
    ports = [("image", FLOAT, (1, 3, side, side)), ("heatmaps", FLOAT, (1, 2, *shape[2:]))]
    return written("layers", nodes, ports[:1], ports[1:], constants)


def model(tmp_path, content, *, side=SIDE):
    image = Input("image", (1, 3, side, side), "NCHW", mean=(100.0, 120.0, 140.0))
    return tiny(tmp_path, content=content, inputs=(image,), outputs=(Output("heatmaps", ()),))


@pytest.mark.usefixtures("low_limit")
def test_a_network_with_many_pixels_is_compared_on_smaller_images_and_the_line_says_so(tmp_path):
    spec, layout = model(tmp_path, layers())
    events = []
    convert_model(spec, layout, listener=events.append)
    passed = [event for event in events if isinstance(event, SelfCheckPassed)]
    assert [event.reduction for event in passed] == ["on images of 96 x 96 pixels"] * 2
    assert passed[0].reference.startswith("ONNX Runtime")
    record = json.loads(layout.provenance_path(spec, FP16).read_text("utf-8"))["self_check"]
    assert record["reduction"] == passed[0].reduction
    assert record["seeds"] == list(SEEDS)


@pytest.mark.usefixtures("low_limit")
def test_a_wrong_ir_is_found_on_smaller_images(tmp_path):
    spec, layout = model(tmp_path, layers())
    network = preprocess.apply_model_yml(read(spec, layout), spec)
    (relu,) = [node for node in network.get_ops() if node.get_type_name() == "Relu"]
    relu.output(0).replace(relu.input_value(0))
    with pytest.raises(SelfCheckError, match="differs from the original in heatmaps"):
        publish_as(spec, layout, network)
    assert not layout.ir_path(spec, FP32).exists()


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("content", [{"grid": True}, {"form": True}])
def test_a_costly_network_that_needs_its_own_size_runs_on_one_image_and_not_in_fp16(
    tmp_path, content
):
    spec, layout = model(tmp_path, layers(**content))
    events = []
    convert_model(spec, layout, listener=events.append)
    passed = [event for event in events if isinstance(event, SelfCheckPassed)]
    assert [event.reduction for event in passed] == ["on one image, and in FP32 only"] * 2
    assert passed[1].rounding is None
    record = json.loads(layout.provenance_path(spec, FP32).read_text("utf-8"))["self_check"]
    assert record["seeds"] == [SEEDS[0]]


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("content", [{"grid": True}, {"form": True}])
def test_a_wrong_weight_is_found_on_one_image(tmp_path, content):
    spec, layout = model(tmp_path, layers(**content))
    network = preprocess.apply_model_yml(read(spec, layout), spec)
    nodes = [node for node in network.get_ops() if node.get_type_name() == "Constant"]
    (head,) = [node for node in nodes if list(node.shape) == [2, CHANNELS, 1, 1]]
    replace_constant(head, np.array(head.data) * [[[[1.0]]], [[[1.001]]]])
    with pytest.raises(SelfCheckError, match="differs from the original"):
        publish_as(spec, layout, network)


@pytest.mark.parametrize(
    ("sides", "smaller"),
    [((1000, 1500), (520, 828)), ((768, 1280), (480, 896)), ((900, 97), None)],
)
def test_a_side_becomes_smaller_by_multiples_of_96_pixels(tmp_path, sides, smaller):
    spec, layout = model(tmp_path, layers())
    network = preprocess.apply_model_yml(read(spec, layout), spec)
    network.reshape([1, 3, *sides])
    image = replace(spec.inputs[0], shape=(1, 3, *sides))
    extent = choose_extent(network, replace(spec, inputs=(image,)))
    assert extent.sizes == ({"image": (1, 3, *smaller)} if smaller else {})


@pytest.mark.parametrize("stride", [1, 2])
def test_onnx_runtime_runs_a_file_in_other_sizes_than_it_declares(tmp_path, stride):
    spec, layout = model(tmp_path, layers(side=96, stride=stride), side=96)
    source = frontends.source_model_path(spec, layout)
    runtime = onnx_format.open_runtime(spec, source, {"image": (1, 3, 192, 192)})
    assert runtime.inputs["image"][0] == (1, 3, 192, 192)
    image = np.random.default_rng(0).random((1, 3, 192, 192), np.float32)
    larger = onnxruntime.InferenceSession(layers(side=192, stride=stride))
    (expected,) = larger.run(None, {"image": image})
    heatmaps = runtime.run({"image": image})["heatmaps"]
    assert np.allclose(heatmaps, expected, rtol=1e-4, atol=1e-4)
    inner = runtime.inner.open(["bright"], {})({"image": image})
    assert inner["bright"].shape == (1, CHANNELS, 192 // stride, 192 // stride)
