"""The weights of ONNX's Resize along one axis."""

import numpy as np

from posezoo.formats.resize_weights import AxisResize, compute_weights, find_nearest


def test_each_pixel_is_a_mean_of_pixels():
    for mode in ("linear", "cubic"):
        weights = compute_weights(AxisResize(10, 4, 0.4), {"mode": mode, "antialias": 1})
        assert weights.shape == (4, 10)
        np.testing.assert_allclose(weights.sum(1), 1)


def test_half_as_many_pixels_with_antialiasing_weigh_four_each():
    weights = compute_weights(AxisResize(8, 4, 0.5), {"mode": "linear", "antialias": 1})
    np.testing.assert_allclose(weights[1], np.array([0, 1, 3, 3, 1, 0, 0, 0]) / 8)


def test_the_same_size_changes_nothing():
    weights = compute_weights(AxisResize(5, 5, 1.0), {"mode": "linear"})
    np.testing.assert_array_equal(weights, np.eye(5))


def test_the_nearest_pixel_depends_on_the_rounding():
    size = AxisResize(2, 4, 2.0)
    asymmetric = {"coordinate_transformation_mode": "asymmetric"}
    assert find_nearest(size, asymmetric | {"nearest_mode": "floor"}).tolist() == [0, 0, 1, 1]
    assert find_nearest(size, asymmetric | {"nearest_mode": "ceil"}).tolist() == [0, 1, 1, 1]
