"""mo --transform: the transformations that OpenVINO still has, after the self-check."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from fakes import graphs
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.omz.commands import mo

helper = onnx.helper
node = helper.make_node


def save(nodes, inputs, outputs, constants=None):
    ends = [
        [(name, graphs.FLOAT, shape) for name, shape in each.items()] for each in (inputs, outputs)
    ]
    Path("net.onnx").write_bytes(graphs.written("net", nodes, *ends, constants, opset=17))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a network whose state is an input and an output."""
    monkeypatch.chdir(tmp_path)
    shapes = [1, 4]
    nodes = [node("Add", ["x", "s"], ["sum"]), node("Relu", ["sum"], ["y"])]
    save(nodes, {"x": shapes, "s": shapes}, {"y": shapes, "sum": shapes})
    return tmp_path


def convert(*words):
    return mo.main(["--input_model", "net.onnx", *words])


def test_a_stateful_network_keeps_its_state_between_runs(folder, capsys):
    assert convert("--transform", "MakeStateful[param_res_names={'s':'sum'}]") == 0
    assert "compared the IR before MakeStateful" in capsys.readouterr().err
    request = openvino_core().compile_model("net.xml", "CPU").create_infer_request()
    ones = np.ones((1, 4), np.float32)
    sums = [float(request.infer([ones])[0].max()) for _ in range(3)]
    assert sums == [1, 2, 3]
    assert len(openvino_core().read_model("net.xml").inputs) == 1


@pytest.mark.parametrize("arguments", ["", "[use_const_initializer=on]"])
def test_a_recurrent_layer_keeps_its_state_with_low_latency(folder, arguments):
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=(1, 16, 4)).astype(np.float32) for name in "wr"}
    body = node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4)
    save([body], {"x": [1, 1, 4]}, {"y": [1, 1, 1, 4]}, weights)
    assert convert("--transform", f"LowLatency2{arguments},Pruning") == 0
    kinds = {each.get_type_name() for each in openvino_core().read_model("net.xml").get_ops()}
    assert {"ReadValue", "Assign"} <= kinds


@pytest.mark.parametrize("words", [("--transform", ""), ("--mean_values", ""), ("--layout", "")])
def test_an_empty_value_is_no_value(folder, words):
    assert convert(*words) == 0
    assert len(openvino_core().read_model("net.xml").inputs) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("LowLatency3", "the transformation 'LowLatency3' is not available"),
        ("LowLatency2[use_const_initializer=2]", "use_const_initializer=True"),
        ("MakeStateful", "needs param_res_names"),
        ("MakeStateful[param_res_names={'s':'nothing'}]", "does not fit the network"),
        ("MakeStateful[param_res_names=__import__('os')]", "needs param_res_names"),
        ("Pruning[all=True]", "takes no argument"),
        ("LowLatency2[", "cannot be read"),
        ("LowLatency2, Pruning", "cannot be read"),
    ],
)
def test_what_cannot_be_applied_is_refused_and_nothing_is_written(folder, capsys, text, problem):
    assert convert("--transform", text) == 1
    error = capsys.readouterr().err
    assert "--transform" in error and problem in error
    assert not list(folder.glob("*.xml"))
