"""mp.Image, whose answers are those of MediaPipe 0.10.21."""

import cv2
import numpy as np
import pytest

from posezoo.solutions.image import Image, ImageFormat

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_an_image_has_the_pixels_of_its_array():
    image = Image(image_format=ImageFormat.SRGB, data=PIXELS)
    assert (image.width, image.height, image.channels) == (6, 4, 3)
    assert image.image_format == ImageFormat.SRGB
    assert image[1, 2, 0] == PIXELS[1, 2, 0]
    np.testing.assert_array_equal(image.numpy_view(), PIXELS)


def test_the_pixels_do_not_change():
    pixels = PIXELS.copy()
    image = Image(ImageFormat.SRGB, pixels)
    pixels[:] = 0
    np.testing.assert_array_equal(image.numpy_view(), PIXELS)
    with pytest.raises(ValueError, match="read-only"):
        image.numpy_view()[0] = 0


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("GRAY8", "uint8", (4, 6)),
        ("SRGBA", "uint8", (4, 6, 4)),
        ("SRGB48", "uint16", (4, 6, 3)),
        ("VEC32F1", "float32", (4, 6)),
    ],
)
def test_each_format_has_its_type_and_channels(name, dtype, shape):
    image = Image(getattr(ImageFormat, name), np.ones(shape, dtype))
    assert image.numpy_view().shape == shape
    assert image.channels == (*shape, 1)[2]


@pytest.mark.parametrize(
    "pixels", [PIXELS.astype("float32"), PIXELS[..., 0], PIXELS[..., :2], PIXELS[0, 0]]
)
def test_pixels_of_another_format_are_refused(pixels):
    with pytest.raises(RuntimeError, match=r"ImageFormat\.SRGB needs uint8 with 3 channels, not "):
        Image(ImageFormat.SRGB, pixels)


@pytest.mark.parametrize(
    ("pixels", "name", "expected"),
    [
        (PIXELS, "SRGB", PIXELS[..., ::-1]),
        (PIXELS[..., 0], "GRAY8", PIXELS[..., 0]),
        (
            np.dstack([PIXELS, PIXELS[..., 0]]),
            "SRGBA",
            np.dstack([PIXELS[..., ::-1], PIXELS[..., 0]]),
        ),
    ],
)
def test_a_file_is_read_as_rgb(tmp_path, pixels, name, expected):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels)
    image = Image.create_from_file(path)
    assert image.image_format == getattr(ImageFormat, name)
    np.testing.assert_array_equal(image.numpy_view(), expected)


@pytest.mark.parametrize("channels", [0, [0, 1, 2], [0, 1, 2, 0]])
def test_of_16_bits_of_a_file_the_higher_8_remain(tmp_path, channels):
    pixels = PIXELS[..., channels]
    for name, written in (("8.png", pixels), ("16.png", pixels.astype(np.uint16) * 256 + 255)):
        cv2.imwrite(str(tmp_path / name), written)
    image, expected = (Image.create_from_file(tmp_path / name) for name in ("16.png", "8.png"))
    assert image.image_format == expected.image_format
    np.testing.assert_array_equal(image.numpy_view(), expected.numpy_view())


def test_a_file_is_read_by_python_which_knows_each_name_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "imread", lambda *_: None)  # as for this name on Windows
    _, content = cv2.imencode(".png", PIXELS)
    path = tmp_path / "Füße.png"
    path.write_bytes(content)
    np.testing.assert_array_equal(Image.create_from_file(str(path)).numpy_view(), PIXELS[..., ::-1])


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_a_file_that_is_no_image_is_a_runtime_error(tmp_path, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"a\.png: is no image that can be read"):
        Image.create_from_file(path)


def test_a_format_is_a_number_with_a_name():
    srgb = ImageFormat.SRGB
    assert (srgb.name, srgb.value, repr(srgb), str(srgb)) == (
        "SRGB",
        1,
        "<ImageFormat.SRGB: 1>",
        "ImageFormat.SRGB",
    )
    assert isinstance(ImageFormat.SBGRA, ImageFormat)
    assert ImageFormat.SBGRA.value == 11
