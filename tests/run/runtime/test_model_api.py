"""openvino-model-api runs the IR that we write, as their model_info says: it finds what posezoo finds."""

import sys

import numpy as np
import pytest

from fakes.model_api import SIZE, convert_simcc
from posezoo import decode
from posezoo.core.ir.openvino_import import import_openvino


@pytest.fixture(scope="module")
def model_api():
    if sys.version_info < (3, 11):
        pytest.skip("openvino-model-api needs Python 3.11")
    return pytest.importorskip("model_api.models", reason="needs openvino-model-api")


@pytest.fixture(scope="module")
def simcc(tmp_path_factory):
    return convert_simcc(tmp_path_factory.mktemp("simcc"))


PICTURE = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def wrapper(model_api, model, **configuration):
    from model_api.adapters import OpenvinoAdapter

    adapter = OpenvinoAdapter(import_openvino().Core(), model, device="CPU", plugin_config=EXACT)
    return model_api.Model.create_model(adapter, configuration=configuration)


def keypoints_of_posezoo(xml):
    core = import_openvino().Core()
    maps = core.compile_model(xml, "CPU", EXACT)(
        [PICTURE.transpose(2, 0, 1)[None].astype(np.float32)]
    )
    (pose,) = decode("simcc", {port.any_name: values for port, values in maps.items()}, SIZE)
    return pose.keypoints


def test_model_api_finds_our_keypoints_of_people_in_a_frame(model_api, simcc):
    """Its pipeline cuts out boxes itself; a box of the network's size is not resized."""
    from model_api.models.keypoint_detection import TopDownKeypointDetectionPipeline
    from model_api.models.result import DetectionResult

    frame = np.zeros((600, 800, 3), np.uint8)
    left, top = 300, 200
    frame[top : top + SIZE[1], left : left + SIZE[0]] = PICTURE
    box = np.array([[left, top, left + SIZE[0], top + SIZE[1]]])
    people = DetectionResult(bboxes=box, labels=np.array([1]), scores=np.array([1.0]))
    (found,) = TopDownKeypointDetectionPipeline(wrapper(model_api, str(simcc))).predict(
        frame, people
    )
    assert found.keypoints == pytest.approx(
        keypoints_of_posezoo(simcc)[:, :2] + (left, top), abs=1e-4
    )
