"""Bins of x and of y become pixels."""

from __future__ import annotations

import numpy as np
import pytest

from posezoo import decode
from posezoo.core.errors import InferenceError
from posezoo.poses.keypoints import SKELETONS, Pose

SIZE = (192, 256)


def outputs(places, scores, split=2.0):
    across, down = (np.zeros((1, 17, round(side * split)), np.float32) for side in SIZE)
    joints = np.arange(17)
    across[0, joints, np.rint(places[:, 0] * split).astype(int)] = scores
    down[0, joints, np.rint(places[:, 1] * split).astype(int)] = scores + 0.05
    return {"simcc_x": across, "simcc_y": down}


def person():
    rng = np.random.default_rng(0)
    return np.rint(rng.uniform((0, 0), (190, 250), (17, 2)) * 2) / 2, rng.uniform(0.3, 0.9, 17)


def test_the_highest_bins_are_the_place_and_the_lower_one_the_score():
    places, scores = person()
    (pose,) = decode("simcc", outputs(places, scores), SIZE)
    assert np.allclose(pose.keypoints[:, :2], places) and np.allclose(pose.keypoints[:, 2], scores)
    assert pose.score == pytest.approx(scores.mean(), abs=1e-6)


def test_the_outputs_of_the_mirrored_person_are_mirrored_and_averaged():
    places, scores = person()
    maps = outputs(places, scores)
    order = list(SKELETONS["coco-17"].flip_order)
    mirrored = {
        "flipped_simcc_x": maps["simcc_x"][:, order, ::-1],
        "flipped_simcc_y": maps["simcc_y"][:, order],
    }
    (alone,), (pose,) = decode("simcc", maps, SIZE), decode("simcc", maps | mirrored, SIZE)
    assert np.allclose(pose.keypoints, alone.keypoints)
    lower = {role: array / 2 for role, array in mirrored.items()}
    (pose,) = decode("simcc", maps | lower, SIZE)
    assert np.allclose(pose.keypoints[:, 2], 0.75 * alone.keypoints[:, 2])


def test_a_score_above_one_is_one():
    places, scores = person()
    maps = {role: 3 * array for role, array in outputs(places, scores).items()}
    (pose,) = decode("simcc", maps, SIZE)
    assert pose.keypoints[:, 2] == pytest.approx(np.minimum(3 * scores, 1))
    assert pose.score == 1


def test_x_and_y_have_the_same_keypoints():
    maps = outputs(*person())
    with pytest.raises(InferenceError, match="17 keypoints in x, and 16 in y"):
        decode("simcc", maps | {"simcc_y": maps["simcc_y"][:, 1:]}, SIZE)


def test_bins_may_be_finer():
    places, scores = person()
    (pose,) = decode("simcc", outputs(places, scores, 3.0), SIZE, split=3.0)
    assert np.abs(pose.keypoints[:, :2] - places).max() <= 1 / 6 + 1e-4


def test_the_number_of_bins_has_to_fit_the_input():
    with pytest.raises(
        InferenceError, match="384 and 512 bins, but an input of 192x256 with 3 in a pixel"
    ) as caught:
        decode("simcc", outputs(*person()), SIZE, split=3.0)
    assert "split" in caught.value.hint


def test_keypoints_not_above_zero_or_not_finite_are_missing():
    places, scores = person()
    maps = outputs(places, scores)
    maps["simcc_x"][0, 3] = -1
    maps["simcc_y"][0, 4, 7] = np.nan
    pose: Pose
    (pose,) = decode("simcc", maps, SIZE)
    assert not pose.keypoints[3:5].any() and (np.delete(pose.keypoints[:, 2], [3, 4]) > 0).all()
    maps["simcc_x"][:] = np.nan
    assert decode("simcc", maps, SIZE) == []


@pytest.mark.parametrize(
    ("count", "changes", "problem"),
    [
        (17, {"flipped_simcc_y": None}, "the outputs for the mirrored person have other shapes"),
        (17, {"flipped_simcc_x": 9}, "the outputs for the mirrored person have other shapes"),
        (20, {}, "left and right are not known for 20 keypoints"),
    ],
)
def test_mirrored_outputs_that_do_not_fit_are_refused(count, changes, problem):
    maps = {
        "simcc_x": np.ones((1, count, 384), np.float32),
        "simcc_y": np.ones((1, count, 512), np.float32),
    }
    maps |= {f"flipped_{role}": array for role, array in maps.items()}
    for role, bins in changes.items():
        maps[role] = None if bins is None else maps[role][:, :, :bins]
    maps = {role: array for role, array in maps.items() if array is not None}
    with pytest.raises(InferenceError, match=problem):
        decode("simcc", maps, SIZE)
