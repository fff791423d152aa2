"""Without the packages onnx and onnxruntime, operations that OpenVINO misreads are refused, and others convert."""

import sys

import numpy as np
import pytest
from onnx import helper

from fakes import graphs
from fakes.command import assert_success, posezoo, refusal

node = helper.make_node
SHAPE = (1, 2, 7, 10)
SCALES = {"s": np.array([1, 1, 0.6, 1.3], np.float32)}
WRAPPED = {"p": [0, 0, 1, 1, 0, 0, 1, 1]}

#: Nodes, constants, version and shape; and what the message names.
MISREAD = {
    "Resize 'y'": ([node("Resize", ["x", "", "s"], ["y"], mode="linear", antialias=1)], SCALES, 19),
    "Pad 'y'": ([node("Pad", ["x", "p"], ["y"], mode="wrap")], WRAPPED, 19),
    "Softmax 'y'": ([node("Softmax", ["x"], ["y"], axis=1)], {}, 11),
    "MaxPool 'y'": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], ceil_mode=1)], {}, 13),
}
SOUND = {
    "another resize": ([node("Resize", ["x", "", "s"], ["y"], mode="linear")], SCALES, 19),
    "another pad": ([node("Pad", ["x", "p"], ["y"], mode="edge")], WRAPPED, 19),
    "a softmax over the last axis": ([node("Softmax", ["x"], ["y"], axis=-1)], {}, 11),
    "a later softmax": ([node("Softmax", ["x"], ["y"], axis=1)], {}, 13),
    "a pool that rounds down": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])], {}, 13),
}


def save(path, nodes, constants, version, shape=SHAPE):
    ports = ("x", graphs.FLOAT, shape), ("y", graphs.FLOAT, None)
    path.write_bytes(graphs.written("net", nodes, ports[:1], ports[1:], constants, opset=version))


@pytest.fixture
def translate_without(tmp_path, monkeypatch, in_this_process):
    """The command where these packages are not installed."""

    def translate(*packages):
        for name in packages:
            monkeypatch.setitem(sys.modules, name, None)
        return posezoo("translate", "net.onnx", "-o", "net.xml", cwd=tmp_path)

    return translate


@pytest.mark.parametrize("operation", MISREAD)
def test_an_operation_that_nothing_replaces_or_compares_is_refused(
    tmp_path, translate_without, operation
):
    save(tmp_path / "net.onnx", *MISREAD[operation])
    error = refusal(translate_without("onnx", "onnxruntime"))
    assert f"OpenVINO may read its {operation} wrongly" in error
    assert "hint: " in error and "[convert]" in error
    assert "Traceback" not in error
    assert not (tmp_path / "net.xml").exists()


@pytest.mark.parametrize("kind", SOUND)
def test_what_openvino_reads_rightly_needs_neither_package(tmp_path, translate_without, kind):
    save(tmp_path / "net.onnx", *SOUND[kind])
    ended = translate_without("onnx", "onnxruntime")
    assert_success(ended)
    assert (tmp_path / "net.xml").exists()


def test_an_operation_of_unknown_sizes_needs_onnx_runtime(tmp_path, translate_without):
    sizes = {"kernel_shape": [2, 2], "strides": [3, 3]}  # a window may begin after the end
    pool = node("MaxPool", ["x"], ["y"], ceil_mode=1, **sizes)
    save(tmp_path / "net.onnx", [pool], {}, 13, shape=[1, 2, "height", 10])
    error = refusal(translate_without("onnxruntime"))
    assert "its MaxPool 'y' wrongly: it cannot be replaced" in error
    assert not (tmp_path / "net.xml").exists()


def test_one_of_the_packages_is_enough_for_known_sizes(tmp_path, translate_without):
    save(tmp_path / "net.onnx", *MISREAD["Pad 'y'"])
    ended = translate_without("onnxruntime")
    assert_success(ended)
