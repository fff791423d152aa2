"""Keypoints are grouped to people by part affinity fields."""

import time
import warnings

import numpy as np
import pytest

from fakes import crowds
from fakes.waiting import HANG_S
from posezoo import decode
from posezoo.core.declarations.skeleton import LimbField, Skeleton
from posezoo.poses.peaks import upsample

pytest.importorskip("cv2")

SIZE = crowds.OPENPOSE_SIZE


def somebody():
    return crowds.standing(SIZE, (200, 128, 200))


def decode_maps(heatmaps, pafs, **options):
    return decode("openpose", {"heatmaps": heatmaps, "pafs": pafs}, SIZE, **options)


def found(people, *, upsampled=1, **options):
    return decode_maps(*crowds.openpose_maps(people, 1, upsampled=upsampled), **options)


def error(pose, people):
    """The mean distance in pixels from the nearest person's joints."""
    joints, _ = crowds.openpose_joints(people)
    return float(np.linalg.norm(joints - pose.keypoints[:, :2], axis=2).mean(axis=1).min())


def test_one_person_is_found_at_the_drawn_position():
    people = somebody()
    (pose,) = found(people)
    assert pose.skeleton == "openpose-18" and error(pose, people) < 0.2
    assert 0.5 < pose.score <= 1
    x0, y0, x1, y1 = pose.box
    joints, _ = crowds.openpose_joints(people)
    assert (x0, y0, x1, y1) == pytest.approx(
        [*joints[0].min(axis=0), *joints[0].max(axis=0)], abs=1
    )


def test_the_surest_comes_first():
    people = crowds.standing(SIZE, (100, 128, 180), (300, 128, 180))
    heatmaps, pafs = crowds.openpose_maps(people, 1)
    heatmaps[:, :18, :, :25] *= 0.6
    first, second = decode_maps(heatmaps, pafs)
    assert first.score > second.score and first.keypoints[1, 0] > 200


def test_upsampling_keeps_hills_in_place():
    maps = np.zeros((2, 10, 12), np.float32)
    maps[:, 4, 5] = 1
    fine = upsample(maps, 8)
    assert fine.shape == (2, 80, 96)
    row, column = np.unravel_index(fine[1].argmax(), fine[1].shape)
    assert abs((column + 0.5) / 8 - 5.5) < 0.1 and abs((row + 0.5) / 8 - 4.5) < 0.1


def test_of_too_many_peaks_the_highest_are_taken():
    people = crowds.standing(SIZE, (100, 128, 180), (300, 128, 180))
    heatmaps, pafs = crowds.openpose_maps(people, 1)
    heatmaps[:, :18, :, :25] *= 0.6
    (pose,) = decode_maps(heatmaps, pafs, max_peaks=1)
    assert pose.keypoints[1, 0] > 200


@pytest.mark.parametrize("axis", [1, 3])
def test_one_output_of_57_channels_is_as_good(axis):
    heatmaps, pafs = crowds.openpose_maps(people := somebody(), 1)
    both = np.moveaxis(np.concatenate([heatmaps, pafs], axis=1), 1, axis)
    (pose,) = decode("openpose", {"maps": both}, SIZE)
    assert error(pose, people) < 0.2


@pytest.mark.parametrize("cells", [19, 38])
def test_maps_as_wide_as_the_usual_channels_are_not_transposed(cells):
    fields = tuple(LimbField((start, start + 1), 2 * start) for start in range(4))
    skeleton = Skeleton("own", tuple("abcde"), fields=fields)
    heatmaps = np.zeros((1, 6, 32, cells), np.float32)
    for joint in range(5):
        heatmaps[0, joint, 6 * joint + 3, 9] = 1
    pafs = np.zeros((1, 8, 32, cells), np.float32)
    pafs[0, 1::2, :, 9] = 1  # all limbs point down
    maps = {"heatmaps": heatmaps, "pafs": pafs}
    (pose,) = decode("openpose", maps, (8 * cells, 256), skeleton=skeleton)
    assert pose.keypoints[:, 0] == pytest.approx(9.5 * 8)


@pytest.mark.parametrize("height", [19, 32])
def test_two_outputs_may_have_their_channels_last(height):
    people = somebody()
    heatmaps, pafs = crowds.openpose_maps(people, 1)
    maps = {"heatmaps": heatmaps, "pafs": pafs}
    maps = {role: output.transpose(0, 2, 3, 1)[:, :height] for role, output in maps.items()}
    assert len(decode("openpose", maps, (SIZE[0], 8 * height))) == 1


def crowded(rng, pafs, max_count):
    """So many peaks a channel, or as many as there is room for: 464."""
    heatmaps = np.zeros((1, 19, 32, 57), np.float32)
    rows, columns = (each.ravel() for each in np.mgrid[0:32:2, 0:57:2])
    for channel in range(18):
        chosen = rng.permutation(len(rows))[:max_count]
        heatmaps[0, channel, rows[chosen], columns[chosen]] = rng.uniform(0.3, 1, len(chosen))
    return {"heatmaps": heatmaps, "pafs": pafs}


@pytest.mark.parametrize("max_count", [100, 500])
@pytest.mark.parametrize("field", ["none", "noise", "everywhere", "a way for each limb"])
def test_hundreds_of_peaks_a_channel_come_to_an_end(field, max_count):
    """Only a search without bound takes HANG_S; the bar in milliseconds is the benchmark's."""
    rng = np.random.default_rng(1)
    ways = rng.uniform(0, 2 * np.pi, 19)
    fields = {
        "a way for each limb": np.repeat(np.stack([np.cos(ways), np.sin(ways)], 1).ravel(), 32 * 57)
        .reshape(1, 38, 32, 57)
        .astype(np.float32),
        "none": np.zeros((1, 38, 32, 57), np.float32),
        "noise": rng.normal(0, 1, (1, 38, 32, 57)).astype(np.float32),
        "everywhere": np.ones((1, 38, 32, 57), np.float32),
    }
    maps = crowded(rng, fields[field], max_count)
    start_time = time.monotonic()
    decode("openpose", maps, SIZE, max_peaks=max_count)
    assert time.monotonic() - start_time < HANG_S


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_give_no_people(poison):
    heatmaps, pafs = crowds.openpose_maps(
        crowds.standing(SIZE, (100, 128, 180), (300, 128, 180)), 1
    )
    heatmaps[..., :20], pafs[..., :20] = poison, poison
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        poses = decode_maps(heatmaps, pafs)
        assert any(pose.keypoints[1, 0] > 250 for pose in poses)
        assert all(np.isfinite(pose.keypoints).all() and np.isfinite(pose.score) for pose in poses)
        heatmaps[:], pafs[:] = poison, poison
        assert decode_maps(heatmaps, pafs) == []


def test_a_single_pass_finds_the_same_people():
    """As the decoder in a graph: the same people as the default in 200 groups of all kinds."""
    kinds, people_found = list(crowds.KINDS), 0
    for seed in range(200):
        people = crowds.group(kinds[seed % len(kinds)], seed, SIZE)
        maps = dict(zip(("heatmaps", "pafs"), crowds.openpose_maps(people, seed), strict=True))
        several, single = (
            decode("openpose", maps, SIZE, single_pass=value) for value in (False, True)
        )
        assert len(several) == len(single), seed
        people_found += len(several)
        for one, other in zip(several, single, strict=True):
            assert np.array_equal(one.keypoints, other.keypoints), seed
    assert people_found > 200
