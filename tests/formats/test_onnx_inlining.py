"""Functions of ONNX whose operations OpenVINO lacks are replaced with what they contain."""

import itertools
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from formats.test_onnx_rewriting import require_equal
from posezoo.cli.main import main
from posezoo.core.versions import package_version, parse_version

helper = onnx.helper
node = helper.make_node


def opset(version, domain=""):
    return helper.make_opsetid(domain, version)


def function(name, nodes, inputs=("x",)):
    return helper.make_function(
        "local", name, list(inputs), ["y"], nodes, [opset(20), opset(1, "local")]
    )


def save(nodes, constants=None, *, version=20, shape=(1, 3, 8, 8), functions=()):
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"]
    ports[0] = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape))
    weights = [
        onnx.numpy_helper.from_array(np.asarray(values), name)
        for name, values in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], weights)
    opsets = [opset(version), opset(1, "local")]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))
    onnx.save(model, "net.onnx")


TURNS = np.random.default_rng(0).normal(size=(2, 1, 8, 4)).astype(np.float32)

#: Operations of the standard: the nodes, the constants, and how the file is saved.
STANDARD = {
    "AffineGrid": ([node("AffineGrid", ["x", "s"], ["y"])], {"s": [1, 3, 5, 6]}, {"shape": (1, 2, 3)}),
    "CenterCropPad": ([node("CenterCropPad", ["x", "s"], ["y"], axes=[2, 3])], {"s": [5, 6]}, {}),
    "Swish": ([node("Swish", ["x"], ["y"], alpha=1.5)], {}, {"version": 24}),
    "RotaryEmbedding": (
        [node("RotaryEmbedding", ["x", "c", "s"], ["y"])],
        {"c": TURNS[0], "s": TURNS[1]},
        {"version": 23},
    ),
    "MeanVarianceNormalization": ([node("MeanVarianceNormalization", ["x"], ["y"])], {}, {}),
    "HannWindow": ([node("HannWindow", ["n"], ["h"]), node("Mul", ["x", "h"], ["y"])], {"n": 8}, {}),
}  # fmt: skip

ACT = function("Act", [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])])
BLOCK = function(
    "Block",
    [node("Act", ["x"], ["a"], domain="local"), node("CenterCropPad", ["a", "s"], ["y"], axes=[2, 3])],
    ["x", "s"],
)  # fmt: skip


def draw(shape=(1, 3, 8, 8)):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", STANDARD)
def test_an_operation_that_the_standard_defines_by_others_is_converted(folder, name):
    nodes, constants, options = STANDARD[name]
    if options.get("version") == 24 and parse_version(package_version("onnxruntime")) < (1, 24):
        pytest.skip("needs ONNX Runtime 1.24, which knows opset 24; Python 3.10 has none")
    save(nodes, constants, **options)
    require_equal(draw(options.get("shape", (1, 3, 8, 8))))


def test_functions_of_the_file_are_converted_also_if_one_calls_another(folder):
    save([node("Block", ["x", "s"], ["y"], domain="local")], {"s": [5, 6]}, functions=[BLOCK, ACT])
    require_equal(draw())


def test_an_operation_that_nothing_defines_is_refused_by_its_name(folder, capsys):
    unknown = function("Block", [node("Rotated", ["x"], ["y"], domain="mmdeploy")])
    save([node("Block", ["x"], ["y"], domain="local")], functions=[unknown])
    assert main(["convert", "net.onnx", "-o", "net.xml"]) == 1
    error = capsys.readouterr().err
    assert "OpenVINO cannot read it" in error
    assert not (folder / "net.xml").exists()


def test_functions_that_grow_without_end_are_refused(folder, capsys):
    names = [f"Level{number}" for number in range(12)]
    functions = []
    for name, inner in zip(names, [*names[1:], "Act"], strict=True):
        steps = ["x", *(f"a{number}" for number in range(9)), "y"]
        nodes = [node(inner, [a], [b], domain="local") for a, b in itertools.pairwise(steps)]
        functions.append(function(name, nodes))
    save([node("Level0", ["x"], ["y"], domain="local")], functions=[*functions, ACT])
    assert main(["convert", "net.onnx", "-o", "net.xml"]) == 1
    assert "OpenVINO cannot read it" in capsys.readouterr().err


def test_a_function_that_calls_itself_is_refused(folder, capsys):
    again = function("Again", [node("Again", ["x"], ["y"], domain="local")])
    save([node("Again", ["x"], ["y"], domain="local")], functions=[again])
    assert main(["convert", "net.onnx", "-o", "net.xml"]) == 1
    assert "OpenVINO cannot read it" in capsys.readouterr().err


def test_both_branches_of_a_condition_are_rounded_to_fp16(folder):
    branches = {}
    for name, factor in (("then_branch", 1.1), ("else_branch", 2.2)):
        weights = onnx.numpy_helper.from_array(np.full(8, factor, np.float32), f"w_{name}")
        end = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        nodes = [node("Mul", ["x", f"w_{name}"], [name])]
        if name == "else_branch":
            nodes = [node("Neg", ["x"], ["n"]), node("Mul", ["n", f"w_{name}"], [name])]
        branches[name] = helper.make_graph(nodes, name, [], [end], [weights])
    save(
        [
            node("ReduceSum", ["x"], ["s"], keepdims=0),
            node("Greater", ["s", "zero"], ["c"]),
            node("If", ["c"], ["y"], **branches),
        ],
        {"zero": np.float32(0)},
    )
    assert main(["convert", "net.onnx", "-o", "net.xml"]) == 0
    text = Path("net.xml").read_text("utf-8")
    constants = re.findall(r'element_type="(f\d+)" shape="1, 1, 1, 8"', text)
    assert constants == ["f16", "f16"]
