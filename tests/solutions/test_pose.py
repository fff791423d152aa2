"""The pose of one person, who may leave the video and come back; the networks here find nobody."""

import numpy as np
import pytest

from posezoo.solutions import pose

ANCHORS = 2254


@pytest.fixture
def shown(monkeypatch):
    """What the landmark network sees: its outputs say that the person fills the same region."""
    boxes = np.zeros((1, ANCHORS, 12), np.float32)
    boxes[..., 2:4] = 50
    boxes[..., 7] = -40  # the top is above the hip
    scores = np.full((1, ANCHORS, 1), -100, np.float32)
    scores[0, 350] = 100
    landmarks = np.full((39, 5), 128, np.float32)
    landmarks[34, 1] = 128 - 256 / 2.5
    outputs = {
        "Identity": landmarks.reshape(1, 195),
        "Identity_1": np.ones((1, 1), np.float32),
        "Identity_3": np.full((1, 64, 64, 39), -100, np.float32),
        "Identity_4": np.zeros((1, 117), np.float32),
    }
    pictures = []

    def infer(network, picture):
        if network == "pose-detection-mediapipe":
            return {"Identity": boxes, "Identity_1": scores}
        pictures.append(picture)
        return outputs

    monkeypatch.setattr(pose, "load_network", lambda name, without=(): name)
    monkeypatch.setattr(pose, "infer", infer)
    return pictures


@pytest.mark.parametrize("smaller", [1, 2, 4])
def test_the_region_of_a_followed_person_scales_with_the_frame(shown, smaller):
    down, across = np.mgrid[:480, :640]
    frame = np.stack([across / 3, down / 2, across * 0], axis=2).astype(np.uint8)
    with pose.Pose() as solution:
        solution.process(frame)
        solution.process(np.ascontiguousarray(frame[::smaller, ::smaller]))
    first, second = shown
    assert np.abs(first.astype(int) - second).max() <= 4
