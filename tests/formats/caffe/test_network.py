"""Networks as posezoo reads them, compared with OpenCV's own reader of Caffe."""

import cv2
import numpy as np
import pytest

from fakes.caffe import CaffeNet, detector
from fakes.opencv import needs_opencv_4
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import openvino_core
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
    compiled = openvino_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(image)[0], open_judge(folder, image).forward()


def open_judge(folder, image):
    """The network as OpenCV reads it, with its input."""
    judge = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    judge.enableFusion(False)
    judge.enableWinograd(False)
    judge.setInput(image)
    return judge


def assert_equal(net, folder):
    ours, theirs = computed(net, folder)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 2e-6 * max(1, np.abs(theirs).max())


def assert_all_equal(net, folder):
    """Each output has the shape and the values that OpenCV computes."""
    network = read(net, folder)
    image = net.random.normal(size=tuple(network.input(0).shape)).astype(np.float32)
    compiled = openvino_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    judge = open_judge(folder, image)
    results = compiled(image)
    for port in network.outputs:
        ours, theirs = results[port.any_name], judge.forward(port.any_name)
        assert ours.shape == theirs.shape, port.any_name
        assert np.abs(ours - theirs).max() <= 2e-6 * max(1, np.abs(theirs).max()), port.any_name
    return len(network.outputs)


CONVOLUTIONS = {
    "plain": ((4, 3, 3, 3), ""),
    "with padding and strides": ((4, 3, 3, 3), "pad: 1 stride: 2"),
    "of different sides": ((4, 3, 1, 5), "pad_h: 0 pad_w: 2 stride_h: 2 stride_w: 1"),
    "with holes": ((4, 3, 3, 3), "dilation: 2 pad: 2"),
    "in groups": ((6, 1, 3, 3), "group: 3"),
}


def test_a_convolution_is_that_of_caffe(tmp_path):
    net = CaffeNet()
    for name, how in CONVOLUTIONS.items():
        net.convolve("data", name, *how)
    assert assert_all_equal(net, tmp_path) == len(CONVOLUTIONS)


@pytest.mark.parametrize("groups", [1, 3])
def test_a_transposed_convolution_is_that_of_caffe(groups, tmp_path):
    net = CaffeNet()
    parameters = f"num_output: 3 kernel_size: 4 stride: 2 pad: 1 group: {groups}"
    blobs = [net.draw(3, 3 // groups, 4, 4), net.draw(3)]
    net.add("Deconvolution", "data", "up", f"convolution_param {{ {parameters} }}", blobs)
    assert_equal(net, tmp_path)


WINDOWS = [
    "kernel_size: 3 stride: 2",  # the last window may be cut off
    "kernel_size: 2 stride: 2",
    "kernel_size: 3 stride: 2 pad: 1",
    "kernel_size: 2 stride: 2 pad: 1",  # the last window may begin in the padding
    "kernel_size: 3 stride: 1 pad: 1",
    "kernel_h: 3 kernel_w: 2 stride_h: 3 stride_w: 2",
    "kernel_size: 5 stride: 4 pad: 2",
    "kernel_size: 3 stride: 2 pad_h: 0 pad_w: 1",
    "global_pooling: true",
]


@pytest.mark.parametrize("side", [13, 14, 15, 16])  # their remainders for strides of 1 to 4
def test_pooling_rounds_sizes_up_and_averages_the_padding_as_caffe(side, tmp_path):
    net = CaffeNet((1, 3, side, 17))
    for pool in ("MAX", "AVE"):
        for window in WINDOWS:
            parameters = f"pooling_param {{ pool: {pool} {window} }}"
            net.add("Pooling", "data", f"{pool} {window.replace(':', '')}", parameters)
    assert assert_all_equal(net, tmp_path) == 2 * len(WINDOWS)


#: Layers of one input, and what their weights are made of.
LAYERS = {
    "ReLU": ("", ()),
    "ReLU with a slope": ("relu_param { negative_slope: 0.1 }", ()),
    "PReLU": ("", [(3,)]),
    "ELU": ("elu_param { alpha: 0.5 }", ()),
    "Sigmoid": ("", ()),
    "TanH": ("", ()),
    "AbsVal": ("", ()),
    "Power": ("power_param { power: 2 scale: 0.5 shift: 3 }", ()),
    "LRN": ("lrn_param { local_size: 3 alpha: 0.1 beta: 0.75 }", ()),
    "LRN in a channel": ("lrn_param { local_size: 3 alpha: 0.1 norm_region: WITHIN_CHANNEL }", ()),
    "Scale": ("scale_param { bias_term: true }", [(3,), (3,)]),
    "Scale without bias": ("", [(3,)]),
    "Softmax": ("", ()),
    "Softmax of the last axis": ("softmax_param { axis: -1 }", ()),
    "InnerProduct": ("inner_product_param { num_output: 5 }", [(5, 663), (5,)]),
    "InnerProduct without bias": ("inner_product_param { num_output: 5 bias_term: false }", [(5, 663)]),
    "Flatten": ("", ()),
    "Permute": ("permute_param { order: 0 order: 2 order: 3 order: 1 }", ()),
    "Reshape": ("reshape_param { shape { dim: 0 dim: -1 dim: 17 } }", ()),
}  # fmt: skip


def test_a_layer_computes_what_it_computes_in_caffe(tmp_path):
    net = CaffeNet()
    for name, (parameters, shapes) in LAYERS.items():
        blobs = [net.draw(*shape) for shape in shapes]
        net.add(name.split()[0], "data", f"the {name}", parameters, blobs)
    assert assert_all_equal(net, tmp_path) == len(LAYERS)


def batch_norm():
    net = CaffeNet()
    blobs = [net.draw(3), np.abs(net.draw(3)) + 1, np.array([3.5])]
    net.add("BatchNorm", "data", "norm", "batch_norm_param { eps: 1e-4 }", blobs)
    return net


def test_a_batch_norm_divides_its_sums_by_their_count(tmp_path):
    assert_equal(batch_norm(), tmp_path)


@pytest.mark.parametrize("parameters", [
    "", "eltwise_param { operation: SUM coeff: 0.5 coeff: -2 }", "eltwise_param { operation: PROD }",
    "eltwise_param { operation: MAX }",
])  # fmt: skip
def test_two_branches_are_joined_as_in_caffe(parameters, tmp_path):
    net = CaffeNet()
    left = net.convolve("data", "left", (3, 3, 1, 1))
    right = net.convolve("data", "right", (3, 3, 3, 3), "pad: 1")
    net.add("Eltwise", f"{left} {right}", "out", parameters)
    assert_equal(net, tmp_path)


def cut_channels():
    net = CaffeNet()
    net.add("Concat", f"data {net.convolve('data', 'conv', (2, 3, 1, 1))}", "five")
    net.text += (
        'layer { name: "cut" type: "Slice" bottom: "five" top: "first" top: "rest"'
        " slice_param { axis: 1 slice_point: 2 } }\n"
    )
    net.add("Eltwise", f"first {net.convolve('rest', 'two', (2, 3, 1, 1))}", "out")
    return net


def test_channels_are_concatenated_and_cut(tmp_path):
    assert_equal(cut_channels(), tmp_path)


def squeezed(net):
    """One value for each channel, as the blocks of se-resnet have."""
    net.add("Pooling", "data", "average", "pooling_param { pool: AVE global_pooling: true }")
    return net.add("Sigmoid", net.convolve("average", "fc", (3, 3, 1, 1)), "gate")


def test_a_second_input_scales_the_first(tmp_path):
    net = CaffeNet()
    net.add("Scale", f"data {squeezed(net)}", "out", "scale_param { axis: 0 }")
    assert_equal(net, tmp_path)


def test_axpy_is_a_product_and_a_sum(tmp_path):
    """OpenCV has no Axpy; numpy has both."""
    net = CaffeNet()
    net.add("Axpy", f"{squeezed(net)} data data", "out")
    network = read(net, tmp_path)
    network.add_outputs(["gate"])
    image = net.draw(1, 3, 13, 17)
    results = openvino_core().compile_model(network, "CPU")(image)
    np.testing.assert_allclose(
        results["out"], results["gate"] * image + image, rtol=1e-5, atol=1e-6
    )


def test_a_detector_finds_the_same_boxes(tmp_path):
    ours, theirs = computed(detector(), tmp_path)
    theirs = arrange_detections(theirs, 50)
    assert (ours[0, 0, :, 2] > 0).sum() > 5
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_a_detector_that_finds_nothing_ends_its_rows_as_openvino_does(tmp_path):
    net = detector()
    net.text = net.text.replace("confidence_threshold: 0.4", "confidence_threshold: 1.0")
    ours, theirs = computed(net, tmp_path)
    np.testing.assert_array_equal(ours, arrange_detections(theirs, 50))


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


def test_layers_of_the_training_are_left_out(tmp_path):
    net = CaffeNet()
    net.convolve("data", "conv", (4, 3, 1, 1))
    net.add("Dropout", "conv", "conv")
    net.add("SoftmaxWithLoss", "conv", "loss", "include { phase: TRAIN }")
    net.add("Accuracy", "conv", "accuracy")
    assert [port.any_name for port in read(net, tmp_path).outputs] == ["conv"]


def test_a_top_that_silence_reads_is_no_output(tmp_path):
    net = CaffeNet()
    for top in ("kept", "silenced", "kept_by_training"):
        net.convolve("data", top, (4, 3, 1, 1))
    silence = 'layer { name: "%s" type: "Silence" bottom: "%s" include { phase: %s } }\n'
    net.text += silence % ("a", "silenced", "TEST") + silence % ("b", "kept_by_training", "TRAIN")
    outputs = [port.any_name for port in read(net, tmp_path).outputs]
    assert outputs == ["kept", "kept_by_training"]


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


def test_old_names_of_layers_are_read(tmp_path):
    net = CaffeNet()
    net.convolve("data", "conv", (4, 3, 3, 3))
    net.text = net.text.replace("layer {", "layers {").replace('"Convolution"', "CONVOLUTION")
    assert read(net, tmp_path).output(0).any_name == "conv"


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
