"""An original is cut before and after each step, and what a step makes has no noise."""

import numpy as np
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from fakes import graphs
from posezoo.formats.onnx import open_runtime
from posezoo.proof.step_cuts import cut_original, find_cuts

SHAPE = (1, 400)


@pytest.fixture
def runtime(tmp_path):
    """Rows of a table, by whole numbers that are computed, plus what is not rounded."""
    nodes = [
        make_node("Mul", ["image", "nine"], ["a"]), make_node("Floor", ["a"], ["b"]),
        make_node("Cast", ["b"], ["c"], to=TensorProto.INT64), make_node("Gather", ["table", "c"], ["d"]),
        make_node("Add", ["d", "a"], ["out"]),
    ]  # fmt: skip
    constants = {"nine": np.float32(9), "table": np.arange(10, dtype=np.float32) ** 3}
    path = tmp_path / "net.onnx"
    ports = [("image", graphs.FLOAT, SHAPE)], [("out", graphs.FLOAT, None)]
    path.write_bytes(graphs.written("net", nodes, *ports, constants))
    return open_runtime(None, path, {})


def test_it_is_cut_before_and_after_each_step(runtime):
    cuts = find_cuts(runtime.inner.read_graph())
    assert cuts.before == ("a", "b")
    assert cuts.after == ("b", "c", "d")  # d is computed from whole numbers alone
    assert [step.title for step in cuts.list_steps(["out"])] == ["b (Floor)", "c (Cast)"]
    assert cuts.list_steps(["out"], {"d"}) == []


def test_what_a_step_makes_of_larger_and_smaller_values_shows_its_edges(runtime):
    image = np.linspace(0.01, 0.99, 400, dtype=np.float32).reshape(SHAPE)
    image[0, 7] = np.float32(5 / 9)
    cut = cut_original(runtime, [{"image": image}], ["out"])
    ((larger, smaller),) = cut.run_edges([{"image": image}])
    changed = larger["b"] != smaller["b"]
    assert changed[0, 7] and changed.sum() < 5
