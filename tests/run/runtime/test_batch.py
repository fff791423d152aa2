"""A graph takes another batch or a fixed size if it supports that; else the error names the reason."""

import numpy as np
import pytest

from fakes.irs import write_ir
from posezoo.core.errors import InferenceError
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.graph import Graph

pytest.importorskip("openvino", reason="needs openvino")


@pytest.mark.parametrize("image", [(1, 3, 64, 96), (-1, 3, 64, 96), (4, 3, 64, 96)])
def test_each_image_of_a_batch_gives_its_own_outputs(tmp_path, image):
    graph = Graph(write_ir(tmp_path / "net.xml", {"heatmaps": (1, 2, 8, 12)}, image=image))
    graph.set_batch(3)
    network = CompiledNetwork(graph)
    assert network.inputs == {"image": (3, 3, 64, 96)}
    images = (
        np.ones((3, 3, 64, 96), np.float32)
        * np.array([0, 51, 102], np.float32)[:, None, None, None]
    )
    found = network({"image": images})["heatmaps"]
    times = 3 if image[0] == -1 else 1
    assert found.shape == (3, 2, 8, 12)
    assert found[:, 0, 0, 0] == pytest.approx(np.array([0, 0.2, 0.4]) * times)


def test_dynamic_sizes_are_fixed_if_a_size_is_given(tmp_path):
    graph = Graph(write_ir(tmp_path / "net.xml", {"heatmaps": (1, 2, 8, 12)}, image=(1, 3, -1, -1)))
    with pytest.raises(
        InferenceError, match=r"its input image, 1x3x\?x\?, has a dynamic size"
    ) as caught:
        graph.fix_dynamic_sizes(None)
    assert "--size" in caught.value.hint
    assert graph.fix_dynamic_sizes((32, 48))
    assert graph.inputs == {"image": (1, 3, 32, 48)}
    assert not graph.fix_dynamic_sizes((1, 1))
    assert graph.input_types == {"image": np.float32}
