"""The pose of one person, who may leave the video and come back; the networks here find nobody."""

from __future__ import annotations

import numpy as np
import pytest

from posezoo.solutions import pose
from posezoo.solutions.body_filter import BodyFilter

ANCHORS = 2254


class CountingFilter(BodyFilter):
    """Counts the frames in which nobody was found."""

    lost = 0

    def lose(self) -> None:
        super().lose()
        self.lost += 1


@pytest.fixture
def counting(monkeypatch) -> CountingFilter:
    body_filter = CountingFilter()
    scores = np.full((1, ANCHORS, 1), -100, np.float32)
    outputs = {"Identity": np.zeros((1, ANCHORS, 12), np.float32), "Identity_1": scores}
    monkeypatch.setattr(pose, "BodyFilter", lambda: body_filter)
    monkeypatch.setattr(pose, "load_network", lambda name, without=(): name)
    monkeypatch.setattr(pose, "infer", lambda network, picture: outputs)
    return body_filter


def test_the_filter_is_told_each_frame_in_which_nobody_is_found(counting):
    frame = np.zeros((48, 64, 3), np.uint8)
    with pose.Pose() as solution:
        answers = [solution.process(frame) for _ in range(2)]
    assert [answer.pose_landmarks for answer in answers] == [None, None]
    assert counting.lost == 2
