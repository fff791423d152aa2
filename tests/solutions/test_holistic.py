"""The last square of a hand or a face is kept under the conditions of MediaPipe's RoiTrackingCalculator."""

import math

import numpy as np
import pytest

from posezoo.poses.keypoints import Pose
from posezoo.poses.ssd_detection import Box
from posezoo.solutions.holistic import _FACE_LIMITS, _HAND_LIMITS, _TrackedPart

SQUARE = Box(100, 100, 200, 200)
MIDDLE = np.array([[150.0, 150.0]])


def moved(x=0, y=0, *, larger=0, degrees=0):
    """The square, at another place, with other sides, and turned."""
    x0, y0, x1, y1 = 100 + x - larger / 2, 100 + y - larger / 2, 200 + x, 200 + y
    return Box(x0, y0, x1 + larger / 2, y1 + larger / 2, angle=math.radians(degrees))


@pytest.mark.parametrize(
    ("last", "is_kept"),
    [
        (SQUARE, True),
        (moved(20, -20), True),  # by 0.2 of the side in each direction
        (moved(x=21), False),
        (moved(y=-21), False),
        (moved(larger=40), True),
        (moved(larger=-40), True),
        (moved(larger=41), False),
        (moved(larger=-41), False),
        (moved(degrees=39), True),
        (moved(degrees=-39), True),
        (moved(degrees=360 - 39), True),
        (moved(degrees=41), False),
        (moved(degrees=180), False),
    ],
)
def test_a_square_is_kept_that_differs_a_little_from_the_new_one(last, is_kept):
    assert _HAND_LIMITS.are_kept(last, SQUARE, MIDDLE) is is_kept


@pytest.mark.parametrize(
    ("last", "is_kept"),
    [
        (moved(10, -10), True),
        (moved(x=11), False),
        (moved(larger=30), True),
        (moved(larger=31), False),
        (moved(degrees=14.5), True),
        (moved(degrees=15.5), False),
    ],
)
def test_the_square_of_a_face_may_differ_less(last, is_kept):
    assert _FACE_LIMITS.are_kept(last, SQUARE, MIDDLE) is is_kept


class StillFace:
    """A network that finds the same place of each image, and notes the squares that it is given."""

    def __init__(self):
        self.asked = []

    def find(self, image, square):
        self.asked.append(square)
        height, width = image.shape[:2]
        return Pose(np.array([[width / 2, height / 2, 1]]), "face-468", 1.0, (0, 0, 1, 1))

    def follow(self, pose, square):
        return square


def test_the_last_square_of_a_face_scales_with_the_image():
    network = StillFace()
    face = _TrackedPart(network, _FACE_LIMITS)
    face.find(np.zeros((300, 300, 3), np.uint8), SQUARE)
    near = Box(51, 50, 101, 100)  # one pixel beside the half of the square
    face.find(np.zeros((150, 150, 3), np.uint8), near)
    assert network.asked == [SQUARE, Box(50, 50, 100, 100)]


@pytest.mark.parametrize(("away", "is_kept"), [(39.9, True), (40.1, False)])
def test_a_square_is_kept_only_if_the_face_is_inside_eight_tenths_of_the_new_one(away, is_kept):
    points = np.add(MIDDLE, (0, away))
    assert _FACE_LIMITS.are_kept(SQUARE, SQUARE, points) is is_kept


@pytest.mark.parametrize("degrees", [0, 90])
def test_a_square_is_kept_only_if_all_landmarks_are_inside_nine_tenths_of_the_new_one(degrees):
    square = moved(degrees=degrees)
    for away in ((44.9, 0), (0, -44.9), (-44.9, 44.9)):
        assert _HAND_LIMITS.are_kept(square, square, np.vstack([MIDDLE, MIDDLE + away]))
    for away in ((45.1, 0), (0, -45.1), (-45.1, 45.1)):
        assert not _HAND_LIMITS.are_kept(square, square, np.vstack([MIDDLE, MIDDLE + away]))


def test_a_landmark_on_the_border_is_outside():
    assert not _HAND_LIMITS.are_kept(SQUARE, SQUARE, np.add(MIDDLE, (45, 0)))


def test_landmarks_are_compared_along_the_sides_of_a_turned_square():
    """A corner of an upright square is beside the side of one that is turned by 45 degrees."""
    corner = np.add(MIDDLE, (40, 40))
    turned = moved(degrees=45)
    assert _HAND_LIMITS.are_kept(SQUARE, SQUARE, corner)
    assert not _HAND_LIMITS.are_kept(turned, turned, corner)
