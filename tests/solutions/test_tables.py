"""The tables of MediaPipe, as Python's objects."""

import pickle

import pytest

from posezoo.solutions.face_detection import FaceKeyPoint
from posezoo.solutions.hands import HandLandmark
from posezoo.solutions.holistic import PoseLandmark


@pytest.mark.parametrize(
    "landmark",
    [PoseLandmark.NOSE, HandLandmark.WRIST, FaceKeyPoint.MOUTH_CENTER],
    ids=lambda landmark: landmark.name,
)
def test_names_of_landmarks_are_sent_to_other_processes(landmark):
    assert pickle.loads(pickle.dumps(landmark)) is landmark
