"""Which photos are used for calibration, and which are kept apart."""

import shutil

from fakes import seeker
from posezoo.core.declarations.model import ColorOrder, Input
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.quantization_plan import split_photos


def names(paths):
    return [path.name for path in paths]


def test_one_photo_in_three_is_kept_apart(tmp_path):
    photos = split_photos(seeker.write_photos(tmp_path, 7), 300)
    assert names(photos.calibration) == ["00.png", "01.png", "03.png", "04.png", "06.png"]
    assert names(photos.measured) == ["02.png", "05.png"]


def test_a_copy_of_a_calibration_photo_is_not_kept_apart(tmp_path):
    seeker.write_photos(tmp_path, 6)
    shutil.copy(tmp_path / "00.png", tmp_path / "02.png")
    photos = split_photos(tmp_path, 300)
    assert names(photos.measured) == ["05.png"]


def test_the_digest_depends_on_the_content_and_the_use_of_photos(tmp_path):
    digest = split_photos(seeker.write_photos(tmp_path, 6), 300).digest
    assert split_photos(tmp_path, 300).digest == digest
    (tmp_path / "00.png").rename(tmp_path / "99.png")
    assert split_photos(tmp_path, 300).digest != digest


def test_a_sample_is_converted_to_the_layout_and_colour_order_of_the_ir():
    import numpy as np

    image = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    rgb = Input("x", (1, 3, 2, 4), "NCHW", ColorOrder.RGB)
    (array,) = CalibrationSample(image, rgb).inputs().values()
    assert array.dtype == np.float32
    assert array.shape == (1, 3, 2, 4)
    assert (array[0, 0] == image[0, :, :, 2]).all()
    bgr = Input("x", (1, 2, 4, 3), "NHWC", ColorOrder.RGB, reverse_input_channels=True)
    assert (CalibrationSample(image, bgr).inputs()["x"] == image).all()
