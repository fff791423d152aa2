"""Hands and faces that are followed through a video."""

from __future__ import annotations

import pytest

from fakes.command import posezoo
from fakes.hands import film_meeting_hands
from posezoo.solutions.hands import Hands


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
