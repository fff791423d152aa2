"""Boxes of people, from a detector's outputs and from users."""

import numpy as np
import pytest

from posezoo.core.errors import InferenceError
from posezoo.poses.ssd_detection import Box, DetectionOptions, decode_ssd, parse_boxes

SIZE = (640, 480)


def found(*rows, min_box_score=0.5):
    output = np.zeros((1, 1, 200, 7), np.float32)
    output[0, 0, : len(rows)] = rows
    poses = decode_ssd({"detections": output}, SIZE, DetectionOptions(min_box_score))
    return [Box(*pose.box, pose.score) for pose in poses]


def test_shares_of_the_sides_become_pixels_and_the_surest_comes_first():
    less, more = found((0, 1, 0.6, 0.5, 0.25, 0.75, 0.5), (0, 1, 0.9, 0.1, 0.5, 0.2, 1))[::-1]
    assert (less.x0, less.y0, less.x1, less.y1) == (320, 120, 480, 240) and less.center == (
        400,
        180,
    )
    assert (more.x0, more.y0, more.x1, more.y1) == pytest.approx((64, 240, 128, 480))
    assert (less.score, more.score) == pytest.approx((0.6, 0.9))


def test_only_people_that_the_detector_is_sure_of_count():
    assert found((0, 1, 0.49, 0, 0, 1, 1), (0, 0, 0.9, 0, 0, 1, 1), (0, 2, 0.9, 0, 0, 1, 1)) == []
    assert len(found((0, 1, 0.49, 0, 0, 1, 1), min_box_score=0.4)) == 1


def test_boxes_lie_inside_the_image_and_have_a_size():
    over, *others = found(
        (0, 1, 0.9, -0.5, -3, 1.5, 0.5),
        (0, 1, 0.8, 1.1, 0, 1.2, 1),  # beside the image
        (0, 1, 0.8, 0.5, 0.5, 0.4, 0.6),  # inside out
        (0, 1, 0.8, 0.5, 0.5, 0.5, 0.6),
    )
    assert (over.x0, over.y0, over.x1, over.y1) == (0, 0, 640, 240) and others == []


@pytest.mark.parametrize("place", range(1, 7))
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_values_that_are_not_finite_give_no_people(place, poison):
    row = [0, 1, 0.9, 0.1, 0.1, 0.2, 0.2]
    row[place] = poison
    good = (0, 1, 0.7, 0.5, 0.5, 0.6, 0.6)
    assert [box.score for box in found(tuple(row), good)] == pytest.approx([0.7])


def test_boxes_by_hand_may_have_a_score_and_reach_out_of_the_image():
    assert parse_boxes([(1, 2, 3, 4), np.array([-5, 0, 9, 7, 0.25])]) == [
        Box(1, 2, 3, 4),
        Box(-5, 0, 9, 7, 0.25),
    ]
    assert parse_boxes([Box(0, 0, 1, 1)]) == [Box(0, 0, 1, 1)]


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ((1, 2, 3), "a box is x0, y0, x1, y1"),
        ((1, 2, 3, float("nan")), "a box is x0, y0, x1, y1"),
        ("abcd", "a box is x0, y0, x1, y1"),
        (7, "a box is x0, y0, x1, y1"),
        ((5, 5, 5, 9), "has no size"),
        ((5, 5, 9, 4), "has no size"),
        ((0, 0, 1, 1, 2), "the score of a box is 0 to 1, not 2"),
    ],
)
def test_an_invalid_box_is_refused(box, problem):
    with pytest.raises(InferenceError, match=problem):
        parse_boxes([box])


@pytest.mark.parametrize(
    "boxes", [(0, 0, 100, 100), np.array([0, 0, 9, 9, 0.5]), 7, Box(0, 0, 1, 1)]
)
def test_one_box_in_place_of_a_list_is_refused(boxes):
    with pytest.raises(InferenceError, match="boxes is a list of boxes, not ") as caught:
        parse_boxes(boxes)
    assert caught.value.hint == "one box is a list, too: boxes=[(x0, y0, x1, y1)]"
