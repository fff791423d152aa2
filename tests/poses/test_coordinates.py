"""The decoder of networks that put out coordinates, in each form of their output."""

import numpy as np
import pytest

from posezoo import decode
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError
from posezoo.poses.decoders import recognize_decoder

SIZE = (200, 100)
POINTS = np.random.default_rng(0).uniform(0, 1, (17, 2)).astype(np.float32)
SCORES = np.linspace(0.1, 0.9, 17, dtype=np.float32)[:, None]
SCORED = np.concatenate([POINTS, SCORES], axis=1)


def decoded(rows, **options):
    (pose,) = decode("coordinates", {"coordinates": rows}, SIZE, **options)
    return pose


@pytest.mark.parametrize("shape", [(1, 34), (1, 17, 2)])
def test_pairs_are_pixels_of_the_input_with_a_score_of_one(shape):
    pose = decoded((POINTS * SIZE).reshape(shape))
    assert pose.keypoints[:, :2] == pytest.approx(POINTS * SIZE)
    assert (pose.keypoints[:, 2] == 1).all() and pose.score == 1


@pytest.mark.parametrize(("shape", "options"), [((1, 51), {"scores": True}), ((1, 17, 3), {})])
def test_a_score_may_follow_x_and_y(shape, options):
    pose = decoded(SCORED.reshape(shape), values="shares", **options)
    assert pose.keypoints == pytest.approx(SCORED * [*SIZE, 1])
    assert pose.score == pytest.approx(0.5)


def test_rows_with_a_value_that_is_not_finite_hold_nobody():
    rows = POINTS.copy()
    rows[3, 1] = np.nan
    assert decode("coordinates", {"coordinates": rows[None]}, SIZE) == []


@pytest.mark.parametrize(
    ("count", "options", "problem", "hint"),
    [
        (51, {}, "51 numbers are not 2 for each keypoint", "scores=true"),
        (34, {"scores": True}, "34 numbers are not 3 for each keypoint", "scores=false"),
        (35, {}, "35 numbers are not 2 for each keypoint", ""),
    ],
)
def test_a_number_that_no_keypoints_have_is_refused(count, options, problem, hint):
    with pytest.raises(InferenceError, match=problem) as caught:
        decode("coordinates", {"coordinates": np.zeros((1, count), np.float32)}, SIZE, **options)
    assert caught.value.hint.endswith(hint)


def test_a_skeleton_of_another_number_of_keypoints_is_refused():
    with pytest.raises(InferenceError, match="finds 17 keypoints, and the skeleton"):
        decode("coordinates", {"coordinates": POINTS[None]}, SIZE, SKELETONS["blazepose-33"])


def test_values_in_another_unit_are_refused():
    with pytest.raises(InferenceError, match="values: expected pixels or shares, got percent"):
        decoded(POINTS[None], values="percent")


@pytest.mark.parametrize("shape", [(1, 34), (1, 51), (1, 17, 2), (1, 17, 3)])
def test_coordinates_are_never_guessed_from_a_shape(shape):
    assert recognize_decoder({"output": shape}) != "coordinates"
