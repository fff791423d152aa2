"""Each row gets its own column at the least total cost."""

from itertools import permutations

import numpy as np
import pytest

from posezoo.poses.assignment import match_pairs, solve_assignment


def test_no_other_choice_is_cheaper():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(1, 5))
        columns = int(rng.integers(rows, 7))
        costs = (
            rng.integers(0, 4, (rows, columns)).astype(float)
            if seed % 2
            else rng.normal(size=(rows, columns))
        )
        chosen = solve_assignment(costs)
        assert len(set(chosen)) == rows
        min_count = min(
            costs[range(rows), permutation].sum()
            for permutation in permutations(range(columns), rows)
        )
        assert costs[range(rows), chosen].sum() == pytest.approx(min_count)


def test_rows_that_want_the_same_column_share_the_loss():
    assert solve_assignment(np.array([[1.0, 2, 9], [1, 8, 9], [2, 2, 9]])) == [1, 0, 2]


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [  # as scipy.optimize.linear_sum_assignment 1.17.1 decides between equals
        ([[1, 2, 0, 1], [2, 1, 2, 2], [1, 1, 0, 2]], [2, 1, 0]),
        ([[1, 1, 1, 0], [0, 2, 2, 2], [0, 2, 2, 1]], [3, 0, 2]),
        ([[0, 2, 1, 0], [2, 2, 2, 1], [1, 2, 2, 2]], [0, 3, 2]),
        ([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 0, 1]], [2, 1, 0]),
        ([[0, 0, 2, 2], [1, 1, 2, 0], [1, 1, 1, 0]], [0, 3, 1]),
    ],
)
def test_equals_are_decided_as_scipy_does(costs, chosen):
    assert solve_assignment(np.array(costs, float)) == chosen


def test_no_rows_no_columns():
    assert solve_assignment(np.empty((0, 3))) == []


def test_a_hundred_rows_end():
    costs = np.random.default_rng(1).random((100, 130))
    chosen = solve_assignment(costs)
    assert len(set(chosen)) == 100
    assert costs[range(100), chosen].sum() < 2  # the least of 130 random numbers is about 1/131


def test_pairs_that_exclude_each_other_have_the_largest_sum():
    """As the assignment problem with a column for each row to stay alone; negative pairs are never taken."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, columns = (int(count) for count in rng.integers(1, 25, 2))
        cells = rng.permutation(rows * columns)[: int(rng.integers(1, rows * columns + 1))]
        starts, ends = np.divmod(cells, columns)
        weights = (
            rng.integers(-1, 4, len(cells)).astype(float)
            if seed % 2
            else rng.normal(1, 1, len(cells))
        )
        chosen = match_pairs(starts.tolist(), ends.tolist(), weights.tolist())
        assert len(chosen) == len(set(starts[chosen])) == len(set(ends[chosen]))
        costs = np.zeros((rows, columns + rows))
        costs[starts, ends] = np.minimum(-weights, 0)
        best = -costs[range(rows), solve_assignment(costs)].sum()
        assert weights[chosen].sum() == pytest.approx(best, abs=1e-9)


def test_rounding_does_not_lead_in_a_circle():
    """Sums that are equal but for rounding once made a second path to an end seem shorter."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        starts, ends = (each.ravel().tolist() for each in np.mgrid[0:20, 0:15])
        weights = (np.add.outer(rng.random(20), rng.random(15)) + 0.1).ravel().tolist()
        assert len(match_pairs(starts, ends, weights)) == 15


def test_no_pairs_no_choice():
    assert match_pairs([], [], []) == []
