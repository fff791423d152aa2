"""The outputs of MediaPipe's landmark networks are decoded to hands and faces, in turned squares."""

import math
from dataclasses import replace

import numpy as np
import pytest

from posezoo import decode
from posezoo.poses.blazeface import find_new
from posezoo.poses.landmarks import (
    FaceOptions,
    HandOptions,
    IrisOptions,
    find_distinct_squares,
    square_bounds,
)
from posezoo.poses.letterbox import rotated_square_transform, to_image_pixels
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import crop_square

#: A palm that points up: the wrist, and the middle finger 40 px above it.
PALM = np.array([[50, 90], [40, 52], [50, 50], [58, 52], [66, 56], [40, 84], [30, 76]], float)


ANYWHERE = Box(0, 0, 1, 1)


def turned(points, angle):
    """Clockwise around (50, 70)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return (points - (50, 70)) @ np.array([[cos, sin], [-sin, cos]]) + (50, 70)


def hand_outputs(*, presence=0.9, right=0.8):
    points = np.random.default_rng(0).uniform(20, 200, (21, 3))
    return {
        "landmarks": points.reshape(1, 63),
        "presence": np.full((1, 1), presence),
        "handedness": np.full((1, 1), right),
        "world_landmarks": points.reshape(1, 63) / 1000,
    }


@pytest.mark.parametrize("angle", [0, 0.5, -2, 3])
def test_the_square_of_a_palm_lies_towards_the_fingers_and_turns_with_it(angle):
    box = np.array([30, 50, 70, 90], float)
    (square,) = HandOptions().find_squares(box, turned(PALM, angle))
    assert square.angle == pytest.approx(angle)
    assert (square.width, square.height) == pytest.approx((2.6 * 40, 2.6 * 40))
    assert np.array(square.center) == pytest.approx(turned(np.array([[50, 50]]), angle)[0])


def test_the_square_of_a_face_lies_around_its_box_with_level_eyes():
    eyes = np.array([[40, 50], [60, 70], [0, 0], [0, 0], [0, 0], [0, 0]], float)
    (square,) = FaceOptions().find_squares(np.array([20, 30, 80, 100], float), eyes)
    assert square.angle == pytest.approx(math.pi / 4)
    assert square.center == (50, 65) and square.width == pytest.approx(1.5 * 70)


@pytest.mark.parametrize("angle", [0.3, -1, 2.5])
def test_the_next_square_of_a_hand_turns_with_its_landmarks(angle):
    points = np.random.default_rng(1).uniform(0, 100, (21, 2))
    before, after = (
        HandOptions().follow(each, ANYWHERE) for each in (points, turned(points, angle))
    )
    difference = (after.angle - before.angle - angle + math.pi) % (2 * math.pi) - math.pi
    assert difference == pytest.approx(0, abs=1e-6)
    assert after.width == pytest.approx(before.width)
    assert np.array(after.center) == pytest.approx(turned(np.array([before.center]), angle)[0])


def test_each_eye_of_a_face_has_a_square_and_the_left_one_is_mirrored():
    eyes = np.array([[40, 50], [80, 50], [0, 0], [0, 0], [0, 0], [0, 0]], float)
    right, left = IrisOptions().find_squares(np.array([20, 30, 100, 110], float), eyes)
    assert right.center == pytest.approx((40, 50)) and left.center == pytest.approx((80, 50))
    assert (right.is_mirrored, left.is_mirrored) == (False, True)
    for square, outer, inner in ((right, (30, 48), (50, 52)), (left, (90, 48), (70, 52))):
        contour = np.array([outer, *[(0, 0)] * 7, inner], float)
        following = IrisOptions().follow(contour, square)
        assert following.center == pytest.approx(((outer[0] + inner[0]) / 2, 50))
        assert following.width == pytest.approx(2.3 * 20)
        assert following.is_mirrored == square.is_mirrored
        assert abs(following.angle) == pytest.approx(math.atan2(4, 20))


def test_a_mirrored_square_shows_the_image_in_a_mirror():
    image = np.random.default_rng(4).integers(0, 256, (64, 64, 3), np.uint8)
    seen = [
        crop_square(Box(16, 16, 48, 48, is_mirrored=is_mirrored), (64, 64), (32, 32)).extract(image)
        for is_mirrored in (False, True)
    ]
    # Corners are centers of pixels, as in MediaPipe: the mirrored ones lie one pixel further.
    assert np.array_equal(seen[0][:, 1:], seen[1][:, :0:-1])


def test_of_squares_that_overlap_the_last_is_kept_and_one_that_is_followed_is_not_found_anew():
    first, same, other = Box(0, 0, 10, 10), Box(1, 0, 11, 10), Box(30, 0, 40, 10)
    assert find_distinct_squares([first, other, same]) == [other, same]
    assert find_new([first], [same, other], square_bounds) == [other]
    assert find_new([], [same], square_bounds) == [same]
    half = Box(0, 0, 10, 5)  # MediaPipe drops only what overlaps by more
    assert find_distinct_squares([first, half]) == [first, half]


@pytest.mark.parametrize(("right", "label", "score"), [(0.8, "right", 0.8), (0.3, "left", 0.7)])
def test_a_hand_has_its_own_side_with_a_probability(right, label, score):
    (pose,) = decode("hand_landmarks", hand_outputs(right=right), (224, 224))
    assert (pose.label, pose.label_score) == (label, pytest.approx(score))
    written = pose.to_json()
    assert written["label"] == label and written["label_score"] == pytest.approx(score)
    assert pose.z == pytest.approx(hand_outputs()["landmarks"].reshape(21, 3)[:, 2] / 0.4)


def test_a_hand_below_the_presence_or_without_numbers_is_none():
    assert decode("hand_landmarks", hand_outputs(presence=0.4), (224, 224)) == []
    assert decode("hand_landmarks", hand_outputs(presence=0.4), (224, 224), min_presence=0.3)
    unknown = hand_outputs()
    unknown["landmarks"][0, 5] = np.nan
    assert decode("hand_landmarks", unknown, (224, 224)) == []


def test_depth_and_world_of_a_hand_are_converted_from_the_square():
    (pose,) = decode("hand_landmarks", hand_outputs(), (224, 224))
    view = rotated_square_transform((100, 100), 112, math.pi / 2, (224, 224))
    (placed,) = to_image_pixels([pose], view, (300, 300))
    assert placed.z == pytest.approx(pose.z / 2) and placed.label == pose.label
    assert placed.world[:, 0] == pytest.approx(-pose.world[:, 1], abs=1e-6)
    assert placed.world[:, 1] == pytest.approx(pose.world[:, 0], abs=1e-6)
    assert replace(placed, mask=None).keypoints.shape == (21, 3)


def test_attention_refines_lips_and_eyes_and_adds_irises_as_deep_as_the_eyes():
    """The first point of the lips is 61 of the mesh, that of the eyes 33 and 263."""
    mesh = np.random.default_rng(3).uniform(0, 192, (468, 3))
    outputs = {"landmarks": mesh.reshape(1, 1, 1, 1404), "presence": np.full((1, 1, 1, 1), 3.0)}
    sizes = {"lips": 160, "left_eye": 142, "right_eye": 142, "left_iris": 10, "right_iris": 10}
    parts = {name: np.full((1, 1, 1, size), 7.0) for name, size in sizes.items()}
    (plain,) = decode("face_landmarks", outputs, (192, 192))
    (refined,) = decode("face_landmarks", outputs | parts, (192, 192))
    assert plain.score == pytest.approx(1 / (1 + math.exp(-3)))
    assert plain.keypoints.shape == (468, 3) and refined.keypoints.shape == (478, 3)
    for index in (61, 33, 263, 468, 477):
        assert refined.keypoints[index, :2].tolist() == [7, 7]
    moved = (refined.keypoints[:468, :2] != plain.keypoints[:, :2]).any(axis=1)
    assert moved.sum() == 80 + 2 * 71
    assert refined.z[:468] == pytest.approx(plain.z)
    edge = [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173]
    assert refined.z[468:473] == pytest.approx(np.full(5, mesh[edge, 2].mean()), rel=1e-5)
