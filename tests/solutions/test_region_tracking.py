"""Hands and faces that are followed through a video."""

import numpy as np
import pytest

from fakes.command import posezoo, succeeded
from fakes.hands import film_meeting_hands
from posezoo.poses.blazeface import Detections
from posezoo.poses.landmarks import FACE, FaceOptions
from posezoo.solutions.hands import Hands
from posezoo.solutions.region_tracking import LandmarkNetwork, TrackingSolution


@pytest.fixture
def models(mediapipe, monkeypatch):
    """The models of hands in a cache."""
    names = ("palm-detection-full", "hand-landmark-full")
    succeeded(posezoo("get", *names, "--precisions", "FP32", **mediapipe))
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)


def test_two_hands_that_become_one_are_followed_once_though_no_detector_runs(models):
    with Hands(max_num_hands=2) as hands:
        found = [hands.process(frame[..., ::-1]) for frame in film_meeting_hands()]
    counts = [len(results.multi_hand_landmarks or ()) for results in found]
    assert counts[0] == 2 and counts[-1] == 1


class CertainFace(LandmarkNetwork):
    """A network whose face has the presence 1."""

    def __init__(self, min_presence):
        self.size = (192, 192)
        self.options = FaceOptions(min_presence=min_presence)
        self._decode = FACE.decode

    def infer(self, picture):
        return {
            "landmarks": np.full((468, 3), 96, np.float32),
            "presence": np.array([100], np.float32),
        }


class FaceThatStays(CertainFace):
    """A network whose face fills two thirds of its square, so that the square stays."""

    def __init__(self):
        super().__init__(min_presence=0.5)
        self.asked = []

    def infer(self, picture):
        outputs = super().infer(picture)
        outputs["landmarks"][0, :2] = 32
        outputs["landmarks"][1, :2] = 160
        outputs["landmarks"][[33, 263], 0] = 90, 102  # the corners of the eyes, which are level
        return outputs

    def find(self, image, square):
        self.asked.append(square)
        return super().find(image, square)


class OneDetection:
    """A detector that finds one face in the first frame, and none in others."""

    def __init__(self, box):
        eyes = np.array([[200, 100], [220, 100], *[[210, 120]] * 4], float)
        self._found = Detections(np.array([box]), eyes[None], np.ones(1))

    def find(self, image):
        found, self._found = self._found, self._found[:0]
        return found


class Faces(TrackingSolution):
    """Follows one face, and says nothing about it."""

    def _describe(self, poses, size):
        return {}


def sides_of(square):
    return [square.x0, square.y0, square.x1, square.y1]


def test_the_square_of_a_followed_face_scales_with_the_frame():
    network = FaceThatStays()
    faces = Faces(OneDetection([200, 80, 280, 160]), network, 1, is_video=True)
    for size in ((480, 640), (480, 640), (240, 320)):
        faces.process(np.zeros((*size, 3), np.uint8))
    first, second, third = map(sides_of, network.asked)
    assert first == [180, 60, 300, 180]
    assert second == pytest.approx(first, abs=0.01)
    assert third == pytest.approx(np.divide(first, 2), abs=0.01)
