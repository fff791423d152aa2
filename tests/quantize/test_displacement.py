"""How far two readings lie apart: who is whom, and how far each point moved."""

from __future__ import annotations

import numpy as np
import pytest

from posezoo.quantize.detected_points import DetectedPoints
from posezoo.quantize.displacement import measure_keypoint_displacement

PERSON = np.array([[0, 0], [10, 0], [0, 40], [10, 40]], np.float32)


def reading(*people: np.ndarray, missing: tuple[int, ...] = ()) -> DetectedPoints:
    points = np.stack(people) if people else np.empty((0, 4, 2), np.float32)
    found = np.ones(points.shape[:2], bool)
    found[:, list(missing)] = False
    return DetectedPoints(points, found)


def test_points_are_held_against_those_of_the_same_person_whatever_their_order():
    fp32 = reading(PERSON, PERSON + 100)
    shift = measure_keypoint_displacement([(fp32, reading(PERSON + 101, PERSON + np.array([3, 4])))])
    assert (shift.found_fp32, shift.found_int8, shift.found_both) == (2, 2, 2)
    assert shift.shift_p50_px == pytest.approx((5 + 2**0.5) / 2)
    assert shift.agreement == 1


def test_a_person_who_is_somewhere_else_is_another_one():
    shift = measure_keypoint_displacement([(reading(PERSON), reading(PERSON + 30))])
    assert (shift.found_both, shift.agreement) == (0, 0)
    assert shift.shift_p50_px == np.inf


def test_ghosts_and_losses_cost_agreement():
    pairs = [(reading(PERSON), reading(PERSON, PERSON + 100)), (reading(PERSON), reading())]
    shift = measure_keypoint_displacement(pairs)
    assert shift.agreement == pytest.approx(1 / 3)
    assert shift.shift_p50_px == 0


def test_points_that_one_of_them_did_not_find_are_left_out():
    moved = PERSON.copy()
    moved[0] += 20
    shift = measure_keypoint_displacement([(reading(PERSON, missing=(0,)), reading(moved))])
    assert shift.shift_p90_px == 0


def test_a_person_of_whom_too_little_is_left_is_lost():
    assert (
        measure_keypoint_displacement([(reading(PERSON), reading(PERSON, missing=(0, 1, 2)))]).found_both == 0
    )


def test_nobody_here_nobody_there_is_agreement():
    assert measure_keypoint_displacement([(reading(), reading())]).agreement == 1
