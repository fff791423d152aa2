"""The activations of Caffe and Darknet have second names, and compute what numpy computes."""

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


def run_onnx(image):
    """Each output by its name."""
    session = onnxruntime.InferenceSession("net.onnx")
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, {"data": image}), strict=True))


def test_the_activations_of_darknet_compute_their_formulas(folder):
    """One convolution for each, of which a last layer takes the channels."""
    net = DarknetNet(8, 8)
    net.convolve(3, 3, size=1, activation="linear", normalize=False)
    for name in FORMULAS:
        net.add("route", layers=0)
        net.convolve(3, 4, size=1, activation=name, normalize=False)
    net.add("route", layers=",".join(str(2 + 2 * number) for number in range(len(FORMULAS))))
    net.save(folder)
    assert main(["convert", "net.cfg", "net.weights", "-o", "net.onnx"]) == 0
    image = np.random.default_rng(1).normal(0, 3, (1, 3, 8, 8)).astype(np.float32)
    first, *branches = zip(net.arrays[::2], net.arrays[1::2], strict=True)
    (computed,) = run_onnx(image).values()
    parts = np.split(computed, len(FORMULAS), axis=1)
    for name, part, branch in zip(FORMULAS, parts, branches, strict=True):
        expected = FORMULAS[name](convolve(convolve(image, *first), *branch))
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def convolve(image, bias, kernel):
    return np.einsum("oc,nchw->nohw", kernel[..., 0, 0], image) + bias.reshape(1, -1, 1, 1)


CAFFE = {
    "Swish": "silu", "SiLU": "silu", "ReLU6": "relu6", "HardSwish": "hswish", "Mish": "mish",
    "Hard_Swish": "hswish", "BNLL": "softplus", "SELU": "selu", "HSigmoid": "hard_sigmoid",
}  # fmt: skip


#: Their parameters, too.
CAFFE_FORMULAS = {
    **{kind: (kind, "", FORMULAS[name]) for kind, name in CAFFE.items()},
    "Swish of beta": ("Swish", "swish_param { beta: 1.7 }", lambda x: x * sigmoid(1.7 * x)),
    "Clip": ("Clip", "clip_param { min: -0.5 max: 2 }", lambda x: np.clip(x, -0.5, 2)),
}


def test_the_activations_of_caffe_compute_their_formulas(folder):
    net = CaffeNet((1, 3, 8, 8))
    for name, (kind, parameters, _) in CAFFE_FORMULAS.items():
        net.add(kind, "data", f"the {name}", parameters)
    net.save(folder)
    assert main(["convert", "net.prototxt", "net.caffemodel", "-o", "net.onnx"]) == 0
    image = net.draw(1, 3, 8, 8) * 3
    computed = run_onnx(image)
    for name, (_, _, formula) in CAFFE_FORMULAS.items():
        expected = formula(image)
        actual = computed[f"the {name}"]
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("kind", ["Stair", "Relu", "HardSwish with a parameter"])
def test_another_layer_is_refused_by_its_name(folder, capsys, kind):
    kind, *has_parameter = kind.split(" ", 1)
    net = CaffeNet((1, 3, 8, 8))
    net.add(kind, "data", "out", "hardswish_param { slope: 2 }" if has_parameter else "")
    net.save(folder)
    assert main(["convert", "net.prototxt", "net.caffemodel", "-o", "net.onnx"]) == 1
    error = capsys.readouterr().err
    assert f"net.prototxt:{len(net.text.splitlines())}: " in error
    assert kind in error
