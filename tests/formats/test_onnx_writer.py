"""Networks of Caffe and Darknet as ONNX: OpenCV 4 runs the originals, ONNX Runtime and OpenCV 5 what posezoo writes."""

import cv2
import numpy as np
import pytest
from openvino import opset14 as ops

from fakes.caffe import CaffeNet, detector
from fakes.layer_networks import caffe_networks, darknet_networks, draw_image, run_in_opencv_5
from fakes.opencv import needs_opencv_4
from fakes.when_used import import_when_used
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.formats.caffe.caffe_format import arrange_detections
from posezoo.formats.caffe.network import read_caffe
from posezoo.formats.darknet.darknet_layers import build_as_opencv
from posezoo.formats.darknet.files import WeightsReader, read_cfg
from posezoo.formats.onnx_writer import write_onnx
from test_opencv_versions import OPENCV_5

onnxruntime = import_when_used("onnxruntime")

pytestmark = needs_opencv_4

CAFFE = dict(caffe_networks())
DARKNET = dict(darknet_networks())

#: The largest difference, relative to the largest value of an output.
LIMIT = 1e-4


def as_onnx(net, folder):
    weights = net.save(folder)
    if isinstance(net, CaffeNet):
        return write_onnx(read_caffe(weights.with_suffix(".prototxt"), weights), {})
    return write_onnx(
        build_as_opencv(read_cfg(weights.with_suffix(".cfg")), WeightsReader(weights)), {}
    )


def computed(content, image):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, {"data": image}), strict=True))


def image_for(name, content):
    (port,) = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).get_inputs()
    return draw_image(name, port.shape)


def run_original(folder, image):
    """All outputs of the network in a folder, by OpenCV 4."""
    if (folder / "net.cfg").exists():
        judge = cv2.dnn.readNetFromDarknet(str(folder / "net.cfg"), str(folder / "net.weights"))
    else:
        judge = cv2.dnn.readNetFromCaffe(
            str(folder / "net.prototxt"), str(folder / "net.caffemodel")
        )
    judge.enableFusion(False)
    judge.enableWinograd(False)
    judge.setInput(image)
    names = judge.getUnconnectedOutLayersNames()
    return dict(zip(names, judge.forward(names), strict=True))


def assert_near(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= LIMIT * np.abs(theirs).max()


def without_removed_boxes(rows, theirs):
    """Our rows without the scores that OpenCV itself removes from a [region], where boxes overlap."""
    kept = rows.copy()
    kept[:, 5:][theirs[:, 5:] == 0] = 0
    return kept


@pytest.mark.parametrize("name", CAFFE)
def test_a_layer_of_caffe_computes_as_onnx_what_it_computes_in_opencv_4(name, tmp_path):
    content = as_onnx(CAFFE[name], tmp_path)
    image = image_for(name, content)
    (ours,) = computed(content, image).values()
    (theirs,) = run_original(tmp_path, image).values()
    if name.startswith("DetectionOutput"):
        theirs = arrange_detections(theirs, ours.shape[2])
    assert_near(ours, theirs)


@pytest.mark.parametrize("name", DARKNET)
def test_a_layer_of_darknet_computes_as_onnx_what_it_computes_in_opencv_4(name, tmp_path):
    content = as_onnx(DARKNET[name], tmp_path)
    image = image_for(name, content)
    ours = computed(content, image)
    theirs = run_original(tmp_path, image)
    if name == "classifier":
        theirs = dict(zip(ours, theirs.values(), strict=True))
    assert ours.keys() == theirs.keys()
    for output, rows in ours.items():
        is_region = output == "detection_out"
        compared = without_removed_boxes(rows, theirs[output]) if is_region else rows
        assert_near(compared, theirs[output])


@pytest.mark.skipif(not OPENCV_5.is_file(), reason="needs OpenCV 5: make build/demo-env-opencv5")
def test_opencv_5_computes_what_onnx_runtime_computes(tmp_path):
    cases = {}
    for number, (name, net) in enumerate({**CAFFE, **DARKNET}.items()):
        content = as_onnx(net, tmp_path)
        (tmp_path / f"{number}.onnx").write_bytes(content)
        image = image_for(name, content)
        cases[str(number)] = {"image": image, **computed(content, image)}
    assert len(cases) >= 60
    run_in_opencv_5(OPENCV_5, tmp_path, cases)
    for name, arrays in cases.items():
        with np.load(tmp_path / f"{name}.5.npz") as found:
            for output in found:
                assert_near(found[output].reshape(arrays[output].shape), arrays[output])


def test_the_same_network_becomes_the_same_bytes(tmp_path):
    assert as_onnx(detector(), tmp_path) == as_onnx(detector(), tmp_path)


def test_boxes_that_differ_between_classes_are_refused_by_the_name_of_the_layer(tmp_path):
    net = detector()
    net.text = net.text.replace("share_location: true", "share_location: false")
    net.text = net.text.replace('bottom: "loc" bottom: "scores"', 'bottom: "all" bottom: "scores"')
    head, mark, tail = net.text.partition('layer { name: "detections"')
    added = CaffeNet()
    added.add("Concat", "loc loc loc", "all", "concat_param { axis: 1 }")
    net.text = head + added.text.splitlines()[-1] + "\n" + mark + tail
    with pytest.raises(
        ConversionError, match=r"layer 'detections' \(DetectionOutput\): .* boxes of each class"
    ):
        as_onnx(net, tmp_path)


def write_sum(values, add):
    """A network that adds what ``add`` makes of a constant to its input."""
    openvino = import_openvino()
    image = openvino.op.Parameter(openvino.Type.f32, openvino.PartialShape([len(values)]))
    image.output(0).set_names({"data"})
    total = ops.add(image, add(ops.constant(values)))
    total.output(0).set_names({"total"})
    network = openvino.Model([ops.result(total)], [image], "net")
    return write_onnx(network, {})


def test_weights_of_quantized_layers_keep_their_bytes():
    values = np.arange(-100, 100).repeat(10).astype(np.int8)

    def scale(node):
        limits = [ops.constant(np.float32(limit)) for limit in (-10, 10, -10, 10)]
        scaled = ops.multiply(ops.convert(node, "f32"), ops.constant(np.float32(0.1)))
        return ops.fake_quantize(scaled, *limits, 201)

    content = write_sum(values, scale)
    assert len(content) < 3500
    total = computed(content, np.zeros(2000, np.float32))["total"]
    np.testing.assert_allclose(total, values * 0.1, atol=1e-5)


def test_a_tensor_keeps_its_name_though_it_looks_like_a_name_that_is_made():
    openvino = import_openvino()
    image = openvino.op.Parameter(openvino.Type.f32, openvino.PartialShape([1, 3]))
    image.output(0).set_names({"Relu:1"})
    node = ops.relu(ops.negative(image))
    node.output(0).set_names({"Neg:0"})
    network = openvino.Model([ops.result(node)], [image], "net")
    session = onnxruntime.InferenceSession(write_onnx(network, {}))
    (made,) = session.run(["Neg:0"], {"Relu:1": np.float32([[-1, 2, -3]])})
    assert made.tolist() == [[1, 0, 3]]
