"""Networks as posezoo reads them, compared with OpenCV's own reader of Caffe."""

import cv2
import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.caffe import CaffeNet, detector
from fakes.layer_networks import WINDOWS
from fakes.opencv import needs_opencv_4
from posezoo.core.errors import ConversionError
from posezoo.formats.caffe.caffe_format import arrange_detections
from posezoo.formats.caffe.network import read_caffe

pytestmark = needs_opencv_4


def read(net, folder):
    caffemodel = net.save(folder)
    return read_caffe(caffemodel.with_suffix(".prototxt"), caffemodel)


def computed(net, folder, image=None):
    """The only output as our network and as OpenCV compute it."""
    network = read(net, folder)
    if image is None:
        image = net.random.normal(size=tuple(network.input(0).shape)).astype(np.float32)
    return compiled(network)(image)[0], open_judge(folder, image).forward()


def open_judge(folder, image):
    """The network as OpenCV reads it, with its input."""
    judge = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    judge.enableFusion(False)
    judge.enableWinograd(False)
    judge.setInput(image)
    return judge


def assert_all_equal(net, folder):
    """Each output has the shape and the values that OpenCV computes."""
    network = read(net, folder)
    image = net.random.normal(size=tuple(network.input(0).shape)).astype(np.float32)
    judge = open_judge(folder, image)
    results = compiled(network)(image)
    for port in network.outputs:
        ours, theirs = results[port.any_name], judge.forward(port.any_name)
        assert ours.shape == theirs.shape, port.any_name
        assert np.abs(ours - theirs).max() <= 2e-6 * max(1, np.abs(theirs).max()), port.any_name
    return len(network.outputs)


@pytest.mark.parametrize("side", [13, 14, 15, 16])  # their remainders for strides of 1 to 4
def test_pooling_rounds_sizes_up_and_averages_the_padding_as_caffe(side, tmp_path):
    net = CaffeNet((1, 3, side, 17))
    for pool in ("MAX", "AVE"):
        for window in WINDOWS:
            parameters = f"pooling_param {{ pool: {pool} {window} }}"
            net.add("Pooling", "data", f"{pool} {window.replace(':', '')}", parameters)
    assert assert_all_equal(net, tmp_path) == 2 * len(WINDOWS)


def test_a_detector_finds_the_same_boxes(tmp_path):
    ours, theirs = computed(detector(), tmp_path)
    theirs = arrange_detections(theirs, 50)
    assert (ours[0, 0, :, 2] > 0).sum() > 5
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_names_are_those_of_the_tops_and_of_the_layers(tmp_path):
    net = CaffeNet(name="named")
    net.convolve("data", "conv", (4, 3, 1, 1))
    net.add("ReLU", "conv", "conv")
    net.add("Softmax", "conv", "prob")
    network = read(net, tmp_path)
    assert network.get_friendly_name() == "named"
    assert [port.names for port in network.inputs + network.outputs] == [{"data"}, {"prob"}]
    titles = {node.get_friendly_name() for node in network.get_ordered_ops()}
    assert {"conv", "conv_ReLU", "prob"} <= titles


def test_a_top_that_a_layer_changes_in_place_is_an_output_if_nothing_reads_it_then(tmp_path):
    net = CaffeNet()
    net.convolve("data", "conv", (4, 3, 1, 1))
    net.add("ReLU", "conv", "conv")
    ours, _ = computed(net, tmp_path)
    assert read(net, tmp_path).output(0).names == {"conv"}
    assert ours.min() == 0


def test_an_input_may_be_a_layer_and_get_another_size(tmp_path):
    net = CaffeNet((1, 3, 14, 17))
    net.text = (
        'layer { name: "in" type: "Input" top: "data"'
        " input_param { shape { dim: 1 dim: 3 dim: 14 dim: 17 } } }\n"
    )
    net.convolve("data", "conv", (4, 3, 3, 3))
    net.add("InnerProduct", net.add("Pooling", "conv", "pool", "pooling_param { global_pooling: true }"),
            "fc", "", [net.draw(2, 4), net.draw(2)])  # fmt: skip
    network = read(net, tmp_path)
    network.reshape({"data": [1, 3, 30, 40]})
    assert list(network.output("fc").shape) == [1, 2]


def broken(how):
    net = CaffeNet()
    net.convolve("data", "conv", (4, 3, 3, 3))
    if how == "an unknown layer":
        net.add("MVN", "conv", "mvn")
        net.add("Crop", "mvn", "crop")
    elif how == "a missing input":
        net.add("ReLU", "nowhere", "out")
    elif how == "missing weights":
        net.weights = CaffeNet().weights + net.weights[-1:0]
    elif how == "weights of another network":
        net.text = net.text.replace("dim: 3 ", "dim: 5 ")
    elif how == "stochastic pooling":
        net.add("Pooling", "conv", "out", "pooling_param { pool: STOCHASTIC kernel_size: 2 }")
    elif how == "an input without a shape":
        net.text = net.text.replace("input_shape", "other_shape")
    return net


@pytest.mark.parametrize(("how", "problem"), [
    ("an unknown layer", "posezoo has no layers of type 'Crop', 'MVN'"),
    ("a missing input", "layer 'out' reads 'nowhere', which no layer before it makes"),
    ("missing weights", "layer 'conv' (Convolution): its weights are not in the .caffemodel"),
    ("weights of another network", "layer 'conv' (Convolution): cannot be built: "),
    ("stochastic pooling", "layer 'out' (Pooling): pooling STOCHASTIC is not supported"),
    ("an input without a shape", "1 inputs have 0 shapes"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(how, problem, tmp_path):
    with pytest.raises(ConversionError, match=r"net\.prototxt:[0-9]+: ") as caught:
        read(broken(how), tmp_path)
    assert problem in caught.value.problem
