"""docs/draw_examples.py: pictures small enough for the page of a registry."""

import importlib.util

import cv2
import numpy as np
import pytest

from fakes.checkout import ROOT


@pytest.fixture(scope="module")
def draw_examples():
    path = ROOT / "docs" / "draw_examples.py"
    spec = importlib.util.spec_from_file_location("draw_examples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shape_of(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape


def test_a_photo_with_many_details_becomes_smaller_until_it_fits(draw_examples):
    photo = np.random.default_rng(0).integers(0, 256, (800, 640, 3), np.uint8)
    jpeg = draw_examples.encode_example([photo])
    assert len(jpeg) <= draw_examples.MAX_BYTES
    height, width, _ = shape_of(jpeg)
    assert height < draw_examples.LONGEST_SIDE
    assert abs(width / height - 0.8) < 0.01


def test_a_photo_with_few_details_has_the_longest_side(draw_examples):
    jpeg = draw_examples.encode_example([np.full((800, 640, 3), 99, np.uint8)])
    assert shape_of(jpeg) == (draw_examples.LONGEST_SIDE, 512, 3)
