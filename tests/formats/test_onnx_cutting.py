"""An ONNX model tells where its steps are, and begins at tensors inside of it."""

import numpy as np
import onnx
import onnxruntime
from onnx.helper import make_graph, make_node, make_tensor_value_info

from fakes import graphs
from posezoo.core.convert.formats import Step
from posezoo.formats.onnx_cutting import COMPUTED, begin_at, read_graph

IMAGE = ("image", graphs.FLOAT, (2, 3))


def write(nodes, **constants):
    return graphs.written("net", nodes, [IMAGE], [("out", graphs.FLOAT, None)], constants, opset=17)


def test_steps_are_found_by_what_they_do_to_roundings():
    nodes = [
        make_node("Mul", ["image", "two"], ["a"]),
        make_node("Floor", ["a"], ["b"]),
        make_node("Cast", ["b"], ["c"], to=onnx.TensorProto.INT64),
        make_node("Cast", ["c"], ["d"], to=graphs.FLOAT),
        make_node("Mod", ["d", "two"], ["out"], fmod=1),
    ]
    graph = read_graph(write(nodes, two=np.float32(2)), {"image", "a", "b", "d", "out"})
    steps = {node.outputs[0]: node.step for node in graph.nodes}
    assert steps == {"a": None, "b": Step.EXACT, "c": Step.EXACT, "d": None, "out": Step.EDGED}


def test_a_condition_is_closed_and_takes_what_its_bodies_take():
    bodies = [
        make_graph([make_node(kind, ["a"], [kind])], kind, [], [make_tensor_value_info(kind, 1, None)])
        for kind in ("Floor", "Ceil")
    ]  # fmt: skip
    nodes = [
        make_node("Neg", ["image"], ["a"]),
        make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        make_node("Greater", ["most", "one"], ["is_large"]),
        make_node("If", ["is_large"], ["out"], then_branch=bodies[0], else_branch=bodies[1]),
    ]
    graph = read_graph(write(nodes, one=np.float32(1)), {"image", "a", "most", "out"})
    condition = graph.nodes[-1]
    assert condition.step is Step.CLOSED
    assert set(condition.inputs) == {"is_large", "a"}


def test_a_model_begins_at_tensors_inside_and_still_computes_them():
    nodes = [
        make_node("Mul", ["image", "two"], ["a"]),
        make_node("Floor", ["a"], ["b"]),
        make_node("Add", ["b", "two"], ["out"]),
    ]
    image, a = np.full((2, 3), 0.6, np.float32), np.full((2, 3), 5.5, np.float32)
    content = begin_at(write(nodes, two=np.float32(2)), {"a": a})
    model = onnx.load_from_string(content)
    model.graph.output.append(make_tensor_value_info(f"a{COMPUTED}", graphs.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    out, computed = session.run(["out", f"a{COMPUTED}"], {"image": image, "a": a})
    assert (out == 7).all()
    assert np.allclose(computed, 1.2)
