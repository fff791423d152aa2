"""MoveNet follows a person through a video: each frame is cropped to the person in the frame before."""

from itertools import islice

import numpy as np
import pytest

from fakes.moving_camera import film
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ImageError
from posezoo.core.pipeline.get import get_irs
from posezoo.run.runtime.loading import load_estimator

pytest.importorskip("cv2")

FRAMES = 30


@pytest.fixture(scope="module")
def parts(zoo):
    spec = zoo.registry.find("movenet-singlepose-lightning-int8")
    return spec, get_irs(spec, Precision.FP32, zoo)


@pytest.fixture(scope="module")
def movenet(parts):
    return load_estimator(*parts)


@pytest.fixture(scope="module")
def clear(photos):
    """Each photo of one person, whose keypoints are nearly all labelled, and that person."""
    alone = [(photo, people[0]) for photo, people in photos if len(people) == 1]
    clear = [(photo, person) for photo, person in alone if person["num_keypoints"] >= 12]
    assert len(clear) >= 4
    return clear


@pytest.fixture(scope="module")
def videos(clear):
    return [list(film(photo, person, FRAMES)) for photo, person in clear]


def keypoints(stream):
    return [pose.keypoints for _, (pose,) in stream]


def test_the_first_frame_is_processed_whole_and_each_video_is_followed_separately(movenet, videos):
    images = [image for image, _ in videos[0]]
    first, second = (keypoints(movenet.stream(images, is_video=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    (alone,) = movenet(images[0])
    np.testing.assert_array_equal(first[0], alone.keypoints)


def beginning(clear, place, count):
    """The first frames of the video of a photo."""
    photo, person = clear[place]
    return [image for image, _ in islice(film(photo, person, FRAMES), count)]


def test_at_a_cut_the_crop_and_the_numbers_begin_anew(movenet, clear):
    scenes = [beginning(clear, place, 4) for place in (0, 3)]
    options = {"is_video": True, "track": True}
    apart = [keypoints(movenet.stream(images, **options)) for images in scenes]
    together = list(movenet.stream([*scenes[0], *scenes[1]], **options))
    np.testing.assert_array_equal(keypoints(together), [*apart[0], *apart[1]])
    numbers = [pose.track_id for _, (pose,) in together]
    assert set(numbers[:4]) <= {1, None}
    assert numbers[4:] == [2] * 4


def test_a_frame_that_is_none_does_not_lose_the_person(movenet, videos):
    images = [image for image, _ in videos[0]]
    expected = keypoints(movenet.stream(images, is_video=True))
    with movenet.stream(
        [*images[:5], np.zeros((0, 0, 3), np.uint8), *images[5:]], is_video=True
    ) as stream:
        found = [next(stream) for _ in range(5)]
        with pytest.raises(ImageError):
            next(stream)
        np.testing.assert_array_equal(keypoints([*found, *stream]), expected)


def test_nobody_in_sight_leaves_the_whole_frame_for_the_next(movenet, clear):
    images = beginning(clear, 0, 4)
    # In black, white and darker grey the network sees more on processors with, or without, VNNI.
    blank = np.full_like(images[0], 192)
    assert movenet(blank)[0].keypoints[:, 2].max() < 0.2
    *_, found = keypoints(movenet.stream([*images[:3], blank, images[3]], is_video=True))
    np.testing.assert_array_equal(found, movenet(images[3])[0].keypoints)
