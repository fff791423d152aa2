"""The linear assignment problem, and maximum-weight matching of pairs that exclude each other."""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array, Doubles


def solve_assignment(costs: Array) -> list[int]:
    """The column of each row, a different one for each, with the lowest sum of costs.

    It uses shortest augmenting paths (R. Jonker and A. Volgenant, "A shortest augmenting path
    algorithm for dense and sparse linear assignment problems", 1987; D. F. Crouse, "On implementing
    2D rectangular assignment algorithms", 2016). If several solutions are equally good, it returns
    the same one as SciPy's ``linear_sum_assignment``, because the result of Open Model Zoo's
    decoder depends on that.

    Args:
        costs: (R, C), finite; R is at most C.
    """
    if not len(costs):
        return []
    best = costs.argmin(axis=1)
    cheapest: list[int] = best.tolist()
    # Shortcut: each row has one cheapest column, and all these columns are different.
    if len(set(cheapest)) == len(cheapest):
        least = costs[np.arange(len(best)), best]
        if np.count_nonzero(costs == least[:, None]) == len(cheapest):
            return cheapest
    costs = costs.astype(np.float64)
    rows, columns = costs.shape
    row_prices = np.zeros(rows)
    column_prices = np.zeros(columns)
    row_of = np.full(columns, -1)
    column_of = np.full(rows, -1)
    for start in range(rows):
        _augment(start, costs, row_prices, column_prices, row_of=row_of, column_of=column_of)
    columns_of_rows: list[int] = column_of.tolist()
    return columns_of_rows


def _augment(
    start: int,
    costs: Doubles,
    row_prices: Doubles,
    column_prices: Doubles,
    row_of: Array,
    column_of: Array,
) -> None:
    """Assign a column to the row ``start``, along the cheapest augmenting path."""
    distances = np.full(costs.shape[1], np.inf)
    came_from = np.full(costs.shape[1], -1)
    # In reverse, because SciPy compares equal costs in this order.
    open_columns = np.arange(costs.shape[1])[::-1]
    seen_rows = [start]
    seen_columns = []
    row = start
    reached = 0.0
    while True:
        steps = reached + costs[row, open_columns] - row_prices[row] - column_prices[open_columns]
        shorter = steps < distances[open_columns]
        reduced = open_columns[shorter]
        distances[reduced] = steps[shorter]
        came_from[reduced] = row
        # The nearest column. If several are equally near: the last free one, or the first if none
        # is free.
        near = distances[open_columns]
        equal = np.flatnonzero(near == near.min())
        free = equal[row_of[open_columns[equal]] < 0]
        place = int(free[-1] if len(free) else equal[0])
        column = int(open_columns[place])
        reached = float(distances[column])
        seen_columns.append(column)
        if row_of[column] < 0:
            break
        row = int(row_of[column])
        seen_rows.append(row)
        open_columns[place] = open_columns[-1]
        open_columns = open_columns[:-1]
    row_prices[start] += reached
    for other in seen_rows[1:]:
        row_prices[other] += reached - distances[column_of[other]]
    member = seen_columns[:-1]
    column_prices[member] -= reached - distances[member]
    while True:
        row = int(came_from[column])
        row_of[column] = row
        previous = int(column_of[row])
        column_of[row] = column
        column = previous
        if row == start:
            return


def match_pairs(starts: Array, ends: Array, weights: Array) -> Array:
    """The indices of the pairs with the largest total weight; no two of them share a start or an
    end, which may stay without a partner.
    """
    _, rows = np.unique(starts, return_inverse=True)
    _, columns = np.unique(ends, return_inverse=True)
    # What is no pair costs nothing; further columns, too, stand for no partner.
    height = rows.max(initial=-1) + 1
    costs = np.zeros((height, max(height, columns.max(initial=-1) + 1)))
    costs[rows, columns] = np.minimum(-weights, 0)
    chosen = np.array(solve_assignment(costs))
    return np.flatnonzero((chosen[rows] == columns) & (weights > 0))
