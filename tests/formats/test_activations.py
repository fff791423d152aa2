"""The activations of Caffe and Darknet have second names, and compute what numpy computes."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.caffe import CaffeNet
from fakes.darknet import DarknetNet
from fakes.when_used import import_when_used
from posezoo.cli.main import main

onnxruntime = import_when_used("onnxruntime")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def selu(x):
    return 1.0507010 * np.where(x > 0, x, 1.6732632 * (np.exp(x) - 1))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3))


FORMULAS = {
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "logistic": sigmoid,
    "sigmoid": sigmoid,
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardtan": lambda x: np.clip(x, -1, 1),
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "hswish": lambda x: x * hard_sigmoid(x),
    "hardswish": lambda x: x * hard_sigmoid(x),
    "hard_sigmoid": hard_sigmoid,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "lrelu": lambda x: np.where(x > 0, x, 0.1 * x),
    "relie": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": selu,
    "gelu": gelu,
    "tanh": np.tanh,
    "softplus": lambda x: np.log1p(np.exp(x)),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_onnx(image):
    (result,) = onnxruntime.InferenceSession("net.onnx").run(None, {"data": image})
    return result


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_of_darknet_computes_its_formula(folder, name):
    net = DarknetNet(8, 8)
    net.convolve(3, 4, size=1, activation=name, normalize=False)
    net.save(folder)
    assert main(["translate", "net.cfg", "net.weights", "-o", "net.onnx"]) == 0
    image = np.random.default_rng(1).normal(0, 3, (1, 3, 8, 8)).astype(np.float32)
    bias, kernel = net.arrays
    values = np.einsum("ock,ncj->noj", kernel[..., 0], image.reshape(1, 3, -1))
    expected = FORMULAS[name](values.reshape(1, 4, 8, 8) + bias.reshape(1, 4, 1, 1))
    np.testing.assert_allclose(run_onnx(image), expected, rtol=1e-4, atol=1e-5)


CAFFE = {
    "Swish": "silu", "SiLU": "silu", "ReLU6": "relu6", "HardSwish": "hswish", "Mish": "mish",
    "Hard_Swish": "hswish", "BNLL": "softplus", "SELU": "selu", "HSigmoid": "hard_sigmoid",
}  # fmt: skip


@pytest.mark.parametrize("kind", CAFFE)
def test_a_layer_of_caffe_computes_its_formula(folder, kind):
    net = CaffeNet((1, 3, 8, 8))
    net.add(kind, "data", "out")
    net.save(folder)
    assert main(["translate", "net.prototxt", "net.caffemodel", "-o", "net.onnx"]) == 0
    image = net.draw(1, 3, 8, 8) * 3
    expected = FORMULAS[CAFFE[kind]](image)
    np.testing.assert_allclose(run_onnx(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "parameters", "formula"),
    [
        ("Swish", "swish_param { beta: 1.7 }", lambda x: x * sigmoid(1.7 * x)),
        ("Clip", "clip_param { min: -0.5 max: 2 }", lambda x: np.clip(x, -0.5, 2)),
    ],
)
def test_a_parameter_of_a_layer_of_caffe_counts(folder, kind, parameters, formula):
    net = CaffeNet((1, 3, 8, 8))
    net.add(kind, "data", "out", parameters)
    net.save(folder)
    assert main(["translate", "net.prototxt", "net.caffemodel", "-o", "net.onnx"]) == 0
    image = net.draw(1, 3, 8, 8) * 3
    np.testing.assert_allclose(run_onnx(image), formula(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["Stair", "Relu", "HardSwish with a parameter"])
def test_another_layer_is_refused_by_its_name(folder, capsys, kind):
    kind, *has_parameter = kind.split(" ", 1)
    net = CaffeNet((1, 3, 8, 8))
    net.add(kind, "data", "out", "hardswish_param { slope: 2 }" if has_parameter else "")
    net.save(folder)
    assert main(["translate", "net.prototxt", "net.caffemodel", "-o", "net.onnx"]) == 1
    error = capsys.readouterr().err
    assert f"net.prototxt:{len(net.text.splitlines())}: " in error
    assert kind in error
