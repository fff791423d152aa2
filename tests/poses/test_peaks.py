"""Local maxima are found and refined between the cells."""

import warnings

import numpy as np
import pytest

from posezoo.poses.peaks import find_peaks, refine_subpixel

pytest.importorskip("cv2")


def hill(x, y, sigma=1.0, size=(30, 20)):
    """(H, W): a Gaussian of height 1 at (x, y), in cells."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def found(*maps, radius=1, limit=100, threshold=0.1):
    return find_peaks(np.stack(maps), threshold=threshold, radius=radius, limit=limit, negated=True)


def places(all_found):
    return list(
        zip(
            all_found.maps.tolist(),
            all_found.columns.tolist(),
            all_found.rows.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize(
    "corner", [(0, 0), (29, 0), (0, 19), (29, 19), (0, 7), (29, 7), (11, 0), (11, 19)]
)
def test_hills_at_the_border_are_found_and_do_not_hide_those_of_the_next_row_or_map(radius, corner):
    """(0, y) and (29, y - 1) follow each other in memory, and so do the last row and the next map's first."""
    maps = (
        np.maximum(hill(*corner), 0.9 * hill(29 - corner[0], 10)),
        hill(29 - corner[0], 19 - corner[1]),
    )
    at = places(found(*maps, radius=radius))
    assert (0, *corner) in at and (1, 29 - corner[0], 19 - corner[1]) in at
    assert (0, 29 - corner[0], 10) in at and len(at) == 3


def test_of_two_hills_nearer_than_the_radius_the_higher_stays():
    two = np.maximum(hill(10, 10, 0.8), 0.9 * hill(13, 10, 0.8))
    assert places(found(two, radius=2)) == [(0, 10, 10), (0, 13, 10)]
    assert places(found(two, radius=3)) == [(0, 10, 10)]


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_a_plateau_is_one_peak(radius):
    flat = np.maximum(hill(10, 10), hill(11, 10))
    flat[10, 10:12] = flat[11, 10:12] = 1
    assert len(found(flat, radius=radius)) == 1
    assert len(found(np.ones((20, 30), np.float32), radius=radius)) <= 1


def test_the_highest_come_first_and_the_lowest_are_too_many():
    crowded = np.maximum.reduce([hill(4 * n + 3, 10, 0.7) * (0.5 + 0.1 * n) for n in range(5)])
    assert np.allclose(found(crowded).scores, [0.9, 0.8, 0.7, 0.6, 0.5])
    assert np.allclose(found(crowded, hill(3, 3), limit=2).scores, [0.9, 0.8, 1.0])


def test_cells_beside_values_below_0_are_suppressed_unless_the_network_may_do_it():
    cells = np.full((6, 6), -1, np.float32)
    cells[2:4, 1] = (0.5, 0.9)
    alone = find_peaks(cells[None], threshold=0.1, radius=1, limit=100)
    assert places(alone) == [(0, 1, 3)]
    assert sorted(places(found(cells))) == [(0, 1, 2), (0, 1, 3)]


def test_maps_whose_signs_were_turned_by_the_network_are_taken_as_they_are():
    raw = np.maximum(hill(10, 10, 2), hill(29, 3, 2))
    turned = -raw
    for x, y in ((10, 10), (29, 3)):
        turned[y, x] = raw[y, x]
    assert (
        places(found(turned, radius=2)) == places(found(raw, radius=2)) == [(0, 29, 3), (0, 10, 10)]
    )
    assert not places(found(turned, threshold=1))
    for one, other in zip(
        refine_subpixel(turned[None], found(turned)),
        refine_subpixel(raw[None], found(raw)),
        strict=True,
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("seed", range(20))
def test_the_top_of_a_gaussian_is_found_between_the_cells_also_at_the_border(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.45, 29.45), rng.uniform(-0.45, 19.45)
    x, y = (x, y) if seed % 3 else (rng.uniform(-0.45, 0.45), y)
    one = hill(x, y, rng.uniform(0.8, 2.5))
    (column,), (row,) = refine_subpixel(one[None], found(one))
    assert (column, row) == pytest.approx((x, y), abs=2e-3)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_move_no_peak_out_of_its_cell(poison):
    whole = hill(10.2, 10.3)
    one = whole.copy()
    one[10, 11] = one[3, 3] = poison
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found(one)
        at = found(whole)  # beside nan or inf, a cell is no peak
        x, y = refine_subpixel(one[None], at)
    assert places(at) == [(0, 10, 10)]
    assert (np.abs(x - at.columns) <= 0.5).all() and (np.abs(y - at.rows) <= 0.5).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_maps_may_be_as_small_as_they_like(size):
    one = hill(0, 0, 1, size)
    at = found(one, radius=3)
    x, y = refine_subpixel(one[None], at)
    assert places(at) == [(0, 0, 0)] and abs(x[0]) <= 0.5 and abs(y[0]) <= 0.5
