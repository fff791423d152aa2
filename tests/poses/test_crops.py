"""People are cropped as in the training of each network."""

import numpy as np
import pytest

from fakes.views import to_input
from posezoo.poses import top_down as crops
from posezoo.poses.heatmap import CONVENTIONS
from posezoo.poses.ssd_detection import Box

pytest.importorskip("cv2")

IMAGE, INPUT = (640, 480), (192, 256)
EVERY = [crops.crop_fit, crops.crop_affine, crops.crop_align, crops.crop_stretch, crops.crop_blank]


def corners(crop):
    """left, top, right, bottom of the crop, in image pixels."""
    return crop.view.to_image(np.array([[0, 0], crop.view.size])).ravel().tolist()


def test_a_narrow_box_becomes_wider_and_a_wide_one_higher():
    narrow = crops.crop_fit(Box(300, 100, 320, 300), IMAGE, INPUT)
    assert corners(narrow) == pytest.approx([310 - 93.75, 75, 310 + 93.75, 325], abs=1e-3)
    wide = crops.crop_fit(Box(200, 200, 440, 220), IMAGE, INPUT)
    assert corners(wide) == pytest.approx([170, 10, 470, 410], abs=1e-3)
    square = crops.crop_fit(Box(300, 100, 320, 300), IMAGE, (192, 192))  # MoveNet's
    assert corners(square) == pytest.approx([185, 75, 435, 325], abs=1e-3)
    assert narrow.area == pytest.approx(187.5 * 250) and square.area == pytest.approx(250 * 250)


def test_udp_reaches_from_the_middle_of_the_first_pixel_to_that_of_the_last():
    crop = crops.crop_align(Box(300, 100, 320, 300), IMAGE, INPUT)
    ends = to_input(crop.view, np.array([[310 - 93.75, 75], [310 + 93.75, 325]]) + 0.5)
    assert np.allclose(ends, [[0.5, 0.5], [191.5, 255.5]], atol=1e-3)


def test_gluoncv_stretches_the_larger_box_as_far_as_the_image_goes():
    crop = crops.crop_stretch(Box(20.4, 100, 120.4, 300), IMAGE, INPUT)  # 8 to 132.9, 75 to 325
    assert corners(crop) == pytest.approx([7, 75, 132, 325], abs=1e-3)
    at_the_border = crops.crop_stretch(Box(0, 400, 100, 480), IMAGE, INPUT)
    assert corners(at_the_border) == pytest.approx([0, 390, 112, 480], abs=1e-3)
    at_the_right = crops.crop_stretch(Box(540, 100, 640, 300), IMAGE, INPUT)
    assert corners(at_the_right) == pytest.approx([527, 75, 640, 325], abs=1e-3)


def test_alphapose_shows_the_box_and_nothing_beside_it():
    image = np.full((480, 640, 3), 200, np.uint8)
    image[100:300, 300:350] = 90
    crop = crops.crop_blank(Box(300, 100, 350, 300), IMAGE, INPUT)  # 30 %: 292 to 357, 70 to 330
    assert crop.shown == (292, 70, 357, 330)
    assert corners(crop) == pytest.approx([324.5 - 97.5, 70, 324.5 + 97.5, 330], abs=1e-3)
    taken = crop.extract(image, (1, 2, 3))
    across = taken[128].tolist()
    assert across[0] == across[60] == across[130] == across[191] == [1, 2, 3]
    assert across[68] == [200, 200, 200] and across[96] == [90, 90, 90]
    # 20 %.
    assert crops.crop_blank(Box(300, 100, 410, 300), IMAGE, INPUT).shown == (
        289,
        80,
        421,
        320,
    )


@pytest.mark.parametrize(("padding", "side"), [(0, 200), (1.25, 250)])
def test_mediapipes_square_has_the_longer_side_and_by_default_nothing_beside_it(padding, side):
    crop = crops.crop_square(Box(300, 100, 350, 300), IMAGE, (224, 224), padding)
    x, y, half = 325, 200, side / 2
    assert corners(crop) == pytest.approx([x - half, y - half, x + half, y + half], abs=1e-3)


@pytest.mark.parametrize("cut", EVERY)
@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 640, 480),
        Box(-900, -900, -800, -700),
        Box(900, 700, 1000, 800),
        Box(639.9, 479.9, 640, 480),
        Box(10, 10, 10.01, 10.01),
        Box(-1e6, 3, 1e6, 4),
    ],
)
def test_every_box_has_a_crop(cut, box):
    crop = cut(box, IMAGE, INPUT, 0)
    left, top, right, bottom = crop.shown
    assert 0 <= left < right <= 640 and 0 <= top < bottom <= 480
    assert crop.extract(np.full((480, 640, 3), 90, np.uint8)).shape == (256, 192, 3)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_spot_of_the_image_appears_where_the_view_maps_it(convention, seed):
    rng = np.random.default_rng(seed)
    box = Box(*rng.uniform((100, 100, 300, 250), (200, 150, 500, 400)))
    spot = rng.uniform((box.x0, box.y0), (box.x1, box.y1))
    y, x = np.mgrid[:480, :640] + 0.5
    image = np.zeros((480, 640, 3), np.uint8)
    image[:] = 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 4.0**2))[..., None]
    crop = CONVENTIONS[convention].crop(box, IMAGE, INPUT, 1.6)
    taken = crop.extract(image)[..., 0].astype(float)
    y, x = np.mgrid[:256, :192] + 0.5
    found = np.array([(taken * x).sum(), (taken * y).sum()]) / taken.sum()
    assert np.abs(found - to_input(crop.view, spot)).max() < 0.1
