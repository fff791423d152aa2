"""A cut between two scenes is seen; pans, flashes and people who pass by are none."""

from functools import cache
from itertools import permutations

import cv2
import numpy as np
import pytest

from fakes.moving_camera import film
from posezoo.run.runtime.frame_changes import SceneCuts

SIZE = (640, 480)


@pytest.fixture(scope="module")
def scenes(photos):
    return [cv2.resize(photo, SIZE) for photo, _ in photos]


def cuts(*frames):
    seen = SceneCuts()
    return [seen.begins(frame) for frame in frames]


def noisy(image, seed=0):
    return np.clip(image + noise(seed), 0, 255).astype(np.uint8)


@cache
def noise(seed):
    return np.random.default_rng(seed).normal(0, 8, (*SIZE[::-1], 3))


def test_nineteen_of_twenty_cuts_from_a_photo_to_another_are_seen(scenes):
    found = [cuts(one, other) for one, other in permutations(scenes, 2)]
    assert not any(first for first, _ in found)
    assert np.mean([second for _, second in found]) > 0.95


def test_a_camera_that_zooms_and_pans_makes_no_cut(photos):
    for photo, people in photos[::3]:
        assert not any(cuts(*(image for image, _ in film(photo, people[0], 30))))


def test_a_pan_by_a_quarter_of_the_picture_in_each_frame_is_no_cut(scenes):
    for scene in scenes[::3]:
        wide = cv2.resize(scene, (1600, 1200))[300:780]
        views = [cv2.blur(wide[:, x : x + 640], (80, 1)) for x in range(0, 960, 160)]
        assert not any(cuts(*map(noisy, views, range(len(views)))))


def test_a_flash_is_no_cut(scenes):
    across = np.linspace(-2, 2, SIZE[0])[:, None]
    for scene in scenes[::3]:
        lit = np.clip(scene * 1.8 + 50, 0, 255).astype(np.uint8)
        lit_at_one_side = np.clip(scene + 200 * np.exp(-((across + 1) ** 2)), 0, 255)
        white = np.full_like(scene, 255)
        frames = (scene, lit, scene, lit_at_one_side.astype(np.uint8), scene, white, scene)
        assert not any(cuts(*map(noisy, frames, range(7))))


def test_a_frame_of_another_size_is_another_scene(scenes):
    assert cuts(scenes[0], scenes[0][:400], scenes[0][:400]) == [False, True, False]
