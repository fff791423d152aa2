"""People of two detections are matched, and the distance of each point is measured."""

import numpy as np
import pytest

from posezoo.quantize.displacement import DetectedPoints, measure_keypoint_displacement

PERSON = np.array([[0, 0], [10, 0], [0, 40], [10, 40]], np.float32)


def detected(*people, missing=()):
    points = np.stack(people) if people else np.empty((0, 4, 2), np.float32)
    is_found = np.ones(points.shape[:2], bool)
    is_found[:, list(missing)] = False
    return DetectedPoints(points, is_found)


def test_points_are_compared_with_those_of_the_same_person_whatever_the_order():
    fp32 = detected(PERSON, PERSON + 100)
    displacement = measure_keypoint_displacement(
        [(fp32, detected(PERSON + 101, PERSON + np.array([3, 4])))]
    )
    assert (displacement.found_fp32, displacement.found_int8, displacement.found_both) == (2, 2, 2)
    assert displacement.shift_p50_px == pytest.approx((5 + 2**0.5) / 2)
    assert displacement.agreement == 1


def test_a_person_is_compared_with_the_nearest_one():
    displacement = measure_keypoint_displacement(
        [(detected(PERSON, PERSON + np.array([6, 0])), detected(PERSON + np.array([5, 0])))]
    )
    assert (displacement.found_both, displacement.shift_p50_px) == (1, 1)


def test_additional_and_lost_people_lower_the_agreement():
    pairs = [(detected(PERSON), detected(PERSON, PERSON + 100)), (detected(PERSON), detected())]
    displacement = measure_keypoint_displacement(pairs)
    assert displacement.agreement == pytest.approx(1 / 3)
    assert displacement.shift_p50_px == 0


def test_a_person_with_too_few_points_is_lost():
    assert (
        measure_keypoint_displacement(
            [(detected(PERSON), detected(PERSON, missing=(0, 1, 2)))]
        ).found_both
        == 0
    )


def test_two_empty_detections_agree():
    assert measure_keypoint_displacement([(detected(), detected())]).agreement == 1
