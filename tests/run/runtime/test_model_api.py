"""openvino-model-api runs the IR that we write, as their model_info says: it finds what posezoo finds."""

import sys

import cv2
import numpy as np
import pytest

from fakes.model_api import FRAMES, SIZE, convert_simcc
from posezoo import decode
from posezoo.core.declarations.model import Precision
from posezoo.core.ir import ir_writer
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.pipeline.get import get_irs
from posezoo.run.runtime.loading import load_estimator


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


@pytest.mark.parametrize(
    "camera", [{}, FRAMES, {**FRAMES, "resize": True}], ids=["plain", "frames", "resize"]
)
def test_model_api_finds_our_keypoints(model_api, simcc, camera, tmp_path):
    """For a picture of the network's size, so that no resize differs: exactly the same bins."""
    xml = convert_simcc(tmp_path, camera=camera) if camera else simcc
    found = wrapper(model_api, str(xml))(PICTURE)
    expected = keypoints_of_posezoo(simcc)
    assert found.keypoints == pytest.approx(expected[:, :2], abs=1e-4)
    assert found.scores == pytest.approx(expected[:, 2], rel=1e-4)


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


def test_model_api_finds_our_boxes(model_api, zoo, photos, tmp_path):
    """A detector with real weights, described as its INT8 is; Model API rounds boxes to pixels."""
    spec = zoo.registry.find("person-detection-retail-0013")
    published = get_irs(spec, Precision.FP32, zoo)
    network = import_openvino().Core().read_model(published[spec.name])
    ir_writer.prepare_for_writing(network, spec, spec.decoder)
    xml = ir_writer.write_ir(network, tmp_path / "detector.xml", Precision.FP32)
    theirs, ours = wrapper(model_api, str(xml)), load_estimator(spec, published)
    # The network's size: nothing is resized.
    pictures = [cv2.resize(photo, (544, 320)) for photo, _ in photos]
    people = 0
    for picture in pictures:
        expected, found = ours(picture), theirs(picture)
        people += len(expected)
        assert len(found.bboxes) == len(expected)
        assert set(found.label_names) <= {"person"}
        order = np.argsort(-found.scores, kind="stable")
        for box, score, pose in zip(
            found.bboxes[order], found.scores[order], expected, strict=True
        ):
            assert box == pytest.approx(pose.box, abs=0.51)
            assert score == pytest.approx(pose.score, abs=1e-5)
    assert people > 20
