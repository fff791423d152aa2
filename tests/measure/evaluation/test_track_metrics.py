"""HOTA, and people found, ghosts and switches; tests/judges/test_trackeval.py compares with TrackEval."""

import numpy as np
import pytest

from posezoo.measure.evaluation.track_metrics import (
    ComparedFrame,
    FrameCounts,
    compute_hota,
    count_found,
)


def frame(people, numbers, *alike, similarity=1.0):
    """A frame in which these people and numbers, in pairs, are alike."""
    similarities = np.zeros((len(people), len(numbers)))
    for person, number in alike:
        similarities[people.index(person), numbers.index(number)] = similarity
    return ComparedFrame(people, numbers, similarities)


def test_people_who_are_followed_without_a_mistake_have_a_hota_of_1():
    frames = [frame("ab", [1, 2], ("a", 1), ("b", 2)) for _ in range(5)]
    assert compute_hota(frames) == pytest.approx({"HOTA": 1, "DetA": 1, "AssA": 1})
    assert count_found(frames) == FrameCounts(people=10, found=10, ghosts=0, switches=0)


def test_people_who_exchange_their_numbers_are_found_and_associated_for_half_of_the_time():
    frames = [frame("ab", [1, 2], ("a", 1), ("b", 2))] * 4
    frames += [frame("ab", [1, 2], ("a", 2), ("b", 1))] * 4
    assert count_found(frames) == FrameCounts(people=16, found=16, ghosts=0, switches=2)
    figures = compute_hota(frames)
    assert figures["DetA"] == pytest.approx(1)
    assert figures["AssA"] == pytest.approx(4 / 12)  # 4 of 8 + 8 - 4 frames
    assert figures["HOTA"] == pytest.approx((1 / 3) ** 0.5)


def test_missed_people_and_ghosts_lower_detection_alone():
    frames = [frame("ab", [1, 9], ("a", 1))] * 3
    assert count_found(frames) == FrameCounts(people=6, found=3, ghosts=3, switches=0)
    figures = compute_hota(frames)
    assert figures["DetA"] == pytest.approx(3 / 9)
    assert figures["AssA"] == pytest.approx(1)


def test_a_pose_counts_up_to_its_similarity():
    frames = [frame("a", [1], ("a", 1), similarity=0.5)] * 2
    assert count_found(frames).found == 2
    assert compute_hota(frames)["HOTA"] == pytest.approx(10 / 19)  # of 0.05 to 0.95
    assert count_found([frame("a", [1], ("a", 1), similarity=0.49)]).found == 0


def test_a_person_keeps_the_number_of_the_frame_before_if_it_is_similar_enough():
    both = ComparedFrame("a", [1, 2], np.array([[0.6, 0.9]]))
    assert count_found([frame("a", [1], ("a", 1)), both]).switches == 0
    assert count_found([frame("a", [2], ("a", 2)), both]).switches == 0
    lost = ComparedFrame("a", [1, 2], np.array([[0.4, 0.9]]))
    assert count_found([frame("a", [1], ("a", 1)), lost]).switches == 1


def test_a_person_who_comes_back_with_another_number_has_switched():
    frames = [frame("a", [1], ("a", 1)), frame("a", []), frame("a", [2], ("a", 2))]
    assert count_found(frames) == FrameCounts(people=3, found=2, ghosts=0, switches=1)


@pytest.mark.parametrize(
    ("between", "switches"),
    [
        (frame("a", []), 0),
        (frame("", []), 0),
        (frame("", [3]), 0),
        (frame("a", [3]), 1),
        (frame("ab", [3], ("b", 3)), 1),
    ],
)
def test_a_person_keeps_the_number_of_the_last_frame_that_has_people_and_poses(between, switches):
    both = ComparedFrame("a", [1, 2], np.array([[0.6, 0.9]]))
    assert count_found([frame("a", [1], ("a", 1)), between, both]).switches == switches


def test_frames_of_nobody_have_no_hota():
    assert compute_hota([frame("", [])]) == {}
    assert count_found([frame("", [])]) == FrameCounts(people=0, found=0, ghosts=0, switches=0)
    assert compute_hota([frame("", [1])])["HOTA"] == 0
