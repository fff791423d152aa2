"""The heatmaps of one person are decoded by each published convention."""

import warnings

import numpy as np
import pytest

from posezoo import decode
from posezoo.poses.heatmap import CONVENTIONS
from posezoo.poses.keypoints import SKELETONS

pytest.importorskip("cv2")

SIZE = (192, 256)


def hills(places, sigma=2.0):
    """(1, 17, 64, 48): a Gaussian at each place (x, y), in cells."""
    rows, columns = np.mgrid[:64, :48]
    squared = (columns - places[:, :1, None]) ** 2 + (rows - places[:, 1:, None]) ** 2
    return np.exp(-squared / (2 * sigma**2)).astype(np.float32)[None]


def somewhere(seed=0):
    return np.random.default_rng(seed).uniform((6, 6), (41, 57), (17, 2))


def found(heatmaps, convention, **options):
    (pose,) = decode("heatmap", {"heatmaps": heatmaps}, SIZE, convention=convention, **options)
    return pose


@pytest.mark.parametrize(("count", "skeleton"), [(12, "keypoints-12"), (14, "crowdpose-14")])
def test_any_number_of_keypoints_is_decoded(count, skeleton):
    places = somewhere()[:count]
    pose = found(hills(places), "argmax")
    assert np.array_equal(pose.keypoints[:, :2], 4 * np.rint(places))
    assert pose.skeleton == skeleton


@pytest.mark.parametrize("convention", ["quarter", "gluoncv_validation", "alphapose"])
def test_a_quarter_of_a_cell_towards_the_higher_neighbour(convention):
    places = somewhere()
    pose = found(hills(places), convention)
    expected = np.rint(places) + 0.25 * np.sign(places - np.rint(places))
    assert np.allclose(pose.keypoints[:, :2], 4 * expected)


@pytest.mark.parametrize(
    ("cell", "moved"),
    [
        ((1.3, 30), False),
        ((2.3, 30), True),
        ((46.3, 30), True),
        ((46.6, 30), False),
        ((20.3, 1), False),
    ],
)
def test_nothing_moves_near_the_border(cell, moved):
    """Where 1 < x < width - 1 and 1 < y < height - 1 alone."""
    x = found(hills(np.full((17, 2), cell)), "quarter").keypoints[0, 0]
    assert (x != 4 * round(cell[0])) == moved


def test_dark_and_udp_find_the_top_of_a_gaussian():
    places = somewhere(1)
    assert np.abs(found(hills(places), "dark").keypoints[:, :2] - 4 * places).max() < 0.05
    stride = (np.array(SIZE) - 1) / (np.array((48, 64)) - 1)
    assert np.abs(found(hills(places), "udp").keypoints[:, :2] - stride * places).max() < 0.05


def test_dark_is_published_arithmetic():
    """One joint, by the formula: a Newton step on the logarithm with differences over two cells."""
    import cv2

    heat = hills(somewhere(2))[0, 0] + 0.05 * np.random.default_rng(2).random((64, 48), np.float32)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    padded = np.zeros((74, 58), np.float32)
    padded[5:-5, 5:-5] = heat
    smooth = cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5]
    f = np.log(np.maximum(smooth * heat.max() / smooth.max(), 1e-10))
    slope = 0.5 * np.array([f[y, x + 1] - f[y, x - 1], f[y + 1, x] - f[y - 1, x]])
    xx = 0.25 * (f[y, x + 2] - 2 * f[y, x] + f[y, x - 2])
    yy = 0.25 * (f[y + 2, x] - 2 * f[y, x] + f[y - 2, x])
    xy = 0.25 * (f[y + 1, x + 1] - f[y - 1, x + 1] - f[y + 1, x - 1] + f[y - 1, x - 1])
    expected = np.array([x, y]) - np.linalg.inv([[xx, xy], [xy, yy]]) @ slope
    pose = found(np.repeat(heat[None, None], 17, axis=1), "dark")
    assert np.allclose(pose.keypoints[0, :2], 4 * expected, atol=1e-4)


def test_a_mirrored_image_is_averaged_in():
    """Cells whose joints lie at their corner come back one cell off, hence the shift."""
    places = somewhere(3)
    order = np.arange(17)
    for left, right in SKELETONS["coco-17"].flip_pairs:
        order[left], order[right] = right, left
    mirrored = hills(np.stack([48 - places[order, 0], places[order, 1]], axis=1))
    outputs = {"heatmaps": hills(places), "flipped_heatmaps": mirrored}
    (pose,) = decode("heatmap", outputs, SIZE)
    assert np.abs(pose.keypoints[:, :2] - 4 * places).max() < 0.1
    (apart,) = decode("heatmap", outputs, SIZE, shift_flipped=False)
    assert np.abs((pose.keypoints - apart.keypoints)[:, 0] - 2).max() < 0.1  # half a cell


def test_scores_are_maxima_and_their_mean_above_the_threshold():
    maps = hills(somewhere())
    maps[0, :4] *= 0.1
    maps[0, 4] = 0
    pose = found(maps, "argmax")
    assert pose.keypoints[0, 2] == pytest.approx(0.1, abs=0.01)
    assert pose.keypoints[4].tolist() == [0, 0, 0]
    assert pose.score == pytest.approx(pose.keypoints[5:, 2].mean())
    assert found(maps, "gluoncv", box_score=0.5).score == pytest.approx(
        0.5 * pose.keypoints[np.arange(17) != 4, 2].mean()
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("poison", [0.0, np.nan, -np.inf, np.inf])
def test_values_that_are_not_finite_give_no_people(convention, poison):
    maps = np.full((1, 17, 64, 48), poison, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode("heatmap", {"heatmaps": maps}, SIZE, convention=convention) == []
        maps[0, 3] = hills(somewhere())[0, 3]
        (pose,) = decode("heatmap", {"heatmaps": maps}, SIZE, convention=convention)
    assert np.isfinite(pose.keypoints).all() and (pose.keypoints[:, 2] > 0).sum() == 1


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_plateau_keeps_its_cell(convention):
    maps = np.zeros((1, 17, 64, 48), np.float32)
    maps[:, :, 20:50, 10:40] = 0.7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pose = found(maps, convention)
    assert (np.abs(pose.keypoints[:, :2] - 4 * np.array([10, 20])) <= 12).all()
