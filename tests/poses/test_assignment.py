"""Each row gets its own column at the least total cost."""

from itertools import combinations, permutations

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


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [  # as scipy.optimize.linear_sum_assignment 1.17.1 decides between equals
        ([[1, 2, 0, 1], [2, 1, 2, 2], [1, 1, 0, 2]], [2, 1, 0]),
        ([[0, 0, 2, 2], [1, 1, 2, 0], [1, 1, 1, 0]], [0, 3, 1]),
    ],
)
def test_equals_are_decided_as_scipy_does(costs, chosen):
    assert solve_assignment(np.array(costs, float)) == chosen


def test_no_rows_no_columns():
    assert solve_assignment(np.empty((0, 3))) == []


def test_pairs_that_exclude_each_other_have_the_largest_sum():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        starts, ends = rng.integers(0, 4, (2, 8))
        starts, ends = np.unique([starts, ends], axis=1)
        weights = rng.integers(-1, 4, len(starts)) if seed % 2 else rng.normal(1, 1, len(starts))
        chosen = match_pairs(starts, ends, weights)
        assert len(chosen) == len({*starts[chosen]}) == len({*ends[chosen]})
        sums = [
            weights[list(some)].sum()
            for count in range(len(starts) + 1)
            for some in combinations(range(len(starts)), count)
            if len({*starts[list(some)]}) == len({*ends[list(some)]}) == count
        ]
        assert weights[chosen].sum() == pytest.approx(max(sums))


def test_no_pairs_no_choice():
    assert not len(match_pairs(*np.empty((3, 0), int)))
