"""Operations of ONNX that OpenVINO reads wrongly become others, with the same outputs."""

import sys

import numpy as np
import onnx
import pytest

from core.convert.test_against_mo import compiled
from fakes.when_used import import_when_used
from posezoo.cli.main import main
from posezoo.core.errors import ConversionError
from posezoo.formats.onnx_rewriting import rewrite_operations
from posezoo.run.runtime.graph import Graph

onnxruntime = import_when_used("onnxruntime")

helper = onnx.helper
node = helper.make_node
IMAGE = np.random.default_rng(1).normal(size=(1, 2, 7, 10)).astype(np.float32)
UNKNOWN = ["n", 2, "h", "w"]
SCALES = {"s": np.array([1, 1, 0.6, 1.3], np.float32)}


def save(nodes, constants=(), *, version=19, shape=IMAGE.shape, weights=()):
    kind = onnx.TensorProto.FLOAT
    ports = [helper.make_tensor_value_info("x", kind, shape)]
    ends = [helper.make_tensor_value_info("y", kind, None)]
    tensors = [
        onnx.numpy_helper.from_array(np.asarray(values), name)
        for name, values in dict(constants).items()
    ]
    graph = helper.make_graph(nodes, "g", ports, ends, [*tensors, *weights])
    opsets = [helper.make_opsetid("", version)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(model, "net.onnx")


def resize(**attributes):
    return [node("Resize", ["x", "", "s"], ["y"], **attributes)]


def resize_to(**attributes):
    return [node("Resize", ["x", "", "", "s"], ["y"], axes=[3, 2], **attributes)]


def pool(kind, **attributes):
    return [node(kind, ["x"], ["y"], ceil_mode=1, **attributes)]


SYMMETRIC = {"coordinate_transformation_mode": "half_pixel_symmetric"}

#: Nodes, constants, and how the file is saved.
MISREAD = {
    "linear antialias": (resize(mode="linear", antialias=1), SCALES, {}),
    "cubic antialias": (resize(mode="cubic", antialias=1, cubic_coeff_a=-0.5), SCALES, {}),
    "cubic without what is outside": (resize(mode="cubic", exclude_outside=1), SCALES, {}),
    "both": (resize(mode="cubic", exclude_outside=1, antialias=1), SCALES, {}),
    "aligned corners": (
        resize(mode="linear", antialias=1, coordinate_transformation_mode="align_corners"),
        SCALES,
        {},
    ),
    "symmetric linear": (resize(mode="linear", **SYMMETRIC), SCALES, {}),
    "symmetric nearest": (resize(mode="nearest", nearest_mode="floor", **SYMMETRIC), SCALES, {}),
    "not larger": (
        resize_to(mode="linear", keep_aspect_ratio_policy="not_larger"),
        {"s": [20, 20]},
        {},
    ),
    "not smaller": (
        resize_to(mode="nearest", keep_aspect_ratio_policy="not_smaller"),
        {"s": [20, 20]},
        {},
    ),
    "largest window in the padding": (
        pool("MaxPool", kernel_shape=[2, 2], strides=[2, 3], pads=[1, 1, 1, 1]),
        {},
        {},
    ),
    "average over the end": (
        pool(
            "AveragePool",
            kernel_shape=[3, 3],
            strides=[3, 2],
            pads=[1, 1, 1, 1],
            count_include_pad=1,
        ),
        {},
        {},
    ),
    "pad from the other edge": (
        [node("Pad", ["x", "p"], ["y"], mode="wrap")],
        {"p": [0, 1, 2, 0, 0, 0, 12, 3]},
        {},
    ),
    "softmax over all axes": ([node("Softmax", ["x"], ["y"])], {}, {"version": 11}),
    "softmax of unknown sizes": (
        [node("Softmax", ["x"], ["y"], axis=2)],
        {},
        {"version": 12, "shape": UNKNOWN},
    ),
}


def require_equal(image=IMAGE):
    """The IR of net.onnx computes what ONNX Runtime does."""
    assert main(["convert", "net.onnx", "-o", "net.xml", "--precision", "FP32"]) == 0
    (expected,) = onnxruntime.InferenceSession("net.onnx").run(None, {"x": image})
    network = compiled("net.xml")
    assert "y" in network.output(0).names
    np.testing.assert_allclose(network(image)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MISREAD)
def test_an_operation_that_openvino_misreads_is_converted_exactly(folder, name):
    nodes, constants, options = MISREAD[name]
    save(nodes, constants, **options)
    require_equal()


def test_bfloat16_in_integers_is_read_as_bfloat16(folder):
    weight = helper.make_tensor("w", onnx.TensorProto.BFLOAT16, [10], np.linspace(-2, 2, 10))
    assert weight.int32_data
    cast = node("Cast", ["w"], ["f"], to=onnx.TensorProto.FLOAT)
    save([cast, node("Mul", ["x", "f"], ["y"])], weights=[weight])
    require_equal()


def make_bfloat16(*, raw=False):
    """A constant in bfloat16, in integers or in raw bytes."""
    weight = helper.make_tensor("w", onnx.TensorProto.BFLOAT16, [10], np.linspace(-2, 2, 10))
    if raw:
        weight.raw_data = np.array(weight.int32_data, "<u2").tobytes()
        weight.ClearField("int32_data")
    return [node("Constant", [], ["w"], value=weight)]


@pytest.fixture
def no_packages(monkeypatch):
    """Neither onnx nor ONNX Runtime is installed."""
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("no_packages")
def test_only_bfloat16_in_integers_needs_a_package(folder):
    same = node("Identity", ["x"], ["y"])
    of_16 = onnx.numpy_helper.from_array(np.zeros(16, np.float32))
    for constants in ([node("Constant", [], ["c"], value=of_16)], make_bfloat16(raw=True)):
        save([*constants, same])
        assert rewrite_operations(folder / "net.onnx", is_compared=True) is None
    save([*make_bfloat16(), same])
    with pytest.raises(ConversionError, match="wrongly: the package onnx"):
        rewrite_operations(folder / "net.onnx", is_compared=True)


#: Operations with the same attributes that OpenVINO reads correctly.
CORRECT = {
    "linear": (resize(mode="linear"), SCALES, {}),
    "edge": ([node("Pad", ["x", "p"], ["y"], mode="edge")], {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, {}),
    "rounded down": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])], {}, {}),
    "largest": (pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), {}, {}),
    "average": (pool("AveragePool", kernel_shape=[3, 3], pads=[1] * 4), {}, {}),
    "softmax of axis 3": ([node("Softmax", ["x"], ["y"], axis=3)], {}, {"version": 11}),
    "softmax of axis -1": ([node("Softmax", ["x"], ["y"], axis=-1)], {}, {"version": 11}),
    "softmax of the standard today": ([node("Softmax", ["x"], ["y"], axis=1)], {}, {}),
}


@pytest.mark.parametrize("name", CORRECT)
def test_an_operation_that_openvino_reads_correctly_stays_as_it_is(folder, name):
    nodes, constants, options = CORRECT[name]
    save(nodes, constants, **options)
    assert rewrite_operations(folder / "net.onnx", is_compared=True) is None
    require_equal()


def test_a_misread_operation_of_unknown_sizes_is_refused_by_the_self_check(folder, capsys):
    scales = {"s": np.array([1, 1, 0.5, 0.5], np.float32)}
    save(resize(mode="linear", antialias=1), scales, shape=UNKNOWN)
    assert main(["convert", "net.onnx", "-o", "net.xml"]) == 1
    assert "differs from the original in y" in capsys.readouterr().err
    assert not (folder / "net.xml").exists()


@pytest.mark.parametrize(
    "nodes",
    [
        pool("MaxPool", kernel_shape=[3, 3], strides=[2, 2]),
        pool("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        pool("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
    ],
)
def test_pooling_that_fits_each_size_may_have_unknown_sizes(folder, nodes):
    save(nodes, shape=UNKNOWN)
    Graph(folder / "net.onnx")
    require_equal()


@pytest.mark.parametrize(
    "nodes",
    [
        pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4),
        pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], count_include_pad=1),
    ],
)
def test_pooling_that_is_misread_at_some_sizes_is_refused_if_they_are_unknown(folder, nodes):
    save(nodes, shape=UNKNOWN)
    with pytest.raises(ConversionError, match="Pool 'y' wrongly"):
        Graph(folder / "net.onnx")
