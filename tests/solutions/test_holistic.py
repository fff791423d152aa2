"""The last square of a hand or a face is kept under the conditions of MediaPipe's RoiTrackingCalculator."""

import math

import numpy as np
import pytest

from posezoo.poses.ssd_detection import Box
from posezoo.solutions.holistic import _HAND_LIMITS

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


def test_a_landmark_on_the_border_is_outside():
    assert not _HAND_LIMITS.are_kept(SQUARE, SQUARE, np.add(MIDDLE, (45, 0)))
