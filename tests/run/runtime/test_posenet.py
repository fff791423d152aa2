"""PoseNet of the zoo, with its real weights, on real photos."""

import shutil

import numpy as np
import pytest

from fakes.loaded_irs import load_ir
from fakes.posenet import spot_network
from posezoo.core.declarations.model import Precision
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.pipeline.get import get_irs
from posezoo.proof.reference_outputs import EXACT

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def parts(zoo, tfjs_models):
    spec = zoo.registry.find("posenet-mobilenet-v1")
    for file in spec.files:
        target = zoo.layout.file_path(spec, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tfjs_models / file.name, target)
    return spec, get_irs(spec, Precision.FP32, zoo)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("column", "row"), [(40, 52), (50, 65), (55, 68), (64, 64)])
def test_a_coco_file_states_the_pixel_that_was_drawn(tmp_path, scale, column, row):
    """Of a square of 5 x 5 whole pixels of the input, the one in the third column and row."""
    estimator = load_ir(spot_network(tmp_path / "spot.xml", (129, 113)))
    assert estimator.decoder == "posenet"
    seen = np.zeros((113, 129, 3), np.uint8)
    seen[row - 2 : row + 3, column - 2 : column + 3] = 255
    (pose,) = estimator(seen.repeat(scale, axis=0).repeat(scale, axis=1))
    stated = np.reshape(pose.to_coco()["keypoints"], (17, 3))[:, :2]
    # The middle of the pixels that one pixel of the input shows.
    middle = scale * np.array([column, row]) + (scale - 1) / 2
    assert np.abs(stated - middle).max() <= 0.05


def test_the_ir_of_any_size_computes_what_tensorflow_js_computed_at_the_files_size(parts, shared):
    """With BGR from 0 to 255: the IR applies mean and scale and reverses the channels."""
    stored = np.load(shared / "facts/reference/tfjs/posenet.npz")
    network = openvino_core().compile_model(parts[1][parts[0].name], "CPU", EXACT)
    image = np.random.RandomState(2024).randint(0, 256, (1, 385, 385, 3), dtype=np.uint8)
    results = network(np.ascontiguousarray(image[..., ::-1], np.float32))
    for port in parts[0].outputs:
        expected = stored[f"random|{port.name}"]
        values = results[port.name].reshape(-1)
        actual = values[:: -(-values.size // expected.size)][: expected.size]
        assert np.abs(actual - expected).max() <= 1e-3 * np.abs(expected).max(), port.name
