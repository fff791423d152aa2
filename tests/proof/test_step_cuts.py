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


def test_its_noise_is_that_of_its_parts_and_no_step_enlarges_it(runtime):
    # Half of the values are whole before Floor: any rounding downwards changes their row.
    image = (np.arange(400, dtype=np.float32).reshape(SHAPE) % 9) / np.float32(9)
    cut = cut_original(runtime, [{"image": image}], ["out"])
    whole = runtime.run({"image": image})["out"]
    moved = cut.run_moved(0, {"image": image * np.float32(1 - 2e-7)}, draw=0)
    assert np.array_equal(moved["b"], cut.values[0]["b"])
    assert 0 < np.abs(moved["out"] - whole).max() < 1e-6 * np.abs(whole).max()
    enlarged = runtime.run({"image": image * np.float32(1 - 2e-7)})["out"]
    assert np.abs(enlarged - whole).max() > 0.1 * np.abs(whole).max()


def test_what_a_step_makes_of_larger_and_smaller_values_shows_its_edges(runtime):
    image = np.linspace(0.01, 0.99, 400, dtype=np.float32).reshape(SHAPE)
    image[0, 7] = np.float32(5 / 9)
    cut = cut_original(runtime, [{"image": image}], ["out"])
    ((larger, smaller),) = cut.run_edges([{"image": image}])
    changed = larger["b"] != smaller["b"]
    assert changed[0, 7] and changed.sum() < 5
