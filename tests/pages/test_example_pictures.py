"""Example pictures: small enough for a page."""

import cv2
import numpy as np

from posezoo.pages.example_pictures import LONGEST_SIDE, MAX_BYTES, encode_example


def _shape_of(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape


def test_a_photo_with_many_details_becomes_smaller_until_it_fits():
    photo = np.random.default_rng(0).integers(0, 256, (800, 640, 3), np.uint8)
    jpeg = encode_example([photo])
    assert len(jpeg) <= MAX_BYTES
    height, width, _ = _shape_of(jpeg)
    assert height < LONGEST_SIDE
    assert abs(width / height - 0.8) < 0.01


def test_a_photo_with_few_details_has_the_longest_side():
    jpeg = encode_example([np.full((800, 640, 3), 99, np.uint8)])
    assert _shape_of(jpeg) == (LONGEST_SIDE, 512, 3)
