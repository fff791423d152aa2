"""ONNX Runtime computes in double precision what it can, against numpy."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from posezoo.formats.onnx import open_runtime

RNG = np.random.default_rng(0)
# Its sum in float32 is 1e-5 off: a few large values, and many small ones.
SHAPE = (1, 4, 96, 128)
VALUES = (RNG.normal(size=SHAPE).clip(0) ** 6 + 7).astype(np.float32)
SCALE, BIAS = RNG.normal(size=(2, 4)).astype(np.float32)


def normalize(values):
    rest = values - values.mean((2, 3), keepdims=True)
    normal = rest / np.sqrt((rest**2).mean((2, 3), keepdims=True) + np.float32(1e-3))
    return normal * SCALE.reshape(-1, 1, 1) + BIAS.reshape(-1, 1, 1)


NODES = {
    "InstanceNormalization": (["x", "scale", "bias"], {"epsilon": 1e-3}, normalize),
    "GlobalAveragePool": (["x"], {}, lambda values: values.mean((2, 3), keepdims=True)),
    "Sigmoid": (["x"], {}, lambda values: 1 / (1 + np.exp(-values))),
    "Mul": (["x", "x"], {}, lambda values: values * values),
}


def open_both(tmp_path, nodes, version, dtype=np.float32):
    path = tmp_path / "net.onnx"
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    constants = {"scale": SCALE, "bias": BIAS}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, SHAPE)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(array.astype(dtype), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("ai.posezoo", 1), helper.make_opsetid("", version)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    single = open_runtime(None, path, {})
    return single, single.open_double()


@pytest.mark.parametrize("version", [11, 17, 18])
@pytest.mark.parametrize("kind", NODES)
def test_a_tensor_is_as_in_double_precision(tmp_path, kind, version):
    inputs, attributes, expect = NODES[kind]
    node = helper.make_node(kind, inputs, ["y"], **attributes)
    _, double = open_both(tmp_path, [node], version)
    computed = double.run({"x": VALUES})["y"]
    assert computed.dtype == np.float32
    expected = expect(VALUES.astype(np.float64))
    assert np.abs(computed - expected).max() <= 1e-7 * np.abs(expected).max()


def test_integers_half_floats_and_what_has_no_double_precision_stay(tmp_path):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Mul", ["shape", "shape"], ["squared"]),
        helper.make_node("Div", ["squared", "shape"], ["again"]),
        helper.make_node("Reshape", ["x", "again"], ["shaped"]),
        helper.make_node("Erf", ["shaped"], ["y"]),
    ]
    single, double = open_both(tmp_path, nodes, 17)
    assert np.array_equal(double.run({"x": VALUES})["y"], single.run({"x": VALUES})["y"])
    halves = [helper.make_node("Mul", ["x", "x"], ["y"])]
    _, double = open_both(tmp_path, halves, 17, np.float16)
    assert double.run({"x": VALUES.astype(np.float16)})["y"].dtype == np.float16
