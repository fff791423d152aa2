"""PoseNet's decoder finds people, and returns what the decoder published for TensorFlow.js returns."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fakes import crowds
from fakes.command import read_json
from fakes.posenet import PEER, STRIDE, people_maps, published_poses, random_maps
from posezoo import decode
from posezoo.core.errors import InferenceError

pytest.importorskip("cv2")

SIZE = (513, 385)
STORED = read_json(Path(__file__).parents[1] / "golden" / "posenet.json")


def input_size(maps):
    height, width = maps["heatmaps"].shape[1:3]
    return (width - 1) * STRIDE + 1, (height - 1) * STRIDE + 1


def require_same(poses, published):
    """The published decoder does not sort people by score."""
    published = sorted(published, key=lambda pose: -pose["score"])
    assert [pose.score for pose in poses] == [pose["score"] for pose in published]
    for pose, other in zip(poses, published, strict=True):
        np.testing.assert_array_equal(pose.keypoints, np.float32(other["keypoints"]))


@pytest.mark.parametrize("place", range(len(STORED)))
def test_stored_poses_of_the_published_decoder_are_returned_to_the_last_digit(place):
    """Of random maps, in which many positions lie between two cells or outside the input."""
    case = STORED[place]
    maps = random_maps(**case["maps"])
    require_same(decode("posenet", maps, input_size(maps), **case["options"]), case["poses"])
    require_same(decode("posenet", maps, input_size(maps), single=True), [case["single"]])


@pytest.mark.skipif(
    not PEER.is_dir() or shutil.which("node") is None, reason="needs make build/posenet-env"
)
def test_the_published_decoder_run_by_node_returns_the_same_poses():
    sizes = [(9, 13, 8), (17, 17, 0.25), (25, 33, 8), (2, 40, 4), (1, 1, 8)]
    maps = [
        random_maps(seed, height, width, step=step)
        for seed, (height, width, step) in enumerate(sizes)
    ]
    groups = (crowds.group("crowd", seed, SIZE, 8).joints for seed in range(5))
    maps += [people_maps(joints, SIZE) for joints in groups]
    several = [
        {},
        {"max_people": 20, "min_keypoint_score": 0.3},
        {"nms_radius": 60.0},
    ]
    cases = [(each, options) for each in maps for options in several]
    for (given, options), answer in zip(cases, published_poses(cases), strict=True):
        require_same(decode("posenet", given, input_size(given), **options), answer["poses"])
        require_same(decode("posenet", given, input_size(given), single=True), [answer["single"]])


@pytest.mark.parametrize("seed", range(4))
def test_people_in_a_crowd_are_found_where_they_are(seed):
    people = crowds.group("plain", seed, SIZE, 6)
    poses = decode("posenet", people_maps(people.joints, SIZE), SIZE, max_people=20, min_score=0.06)
    assert len(poses) == len(people) > 2
    for joints in people.joints:
        nearest = min(poses, key=lambda pose: np.abs(pose.keypoints[:, :2] - joints).mean())
        np.testing.assert_allclose(nearest.keypoints[:, :2], joints, atol=0.01)


def test_a_person_with_two_noses_is_found_twice_unless_there_is_a_minimum_score():
    """The second time, all keypoints but the nose belong to the person who was found before."""
    people = crowds.group("plain", 1, SIZE, 1)
    maps = people_maps(people.joints, SIZE)
    column, row = np.rint(people.joints[0, 0] / STRIDE).astype(int) + 3
    maps["heatmaps"][0, row, column, 0] = 3
    maps["offsets"][0, row, column, [0, 17]] = 0
    first, second = decode("posenet", maps, SIZE)
    assert first.score > 0.8 and second.score == pytest.approx(1 / (1 + np.exp(-3)) / 17, rel=1e-6)
    assert second.keypoints[0, :2].tolist() == [STRIDE * column, STRIDE * row]
    np.testing.assert_array_equal(first.keypoints[1:], second.keypoints[1:])
    assert len(decode("posenet", maps, SIZE, min_score=0.06)) == 1
    assert len(decode("posenet", maps, SIZE, max_people=1)) == 1
    assert len(decode("posenet", maps, SIZE, nms_radius=100.0)) == 1


def test_logits_far_from_zero_and_values_that_are_not_finite_do_no_harm():
    maps = people_maps(crowds.group("plain", 1, SIZE, 2).joints, SIZE)
    maps["heatmaps"][0, 0, 0] = -3e38
    before = decode("posenet", maps, SIZE)
    assert len(before) == 2
    maps["heatmaps"][0, 0, 0] = -1000
    assert [pose.score for pose in decode("posenet", maps, SIZE)] == [pose.score for pose in before]
    maps["displacements_bwd"][0, 3, 3, 3] = np.nan
    assert decode("posenet", maps, SIZE) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"min_keypoint_score": 1.5}, "min_keypoint_score: expected 0 to 1"),
        ({"max_people": 0}, "max_people: expected 1 or more"),
        ({"stride": 0}, "stride: expected 1 or more"),
        ({"nms_radius": 0.0}, "nms_radius: expected above 0"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, problem):
    maps = random_maps(0, 3, 3, step=8)
    with pytest.raises(InferenceError, match=problem):
        decode("posenet", maps, (33, 33), **options)
