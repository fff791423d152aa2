"""What is new in a video starts the detector; noise, light and a hand that shakes do not."""

import numpy as np
import pytest

from posezoo.poses.ssd_detection import Box
from posezoo.run.runtime.frame_changes import ViewChanges

cv2 = pytest.importorskip("cv2")

WIDTH, HEIGHT = 640, 480


def scene():
    """A picture with large and small parts, as photos have them."""
    random = np.random.default_rng(0)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for size in (160, 40, 8):
        blocks = random.uniform(0, 160 * size / 208, (HEIGHT // size, WIDTH // size, 3))
        picture += cv2.resize(blocks.astype(np.float32), (WIDTH, HEIGHT))
    return picture.astype(np.uint8)


def with_person(picture, x, y=200):
    """The picture, and before it a person of 40 x 100 pixels whose upper left corner is at x, y."""
    changed = picture.copy()
    changed[y : y + 40, x : x + 40] = 10
    changed[y + 40 : y + 100, x : x + 40] = 230
    return changed


@pytest.fixture
def changes():
    """Of a video whose first frame is ``scene``."""
    changes = ViewChanges()
    changes.add(scene(), [])
    changes.begin()
    return changes


def test_a_person_who_comes_is_new_until_the_detector_has_run(changes):
    frame = with_person(scene(), 300)
    assert changes.add(frame, [])
    assert changes.add(frame, [])
    changes.begin()
    assert not changes.add(frame, [])


def test_a_person_who_leaves_is_a_change(changes):
    assert changes.add(with_person(scene(), 300), [])
    changes.begin()
    assert changes.add(scene(), [])


def test_a_change_in_the_box_of_a_person_is_expected_until_the_detector_has_run(changes):
    box = Box(280, 180, 360, 320)
    assert not changes.add(with_person(scene(), 300), [box])
    assert not changes.add(with_person(scene(), 310), [])
    assert changes.add(with_person(scene(), 380), [])
    changes.begin()
    assert changes.add(with_person(scene(), 310), [])


def test_a_box_may_be_partly_or_wholly_outside_the_frame(changes):
    outside = [Box(-90, -50, 45, 600), Box(700, 10, 800, 90), Box(-9, -9, -2, -2)]
    assert not changes.add(with_person(scene(), 0), outside)
    assert changes.add(with_person(scene(), 300), outside)


@pytest.mark.parametrize("deviation", [4, 10])
def test_the_noise_of_a_camera_is_no_change(deviation):
    random = np.random.default_rng(1)
    changes = ViewChanges()
    found = []
    for _ in range(10):
        noise = random.normal(0, deviation, (HEIGHT, WIDTH, 3))
        found.append(changes.add((scene() + noise).clip(0, 255).astype(np.uint8), []))
        changes.begin()
    assert found == [True] + 9 * [False]


@pytest.mark.parametrize("gain", [0.7, 0.9, 1.3])
def test_a_light_that_changes_all_of_the_picture_is_no_change(changes, gain):
    frame = (scene() * gain).clip(0, 255)
    assert not changes.add(frame.astype(np.uint8), [])
    assert changes.add(with_person(frame, 300).astype(np.uint8), [])


@pytest.mark.parametrize(("shift", "is_new"), [(1, False), (2, False), (60, True)])
def test_a_hand_that_shakes_is_no_change_but_a_pan_is(changes, shift, is_new):
    assert changes.add(np.roll(scene(), shift, axis=1), []) == is_new


def test_small_and_large_frames_are_compared_alike():
    for size in ((64, 48), (160, 120), (1920, 1080)):
        first = cv2.resize(scene(), size)
        changes = ViewChanges()
        changes.add(first, [])
        changes.begin()
        assert not changes.add(first, [])
        assert changes.add(cv2.resize(with_person(scene(), 300), size), [])
