"""People keep their numbers while they cross each other, are missed and are covered."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fakes import walks
from posezoo.poses.keypoints import Pose
from posezoo.poses.tracking import PoseTracker, _Motion


def follow(frames, fps=walks.FPS):
    tracker = PoseTracker()
    return [tracker.update(poses, number / fps) for number, (poses, _) in enumerate(frames)]


def numbers_by_person(frames, tracked):
    """The numbers that each person had, in order, without those of nobody."""
    numbers = {}
    for (_, people), poses in zip(frames, tracked, strict=True):
        for person, pose in zip(people, poses, strict=True):
            if person >= 0 and pose.track_id is not None:
                numbers.setdefault(person, []).append(pose.track_id)
    return numbers


def switches(numbers):
    return sum(one != other for one, other in pairwise(numbers))


def box(x, track_id=None):
    empty = np.zeros((0, 3), np.float32)
    return Pose(empty, "box", 0.9, (x, 100, x + 100, 400), track_id=track_id)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_ten_people_who_cross_switch_their_numbers_at_most_twice_in_300_frames(seed):
    frames = list(walks.detections(walks.walk(10, 300, seed=seed), seed=seed))
    numbers = numbers_by_person(frames, follow(frames))
    assert len(numbers) == 10
    assert sum(map(switches, numbers.values())) <= 2
    assert np.mean([len(each) for each in numbers.values()]) > 200


def test_people_who_are_hidden_for_up_to_two_and_a_half_seconds_keep_their_numbers():
    total = 0
    for seed in range(2):
        frames = list(walks.detections(walks.hidden_walk(seed=seed), seed=seed))
        numbers = numbers_by_person(frames, follow(frames))
        assert len(numbers) == 12
        total += sum(map(switches, numbers.values()))
    assert total <= 2 * 2


def test_who_turns_while_hidden_keeps_the_number_and_a_smaller_person_there_has_another():
    def seen_again(height):
        tracker = PoseTracker()
        way = [300 + 8 * step for step in range(30)]
        for number, x in enumerate(way):
            tracker.update([box(x)], number / 30)
        empty = np.zeros((0, 3), np.float32)
        # A second later they come back on the same side.
        for number, x in enumerate(way[:-5:-1], start=60):
            back = Pose(empty, "box", 0.9, (x, 400 - height, x + height / 3, 400))
            (pose,) = tracker.update([back], number / 30)
        return pose.track_id

    assert seen_again(300) == 1
    assert seen_again(180) == 2


@pytest.mark.parametrize(("aside", "number"), [(3, None), (120, 2)], ids=["on them", "beside"])
def test_a_second_pose_of_somebody_gets_no_number_and_somebody_beside_them_does(aside, number):
    frames = list(walks.detections(walks.walk(1, 20), miss=0, ghosts=0))
    for poses, _ in frames[5:]:
        keypoints = poses[0].keypoints * [1, 1, 0.7] + [aside, 0, 0]
        poses.append(replace(poses[0], keypoints=keypoints.astype(np.float32)))
    tracked = follow(frames)
    assert {poses[0].track_id for poses in tracked} == {1}
    assert {poses[1].track_id for poses in tracked[6:]} == {number}


def test_after_a_cut_everybody_has_another_number_at_once():
    tracker = PoseTracker()
    tracker.update([box(100), box(600)], 0)
    tracker.begin_scene()
    tracked = tracker.update([box(100), box(600)], 0.04)
    assert [pose.track_id for pose in tracked] == [3, 4]


@pytest.mark.parametrize("fps", [10, 15])
def test_numbers_are_kept_at_low_frame_rates(fps):
    every = round(walks.FPS / fps)
    frames = list(walks.detections(walks.walk(6, 300, seed=1), ghosts=0))[::every]
    numbers = numbers_by_person(frames, follow(frames, fps))
    assert len(numbers) == 6
    assert sum(map(switches, numbers.values())) <= 2


def test_the_order_of_the_poses_stays_and_only_the_number_is_new():
    (poses, _), *_ = walks.detections(walks.walk(4, 1), miss=0, ghosts=0)
    tracked = PoseTracker().update(poses, 0)
    assert sorted(pose.track_id for pose in tracked) == [1, 2, 3, 4]
    for pose, numbered in zip(poses, tracked, strict=True):
        assert numbered.keypoints is pose.keypoints
        assert (numbered.box, numbered.score) == (pose.box, pose.score)


def test_who_comes_later_gets_a_number_at_the_second_sighting():
    tracker = PoseTracker()
    tracker.update([box(100)], 0)
    first = tracker.update([box(100), box(600)], 0.04)
    second = tracker.update([box(602), box(100)], 0.08)
    assert [pose.track_id for pose in first] == [1, None]
    assert [pose.track_id for pose in second] == [2, 1]


def test_a_person_who_comes_back_within_three_seconds_keeps_the_number():
    for gap_s, expected in ((2.9, 1), (3.5, None)):
        tracker = PoseTracker()
        tracker.update([box(100)], 0)
        tracker.update([box(100)], 0.1)
        (pose,) = tracker.update([box(100)], 0.1 + gap_s)
        assert pose.track_id == expected


def test_a_person_is_expected_further_along_the_way_while_nobody_sees_them():
    tracker = PoseTracker()
    for number in range(30):
        tracker.update([box(100 + 8 * number)], number / 30)
    # Half a second later the person has gone on, and another stands where they were seen last.
    (pose, other) = tracker.update([box(100 + 8 * 44), box(100 + 8 * 24)], 44 / 30)
    assert (pose.track_id, other.track_id) == (1, None)


def test_keypoints_that_are_no_numbers_and_frames_without_people_are_no_problem():
    tracker = PoseTracker()
    (poses, _), *_ = walks.detections(walks.walk(2, 1), miss=0, ghosts=0)
    broken = poses[0].keypoints.copy()
    broken[3] = np.nan
    broken[5] = np.inf
    for time_s, seen in enumerate((poses, [], [replace(poses[0], keypoints=broken), poses[1]])):
        tracked = tracker.update(seen, time_s / 30)
    assert [pose.track_id for pose in tracked] == [1, 2]


def test_a_detection_in_an_empty_scene_gets_no_number_before_it_is_seen_again():
    tracker = PoseTracker()
    numbers = []
    for time_s, seen in enumerate(([], [], [box(100)], [box(101)])):
        numbers.append([pose.track_id for pose in tracker.update(seen, time_s / 30)])
    assert numbers == [[], [], [None], [1]]


def test_what_is_not_known_after_two_seconds_is_that_of_one_second_twice():
    once, twice = _Motion(), _Motion()
    once.predict(2.0)
    twice.predict(1.0)
    twice.predict(1.0)
    for name in ("position_variance", "covariance", "velocity_variance"):
        assert getattr(once, name) == pytest.approx(getattr(twice, name)), name
