"""Hands and faces that are followed through a video."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.command import posezoo
from fakes.hands import film_meeting_hands
from posezoo.poses.landmarks import FACE, FaceOptions
from posezoo.poses.ssd_detection import Box
from posezoo.solutions.hands import Hands
from posezoo.solutions.region_tracking import LandmarkNetwork


@pytest.fixture
def models(mediapipe, monkeypatch):
    """The models of hands in a cache."""
    names = ("palm-detection-full", "hand-landmark-full")
    assert posezoo("get", *names, "--precisions", "FP32", **mediapipe).returncode == 0
    for name, value in mediapipe.items():
        monkeypatch.setenv(name, value)


def test_two_hands_that_become_one_are_followed_once_though_no_detector_runs(models):
    with Hands(max_num_hands=2) as hands:
        found = [hands.process(frame[..., ::-1]) for frame in film_meeting_hands()]
    counts = [len(results.multi_hand_landmarks or ()) for results in found]
    assert counts[0] == 2 and counts[-1] == 1


class CertainFace(LandmarkNetwork):
    """A network whose face has the presence 1."""

    def __init__(self, min_presence: float) -> None:
        self.size = (192, 192)
        self.options = FaceOptions(min_presence=min_presence)
        self._decode = FACE.decode

    def infer(self, picture):
        return {
            "landmarks": np.full((468, 3), 96, np.float32),
            "presence": np.array([100], np.float32),
        }


@pytest.mark.parametrize(("min_presence", "is_seen"), [(0, True), (0.99, True), (1, False)])
def test_not_even_a_certain_face_is_above_a_threshold_of_1(min_presence, is_seen):
    face = CertainFace(min_presence).find(np.zeros((48, 64, 3), np.uint8), Box(10, 10, 40, 40))
    assert (face is not None) is is_seen
