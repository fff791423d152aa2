"""MoveNet's relative coordinates become pixels."""

import numpy as np
import pytest

from posezoo import decode
from posezoo.poses.movenet import next_crop


def test_y_and_x_change_places_and_become_pixels():
    output = np.random.default_rng(0).random((1, 1, 17, 3), np.float32)
    (pose,) = decode("movenet", {"keypoints": output}, (192, 256))
    assert np.allclose(pose.keypoints, output[0, 0][:, [1, 0, 2]] * (192, 256, 1))
    assert pose.skeleton == "coco-17" and pose.score == pytest.approx(output[0, 0, :, 2].mean())


def test_the_people_of_multipose_are_sorted_and_weak_ones_are_left_out():
    """An input of any aspect: x counts in its width, y in its height."""
    people = np.random.default_rng(0).random((1, 6, 56), np.float32)
    people[0, :, 55] = 0.19, 0.5, 0.2, 0.9, 0, np.nan
    poses = decode("movenet_multipose", {"people": people}, (352, 256))
    assert [pose.score for pose in poses] == pytest.approx([0.9, 0.5, 0.2])
    expected = people[0, 3, :51].reshape(17, 3)[:, [1, 0, 2]] * (352, 256, 1)
    assert np.allclose(poses[0].keypoints, expected)
    assert poses[0].skeleton == "coco-17"
    assert len(decode("movenet_multipose", {"people": people}, (352, 256), min_score=0.0)) == 4
    people[0, 3, 7] = np.inf
    assert len(decode("movenet_multipose", {"people": people}, (352, 256))) == 2


def test_real_outputs_lie_on_the_people_in_the_photos(shared):
    """Eighteen crops of people: nine of ten joints within a tenth of the crop."""
    runs = np.load(shared / "facts" / "reference" / "runtimes" / "movenet.litert-2.3.npz")
    near = []
    for output, truth in zip(runs["xnnpack"], runs["keypoints_true"], strict=True):
        (pose,) = decode("movenet", {"keypoints": output[None, None]}, (192, 192))
        apart = np.abs(pose.keypoints[:, :2] / 192 - truth[:, :2]).max(axis=1)
        near += (apart[truth[:, 2] > 0] < 0.1).tolist()
    assert np.mean(near) > 0.9


def random_people(seed, frames, size, spread):
    """(frames, 17, 3) keypoints in an image of this size, and around it; scores of up to 1 and of up to 0.3."""
    random = np.random.RandomState(seed)  # the same numbers in every version of numpy
    centers = random.randint(0, 1025, (frames, 1, 2)) / 1024 * size
    places = centers + random.randint(-spread, spread + 1, (frames, 17, 2)) / 4
    scores = (
        random.randint(1, 1025, (frames, 17, 1))
        / 1024
        * np.resize([1, 0.3, 0.15, 1, 1], (frames, 1, 1))
    )
    return np.concatenate([places, scores], axis=2).astype(np.float32)


# As tfjs-models compute them: determineNextCropRegion of @tensorflow-models/pose-detection 2.1.3, and the filter
# of detector.ts. None: no score is above 0.2.
CROPS = [
    (((640, 480), 160), [
        (318.175, 185.4563, 495.825, 363.1063),
        (31.8175, -53.4544, 625.5825, 540.3106),
        None,
        (252.5375, 51.1, 448.7125, 247.275),
        (378.5263, 186.5106, 520.7237, 328.7081),
        (-10.3199, 12.3848, 145.9199, 168.6246),
        (-1.032, -70.7615, 590.592, 520.8625),
    ]),
    (((480, 640), 600), [
        (-80, 0, 560.0, 640),
        (-80, 0, 560.0, 640),
        None,
        (-170.9937, 119.1625, 338.6812, 628.8375),
        (-89.0994, 11.9163, 537.8681, 638.8837),
        (-80.9099, 1.1916, 557.7868, 639.8884),
        (-80.091, 0.1192, 559.7787, 639.9888),
    ]),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(len(CROPS)))
def test_the_crops_of_a_video_are_those_of_the_published_code(seed):
    (size, spread), expected = CROPS[seed]
    crop = None
    for keypoints, published in zip(
        random_people(seed, len(expected), size, spread), expected, strict=True
    ):
        crop = next_crop(keypoints, size, crop)
        assert (crop is None) == (published is None)
        if published is not None:
            np.testing.assert_allclose(crop, published, atol=1e-3)
