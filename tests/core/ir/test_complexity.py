"""GFLOPs and MParams: by hand for small networks, and against published cards for real ones."""

import io
import warnings

import numpy as np
import pytest

from posezoo.core.ir.complexity import compute_complexity

pytest.importorskip("openvino", reason="needs openvino")

from posezoo.core.ir.openvino_import import import_openvino
from posezoo.measure.complexity_count import read_complexity

ov = import_openvino()
ops = ov.opset13


def image(*shape):
    return ops.parameter(list(shape), np.float32)


def counted(end, *starts):
    found = compute_complexity(ov.Model([end], list(starts)))
    return round(found.gflops * 1e9), round(found.mparams * 1e6)


def ones(*shape):
    return ops.constant(np.ones(shape, np.float32))


def test_a_convolution_with_bias_and_relu_by_hand():
    x = image(1, 3, 8, 10)
    y = ops.convolution(x, ones(4, 3, 3, 3), [2, 2], [1, 1], [1, 1], [1, 1])
    y = ops.relu(ops.add(y, ones(1, 4, 1, 1)))
    out = 4 * 4 * 5
    assert counted(y, x) == (out * (2 * 3 * 9 + 1 + 2), 4 * 3 * 9 + 4)


def test_products_and_poolings_by_hand():
    x = image(1, 10)
    assert counted(ops.matmul(x, ones(10, 7), False, False), x) == (2 * 10 * 7, 70)
    x = image(1, 2, 8, 8)
    assert counted(ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], False), x) == (2 * 16 * 4, 0)
    y = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    assert counted(y, x) == (2 * 16 * 4, 0)


def test_sizes_that_the_network_computes_are_known_once_its_input_has_a_size(tmp_path):
    """As in MoveNet MultiPose, which makes a grid of its input's size."""
    x = image(1, -1)
    x.output(0).set_names({"image"})
    width = ops.gather(ops.shape_of(x), ops.constant(1), ops.constant(0))
    grid = ops.range(ops.constant(np.int64(0)), width, ops.constant(np.int64(1)), "f32")
    ov.save_model(ov.Model([ops.add(x, grid)], [x]), tmp_path / "net.xml")
    assert read_complexity(tmp_path / "net.xml") is None
    assert read_complexity(tmp_path / "net.xml", {"image": (1, 5)}).gflops * 1e9 == pytest.approx(5)


#: Open Model Zoo's cards; of single-human-pose-estimation-0001, those are the figures of 4 stages.
CARDS = {
    "higher_hrnet": ({}, 92.8364, 28.618),
    "single_human_pose": ({"refinement_stages": 4}, 60.125, 33.165),
}


@pytest.mark.parametrize("name", CARDS)
def test_the_values_of_a_published_card_are_reproduced(name):
    torch = pytest.importorskip("torch", reason="needs torch")
    from posezoo import networks
    from posezoo.core.convert.preprocess import apply_model_yml
    from posezoo.core.declarations.model import Family, Framework, License, ModelSpec

    arguments, gflops, mparams = CARDS[name]
    known = networks.find_network(name)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module, size = networks.build_network(name, **arguments), (torch.zeros(known.input.shape),)
        torch.onnx.export(
            module, size, file, dynamo=False, opset_version=13, input_names=[known.input.name]
        )
    spec = ModelSpec(
        name,
        Family.PUBLIC,
        None,
        "A network.",
        "",
        Framework.ONNX,
        License(),
        (),
        inputs=(known.input,),
    )
    file.seek(0)
    found = compute_complexity(apply_model_yml(ov.convert_model(file), spec))
    assert found.gflops == pytest.approx(gflops, rel=1e-3)
    assert found.mparams == pytest.approx(mparams, rel=1e-3)
