"""The faces of ``mp.solutions.face_detection``, as scripts read them."""

from pathlib import Path

import cv2
import pytest

from posezoo.solutions.face_detection import FaceDetection, FaceKeyPoint, get_key_point

SAMPLES = Path(__file__).resolve().parents[2] / "src" / "posezoo" / "media" / "samples"


@pytest.fixture
def face(mediapipe, monkeypatch):
    """The one of a sample photo."""
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)
    with FaceDetection() as faces:
        (found,) = faces.process(cv2.imread(str(SAMPLES / "astronaut.png"))[..., ::-1]).detections
    return found


def test_a_face_has_the_label_0_and_its_keypoints_have_names(face):
    assert list(face.label_id) == [0]
    nose, mouth = (
        get_key_point(face, name) for name in (FaceKeyPoint.NOSE_TIP, FaceKeyPoint.MOUTH_CENTER)
    )
    box = face.location_data.relative_bounding_box
    assert box.ymin < nose.y < mouth.y < box.ymin + box.height


def test_no_face_has_no_keypoint():
    assert get_key_point(None, FaceKeyPoint.NOSE_TIP) is None
