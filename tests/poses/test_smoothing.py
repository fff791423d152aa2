"""Still people do not jitter, and people who walk do not lag."""

import numpy as np
import pytest

from fakes import walks
from posezoo.poses.keypoints import Pose
from posezoo.poses.tracking import PoseFilter, PoseTracker, smooth_poses

HEIGHT = 300  # of the person, in pixels


def smooth(filtered, seen, time_s):
    (result,) = smooth_poses([filtered], [seen], time_s)
    return result


def smoothed(true, fps=30, noise=0.008):
    """(T, 17, 2): the keypoints as a network sees them, and the smoothed ones."""
    seen = true + np.random.default_rng(0).normal(0, noise * HEIGHT, true.shape)
    filtered, results = PoseFilter(), []
    for number, points in enumerate(seen):
        results.append(smooth(filtered, pose(points), number / fps).keypoints[:, :2])
    return seen, np.array(results)


def pose(points, score=0.9):
    keypoints = np.column_stack([points, np.full(len(points), score)]).astype(np.float32)
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Pose(keypoints, "coco-17", score, (*low, *high))


def still(frames=300):
    walked = walks.walk(1, 1, speed=0)
    return np.repeat(walked.keypoints[:, 0] * HEIGHT / walked.heights[0], frames, axis=0)


def walking(fps=30, seconds=10):
    steps = np.arange(round(seconds * fps)) * walks.WALKING * HEIGHT / fps
    return still(len(steps)) + np.stack([steps, np.zeros_like(steps)], axis=1)[:, None]


def jitter(points):
    return float(np.abs(np.diff(points[30:], axis=0)).mean())


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_the_jitter_of_still_people_goes_down_by_60_percent(fps):
    seen, results = smoothed(still(), fps)
    assert jitter(results) < 0.4 * jitter(seen)
    assert np.std(results[30:] - still()[30:]) < 0.7 * np.std(seen - still())


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_a_person_who_walks_lags_by_at_most_three_pixels(fps):
    true = walking(fps)
    _, results = smoothed(true, fps)
    lag = (true - results)[fps:, :, 0].mean(axis=0)
    assert lag.max() < 3


def test_a_missing_keypoint_stays_missing_and_begins_anew_where_it_is_seen_again():
    filtered, points = PoseFilter(), still(1)[0]
    smooth(filtered, pose(points), 0)
    lost = pose(points)
    lost.keypoints[9] = 0
    assert (smooth(filtered, lost, 1 / 30).keypoints[9] == 0).all()
    moved = points.copy()
    moved[9] += 50
    found = smooth(filtered, pose(moved), 2 / 30).keypoints[9, :2]
    np.testing.assert_allclose(found, moved[9], rtol=1e-6)


def test_people_are_smoothed_together_as_each_alone():
    """Their sizes differ; one of them is missing in some frames, and one misses a keypoint."""
    rng = np.random.default_rng(0)
    together, alone = [[PoseFilter() for _ in range(3)] for _ in range(2)]
    for number in range(40):
        people = [pose(still(1)[0] * scale + rng.normal(0, 2, (17, 2))) for scale in (1, 2, 3)]
        if number % 7 == 3:
            people[1].keypoints[9] = 0
        places = [0, 1] if number % 5 == 2 else [0, 1, 2]
        chosen = [people[place] for place in places]
        results = smooth_poses([together[place] for place in places], chosen, number / 30)
        for place, given, result in zip(places, chosen, results, strict=True):
            expected = smooth(alone[place], given, number / 30)
            np.testing.assert_array_equal(result.keypoints, expected.keypoints)
            assert result.box == expected.box
    assert smooth_poses([], [], 2.0) == []


def test_boxes_are_smoothed_and_scores_are_kept():
    filtered, rng = PoseFilter(), np.random.default_rng(0)
    boxes = []
    for number in range(100):
        corners = np.array([100, 100, 200, 400]) + rng.normal(0, 3, 4)
        found = Pose(np.zeros((0, 3), np.float32), "box", 0.5, tuple(corners.tolist()))
        result = smooth(filtered, found, number / 30)
        boxes.append(result.box)
        assert result.score == 0.5
    assert np.std(np.array(boxes)[30:] - [100, 100, 200, 400]) < 2


def test_each_person_has_a_filter_of_their_own():
    tracker, points = PoseTracker(smooth=True), still(1)[0]
    for number in range(10):
        people = [pose(points), pose(points + np.array([700, 0]))]
        tracked = tracker.update(people[:: 1 if number % 2 else -1], number / 30)
    by_number = {each.track_id: each for each in tracked}
    assert sorted(by_number) == [1, 2]
    lefts = sorted(each.keypoints[:, 0].min() for each in tracked)
    np.testing.assert_allclose(lefts[1] - lefts[0], 700, atol=0.1)
