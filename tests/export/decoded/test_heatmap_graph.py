"""The operations of the graph compute what the decoder in Python computes."""

import numpy as np
import pytest

from posezoo.export.decoded import heatmap_graph
from posezoo.poses import heatmap

ov = pytest.importorskip("openvino", reason="needs openvino")


@pytest.mark.parametrize("differences", [heatmap.DARK_DIFFERENCES, heatmap.UDP_DIFFERENCES])
def test_the_newton_step_is_that_of_the_decoder(differences):
    from openvino import opset13 as ops

    logs = np.random.default_rng(1).normal(0, 1, (40, *differences.shape[1:])).astype(np.float32)
    expected = [heatmap.newton_step(log.astype(float), differences) for log in logs]
    assert 5 < np.count_nonzero(np.any(expected, axis=1)) < 40  # some steps are too long
    values = ops.parameter([len(logs), logs[0].size], ov.Type.f32)
    model = ov.Model([heatmap_graph._newton(values, differences)], [values], "newton")
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    computed = compiled(logs.reshape(len(logs), -1))[0]
    assert np.allclose(computed, expected, atol=1e-4)
