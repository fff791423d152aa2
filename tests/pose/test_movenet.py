"""MoveNet's relative coordinates become pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posezoo import decode


def test_y_and_x_change_places_and_become_pixels():
    output = np.random.default_rng(0).random((1, 1, 17, 3), np.float32)
    (pose,) = decode("movenet", {"keypoints": output}, (192, 256))
    assert np.allclose(pose.keypoints, output[0, 0][:, [1, 0, 2]] * (192, 256, 1))
    assert pose.skeleton == "coco-17" and pose.score == pytest.approx(output[0, 0, :, 2].mean())


def test_values_that_are_not_finite_give_no_people():
    output = np.zeros((1, 1, 17, 3), np.float32)
    output[0, 0, 5, 1] = np.nan
    assert decode("movenet", {"keypoints": output}, (192, 192)) == []


def test_the_people_of_multipose_are_sorted_and_weak_ones_are_left_out():
    """An input of any aspect: x counts in its width, y in its height."""
    people = np.random.default_rng(0).random((1, 6, 56), np.float32)
    people[0, :, 55] = 0.19, 0.5, 0.2, 0.9, 0, np.nan
    poses = decode("movenet_multipose", {"people": people}, (352, 256))
    assert [pose.score for pose in poses] == pytest.approx([0.9, 0.5, 0.2])
    expected = people[0, 3, :51].reshape(17, 3)[:, [1, 0, 2]] * (352, 256, 1)
    assert np.allclose(poses[0].keypoints, expected)
    assert poses[0].skeleton == "coco-17"
    assert len(decode("movenet_multipose", {"people": people}, (352, 256), min_score=0.0)) == 4
    people[0, 3, 7] = np.inf
    assert len(decode("movenet_multipose", {"people": people}, (352, 256))) == 2


def test_real_outputs_lie_on_the_people_in_the_photos(shared: Path):
    """Eighteen crops of people: nine of ten joints within a tenth of the crop."""
    runs = np.load(shared / "facts" / "reference" / "runtimes" / "movenet.litert-2.3.npz")
    near = []
    for output, truth in zip(runs["xnnpack"], runs["keypoints_true"], strict=True):
        (pose,) = decode("movenet", {"keypoints": output[None, None]}, (192, 192))
        apart = np.abs(pose.keypoints[:, :2] / 192 - truth[:, :2]).max(axis=1)
        near += (apart[truth[:, 2] > 0] < 0.1).tolist()
    assert np.mean(near) > 0.9
