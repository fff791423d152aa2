"""posezoo convert of ONNX with integers beyond 32 bits, in which OpenVINO computes them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from fakes import graphs
from fakes.command import assert_success, posezoo, refusal
from fakes.when_used import needs

LARGEST = np.iinfo(np.int64).max
TO_INTEGERS = helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64)
TO_FLOATS = helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT)
node = helper.make_node

#: Networks that never compute with such an integer, or not with one that changes a result.
HARMLESS = {
    "the end of a slice": (
        [node("Slice", ["x", "one", "largest", "two"], ["y"])],
        {"one": [1], "largest": [LARGEST], "two": [2]},
    ),
    "both ends of a reversed slice": (
        [node("Slice", ["x", "largest", "least", "two", "back"], ["y"])],
        {"largest": [LARGEST], "least": [-LARGEST - 1], "two": [2], "back": [-1]},
    ),
    "a slice of a shape": (
        [
            node("Shape", ["x"], ["sides"]),
            node("Slice", ["sides", "zero", "largest"], ["same"]),
            node("Reshape", ["x", "same"], ["y"]),
        ],
        {"zero": [0], "largest": [LARGEST]},
    ),
    "indices": ([node("Gather", ["x", "rows"], ["y"], axis=2)], {"rows": [1, -1]}),
    "an upper limit": (
        [TO_INTEGERS, node("Clip", ["i", "zero", "largest"], ["b"]), TO_FLOATS],
        {"zero": 0, "largest": LARGEST},
    ),
}
#: Networks with a result that needs more than 32 bits.
HARMFUL = {
    "a product": ([TO_INTEGERS, node("Mul", ["i", "k"], ["b"]), TO_FLOATS], {"k": 3 * 10**9}),
    "a square": (
        [
            TO_INTEGERS,
            node("Mul", ["i", "k"], ["small"]),
            node("Mul", ["small", "small"], ["b"]),
            TO_FLOATS,
        ],
        {"k": 1000},
    ),
    "an output": ([TO_INTEGERS, node("Add", ["i", "k"], ["y"])], {"k": 5 * 10**9}),
    "a number from a float": (
        [
            node("Mul", ["x", "f"], ["large"]),
            node("Cast", ["large"], ["b"], to=TensorProto.INT64),
            TO_FLOATS,
        ],
        {"f": np.float32(1e8)},
    ),
}


def translate(folder, nodes, constants):
    needs("onnxruntime")
    is_integer = nodes[-1].op_type == "Add"
    kind = TensorProto.INT64 if is_integer else TensorProto.FLOAT
    ports = ("x", TensorProto.FLOAT, [1, 3, 8, 8]), ("y", kind, None)
    content = graphs.written("net", nodes, ports[:1], ports[1:], constants, opset=17)
    (folder / "net.onnx").write_bytes(content)
    return posezoo("convert", "net.onnx", "-o", "net.xml", "--mean_values", "0", cwd=folder)


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_large_constant_that_changes_no_result_is_no_matter(tmp_path, kind):
    ended = translate(tmp_path, *HARMLESS[kind])
    assert_success(ended)
    assert ": converted, checked\n" in ended.stderr
    assert "warning" not in ended.stderr


@pytest.mark.parametrize("kind", HARMFUL)
def test_a_result_that_needs_more_bits_is_refused(tmp_path, kind):
    """OpenVINO computes integers in 32 bits."""
    error = refusal(translate(tmp_path, *HARMFUL[kind]))
    assert "differs from the original" in error
    assert not (tmp_path / "net.xml").exists()
