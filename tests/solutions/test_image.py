"""mp.Image, whose answers are those of MediaPipe 0.10.21."""

import cv2
import numpy as np
import pytest

from posezoo.solutions.image import Image, ImageFormat

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


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


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_a_file_that_is_no_image_is_a_runtime_error(tmp_path, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"a\.png: is no image that can be read"):
        Image.create_from_file(path)
