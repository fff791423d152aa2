"""Images are fitted to a network's input, and points are mapped back."""

import hashlib
import itertools

import numpy as np
import pytest

from fakes.views import to_input
from fakes.warps import random_warps
from posezoo.poses import letterbox
from posezoo.poses.letterbox import (
    InputSizing,
    letterbox_image,
    letterbox_transform,
    rotated_square_transform,
)
from posezoo.poses.yolox_boxes import TOP_LEFT_ON_GREY

cv2 = pytest.importorskip("cv2")


def random_view(rng):
    centre = tuple(rng.uniform(-500, 1500, 2))
    return rotated_square_transform(centre, rng.uniform(5, 3000), rng.uniform(-7, 7), (256, 256))


@pytest.mark.parametrize("seed", range(20))
def test_points_are_mapped_back_to_their_positions(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2000, 4000, (50, 2))
    for view in (
        random_view(rng),
        letterbox_transform(tuple(rng.integers(1, 9000, 2)), (224, 192)),
    ):
        there = to_input(view, points)
        assert there.dtype == np.float32
        assert np.allclose(view.to_image(there), points, atol=0.05)


INPUT_SIZES = [(320, 360), (640, 180), (210, 360), (210, 180), (210, 120)]
IMAGE_SIZES = [(1280, 720), (1281, 721), (1280, 721), (1296, 720), (1280, 960)]


@pytest.mark.parametrize(
    ("size", "input_size"), [*itertools.product(IMAGE_SIZES, INPUT_SIZES), ((50, 40), (8, 20))]
)
def test_few_pixels_are_averaged_as_by_area(size, input_size):
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    _, taken = letterbox_image(image, input_size, stretches=True)
    across, down = (
        int(side / (2 * other)) or 1 for side, other in zip(size, input_size, strict=True)
    )
    halved = cv2.resize(image, (size[0] // across, size[1] // down), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(halved, input_size, interpolation=cv2.INTER_LINEAR)
    assert cv2.absdiff(taken, expected).max() <= 2  # rounded twice


@pytest.mark.parametrize("size", [(5003, 3001), (3840, 2160)])
def test_a_large_image_stays_in_its_place(size):
    """The middles of bright squares: sampling moves each by some tenths of a pixel, but not their mean."""
    rng = np.random.default_rng(5)
    view = letterbox_transform(size, (224, 224))
    y, x = np.mgrid[:224, :224] + 0.5
    errors = []
    for left, top in rng.integers(100, 1000, (12, 2)):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[top : top + 500, left : left + 1000] = 255
        taken = view.warp(image)[..., 0].astype(float) / 255
        centre = np.array([(taken * x).sum(), (taken * y).sum()]) / taken.sum()
        errors.append(centre - to_input(view, np.array([left + 500, top + 250])))
    assert np.abs(errors).max() < 0.3
    assert np.abs(np.mean(errors, axis=0)).max() < 0.06


@pytest.mark.parametrize(
    "size", [(1280, 720), (455, 256), (640, 480), (100, 1000), (1, 1), (5000, 3), (3, 5000)]
)
@pytest.mark.parametrize("sizing", [InputSizing(), TOP_LEFT_ON_GREY], ids=["middle", "corner"])
def test_a_letterboxed_image_lies_where_its_transform_maps_it(size, sizing):
    """A white square's corner, found again by its brightness in the input.

    Sides are cut to whole pixels in the corner, and rounded in the middle.
    """
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    view, seen = letterbox_image(image, (456, 256), padding=7, sizing=sizing)
    assert sizing.centered or (seen[0, 0] == 200).all()
    assert seen.shape == (256, 456, 3) and set(np.unique(seen)) <= {7, 200}
    rows, columns = np.nonzero(seen[..., 0] == 200)
    corners = to_input(view, np.array([[0, 0], size], float))
    assert corners[0] == pytest.approx((columns.min(), rows.min()), abs=1e-3)
    cut = 1e-3 if sizing.centered else 1
    assert corners[1] == pytest.approx((columns.max() + 1, rows.max() + 1), abs=cut)
    assert view.to_image(corners) == pytest.approx(np.array([[0, 0], size]), abs=1e-2)


def test_a_mask_of_the_input_is_read_where_each_pixel_of_the_image_lies():
    view = rotated_square_transform((30.0, 20.0), 40.0, 0.3, (64, 64))
    columns = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    sampled = view.sample_back(columns, (70, 50))
    assert sampled.shape == (50, 70)
    places = to_input(view, np.stack(np.meshgrid(np.arange(70), np.arange(50)), -1).reshape(-1, 2))
    inside = ((places >= 0) & (places <= 63)).all(1)
    beyond = ((places < -1) | (places > 64)).any(1)
    assert np.allclose(sampled.reshape(-1)[inside], places[inside, 0], atol=0.05)
    assert beyond.any() and not sampled.reshape(-1)[beyond].any()


def test_mediapipes_pixels_outside_are_black_or_those_of_the_edges():
    image = np.full((100, 100, 3), 200, np.uint8)
    view = rotated_square_transform((0, 50), 50, 0, (50, 50))
    assert view.sample(image)[:, :24].max() == 0
    assert view.sample(image, repeats_edges=True).min() == 200


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (0, "3c2a3d24fabb882e"),
        (1, "674c24afff869abf"),
        (2, "e7d6bf4968626b75"),
        (3, "ed3a8f87c3a6a561"),
    ],
)
def test_a_warp_has_the_same_bits_with_each_version_of_opencv(seed, digest):
    """The digests are of ``cv2.warpPerspective`` of OpenCV 4.14.0."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (300, 400, 3), np.uint8)
    view = rotated_square_transform((120, 200), rng.uniform(50, 400), rng.uniform(-4, 4), (64, 64))
    seen = view.sample(image, repeats_edges=bool(seed % 2))
    assert hashlib.sha256(seen.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("by_opencv", "as_opencv_4", "rows"),
    [
        (letterbox._warp_by_opencv, letterbox._warp_as_opencv_4, 2),
        (cv2.warpPerspective, letterbox._warp_perspective_as_opencv_4, 3),
    ],
)
def test_both_ways_to_warp_have_the_same_bits_where_opencv_is_trusted(by_opencv, as_opencv_4, rows):
    """OpenCV 5 is not trusted, and would differ."""
    if letterbox._choose_warp(by_opencv, as_opencv_4, rows) is as_opencv_4:
        assert not cv2.__version__.startswith("4.")
        return
    for image, matrix, size, border in random_warps(200):
        square = np.vstack([matrix, [0, 0, 1]])[:rows]
        warped = [warp(image, square, size, **border) for warp in (by_opencv, as_opencv_4)]
        assert np.array_equal(*warped), (matrix, size, border)
