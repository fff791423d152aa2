"""The data sets of benchmarks/measure_situations.py: turned people, and pictures without any."""

import importlib.util
import sys

import numpy as np
import pytest

from fakes.checkout import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def situations():
    pytest.importorskip("cv2", reason="needs OpenCV")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        script = BENCHMARKS / "measure_situations.py"
        spec = importlib.util.spec_from_file_location("measure_situations", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(BENCHMARKS))


def person(x, y):
    """Someone of 100 x 200 pixels in a photo, all of whose keypoints are at one place."""
    return {"bbox": [150, 100, 100, 200], "keypoints": [x, y, 2] * 17, "area": 9000.0}


@pytest.mark.parametrize("degrees", [0, 45, 90, 180])
def test_the_keypoints_turn_with_the_picture(situations, degrees):
    photo = np.zeros((400, 400, 3), np.uint8)
    photo[140:143, 170:173] = 255  # its center is at 171.5, 141.5
    picture, turned = situations.turn(photo, person(171.5, 141.5), degrees)
    rows, columns = np.nonzero(picture[..., 0] > 128)
    seen = np.array([columns.mean(), rows.mean()]) + 0.5
    assert np.reshape(turned["keypoints"], (17, 3))[0, :2] == pytest.approx(seen, abs=0.5)
    assert picture.shape[0] == picture.shape[1] >= 384


def test_a_person_upside_down_has_the_head_below(situations):
    photo = np.zeros((400, 400, 3), np.uint8)
    ys = [
        situations.turn(photo, person(200, 110), degrees)[1]["keypoints"][1] for degrees in (0, 180)
    ]
    assert ys[0] < 192 < ys[1]


def test_pictures_without_people_touch_nobody_and_do_not_overlap(situations):
    photo = np.arange(400 * 400, dtype=np.uint32).reshape(400, 400)  # each pixel has its own value
    windows = [*situations.empty_pictures([(photo, [person(200, 110)])])]
    assert windows
    pixels = np.concatenate([window.ravel() for window in windows])
    assert len(np.unique(pixels)) == len(pixels)
    assert not np.isin(photo[100:300, 150:250], pixels).any()
