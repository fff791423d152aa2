"""How much of a video's frames the camera has newly brought into view."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posezoo.run.runtime.camera_motion import CameraMotion

SIZE = (640, 480)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A wide and high picture with structures of all sizes."""
    rng = np.random.default_rng(3)
    picture = sum(
        cv2.resize(rng.uniform(0, 85, (960 // cell, 1280 // cell, 3)), (1280, 960))
        for cell in (8, 32, 120)
    )
    return picture.astype(np.uint8)


def seen(scene: np.ndarray, x: int, y: int = 0) -> np.ndarray:
    """What the camera sees if it points there."""
    width, height = SIZE
    return scene[y : y + height, x : x + width]


def test_a_pan_adds_up_in_shares_of_the_width(scene):
    motion = CameraMotion()
    shares = [motion.add(seen(scene, x)) for x in (0, 64, 128)]
    assert shares == pytest.approx([0, 0.1, 0.2], abs=0.01)


def test_the_larger_of_both_directions_counts(scene):
    motion = CameraMotion()
    motion.add(seen(scene, 0))
    assert motion.add(seen(scene, 32, 96)) == pytest.approx(0.2, abs=0.01)


def test_after_a_new_beginning_nothing_of_the_last_frame_is_new(scene):
    motion = CameraMotion()
    for x in (0, 64):
        motion.add(seen(scene, x))
    motion.begin()
    assert motion.add(seen(scene, 64)) == pytest.approx(0, abs=0.01)
    assert motion.add(seen(scene, 128)) == pytest.approx(0.1, abs=0.01)


def test_a_frame_of_another_scene_or_size_is_no_motion(scene):
    motion = CameraMotion()
    motion.add(seen(scene, 0))
    assert motion.add(np.rot90(seen(scene, 640, 480), 2)) == 0
    assert motion.add(seen(scene, 0)[:240]) == 0
