"""The deviation of INT8's outputs from FP16's, and how photos come to a network."""

import math

import numpy as np
import pytest

from posezoo.core.events import Int8Comparison
from posezoo.proof.int8_check import PhotoInput, measure_deviation

WAVE = np.sin(np.arange(100, dtype=np.float32))


def test_equal_outputs_deviate_by_0_and_a_constant_by_1():
    exact = 7 + WAVE
    assert measure_deviation([(exact, exact)]) == 0
    constant = np.full_like(exact, exact.mean())
    assert measure_deviation([(exact, constant)]) == pytest.approx(1, rel=1e-5)
    assert measure_deviation([(exact, exact), (WAVE, WAVE)]) == 0


@pytest.mark.parametrize(
    ("deviation", "problem"),
    [
        ({"heatmaps": 0.8}, ""),
        ({}, ""),
        ({"pafs": 0.1, "heatmaps": 0.81}, "heatmaps differs by 81.0% of its standard deviation"),
        ({"heatmaps": math.inf}, "heatmaps differs by more than 1000% of its standard deviation"),
        ({"pafs": math.nan, "heatmaps": 0.1}, "computes inf or nan in pafs on 2 photos"),
    ],
)
def test_the_worst_output_is_named(deviation, problem):
    assert problem in Int8Comparison(0.8, 2, deviation).explain_difference()
    assert bool(problem) == bool(Int8Comparison(0.8, 2, deviation).explain_difference())


def test_a_photo_is_stretched_into_the_networks_layout_and_colours():
    photo = np.zeros((8, 6, 3), np.uint8)
    photo[4:, :, 0] = 255  # the lower half is blue
    sizes = {"N": 2, "C": 3, "H": 4, "W": -1}
    taken = PhotoInput("image", "NCHW", sizes, np.dtype(np.float32), is_rgb=True, largest=1)
    image = taken.fit(photo)["image"]
    assert image.shape == (2, 3, 4, 6), "the width is the photo's"
    assert image.flags.c_contiguous
    assert (image[:, 2, 2:] == 1).all(), "blue is the last channel"
    assert not image[:, :2].any()
    assert not image[:, :, :2].any()
