import numpy as np
import pytest

from posezoo.proof.check_images import IMAGE_KINDS, draw_test_image

SHAPE = (1, 96, 160, 3)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_an_image_depends_on_its_seed_only(kind):
    assert np.array_equal(
        draw_test_image(kind, SHAPE, "NHWC", 1), draw_test_image(kind, SHAPE, "NHWC", 1)
    )
    assert not np.array_equal(
        draw_test_image(kind, SHAPE, "NHWC", 1), draw_test_image(kind, SHAPE, "NHWC", 2)
    )


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_an_image_spans_0_to_255_and_is_not_symmetric(kind):
    image = draw_test_image(kind, SHAPE, "NHWC", 1)
    assert image.dtype == np.float32
    assert image.shape == SHAPE
    assert 0 <= image.min() < 30
    assert 190 < image.max() <= 255
    square = image[0, :, :96]
    for other in (square[::-1], square[:, ::-1], square[..., ::-1], square.transpose(1, 0, 2)):
        assert np.abs(square - other).mean() > 10


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_the_layout_only_moves_the_axes(kind):
    nhwc = draw_test_image(kind, (2, 96, 160, 3), "NHWC", 1)
    nchw = draw_test_image(kind, (2, 3, 96, 160), "NCHW", 1)
    assert np.array_equal(nchw, nhwc.transpose(0, 3, 1, 2))
    assert not np.array_equal(nhwc[0], nhwc[1])
    assert draw_test_image(kind, (96, 160, 3), "HWC", 1).shape == (96, 160, 3)


def test_an_input_that_is_not_an_image_is_plain_noise():
    values = draw_test_image("photo", (4, 50), "NC", 1)
    assert values.shape == (4, 50)
    assert values.min() < 20
    assert values.max() > 235


def test_a_drawn_photo_has_the_spectrum_of_a_photo():
    """Power falls with frequency about as f**-2, in squares and grain more slowly."""

    def slope(kind):
        image = draw_test_image(kind, (1, 256, 256, 3), "NHWC", 1)[0].mean(axis=2)
        power = np.abs(np.fft.fft2(image - image.mean())) ** 2
        rows, columns = np.meshgrid(*[np.fft.fftfreq(256) * 256] * 2)
        radius = np.hypot(rows, columns)
        bands = [(2, 4), (4, 8), (8, 16), (16, 32), (32, 64)]
        mean_power = [power[(radius >= low) & (radius < high)].mean() for low, high in bands]
        return np.polyfit([np.log(low * high) / 2 for low, high in bands], np.log(mean_power), 1)[0]

    assert -3.2 < slope("photo") < -1.8
    assert slope("noise") > slope("photo") + 0.3
