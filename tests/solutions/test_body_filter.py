"""The filter of a body's landmarks over the frames of a video, and what it forgets if the person is lost."""

import numpy as np
import pytest

from posezoo.solutions.body_filter import BodyFilter

COUNT = 33


def landmarks_at(place, visibility=1.0):
    """(33, 4): all landmarks at one place."""
    return np.full((COUNT, 4), [place, place, place, visibility])


@pytest.fixture
def smoothed():
    """It has seen a person in one frame."""
    body = BodyFilter()
    body.smooth(landmarks_at(0), landmarks_at(0), size=1)
    body.smooth_axis(np.array([[0.0, 0], [0, 1]]))
    return body


def test_landmarks_lag_behind_a_person_who_moves(smoothed):
    landmarks, world = smoothed.smooth(landmarks_at(1), landmarks_at(1), size=1)
    assert 0 < landmarks[0, 0] < 1 and 0 < world[0, 0] < 1


def test_after_a_person_was_lost_landmarks_and_the_axis_begin_anew(smoothed):
    smoothed.lose()
    landmarks, _ = smoothed.smooth(landmarks_at(1), landmarks_at(1), size=1)
    np.testing.assert_array_equal(landmarks[:, :3], 1)
    moved = np.array([[5.0, 5], [5, 6]])
    np.testing.assert_array_equal(smoothed.smooth_axis(moved)[0], moved)


def test_a_visibility_changes_by_a_tenth_a_frame_also_after_a_loss(smoothed):
    for expected in (0.9, 0.81):
        smoothed.lose()
        landmarks, world = smoothed.smooth(landmarks_at(0, 0), landmarks_at(0, 0), size=1)
        np.testing.assert_allclose((landmarks[:, 3], world[:, 3]), expected)
