"""The linear assignment problem, and maximum-weight matching of pairs that exclude each other."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

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


def pair_up(weights: Doubles) -> list[tuple[int, int]]:
    """Pairs of a row and a column with the largest sum of weights: as many as fit.

    Args:
        weights: (R, C), finite; there are min(R, C) pairs.
    """
    if not weights.size:
        return []
    rows, columns = weights.shape
    if rows > columns:
        return [(row, column) for column, row in enumerate(solve_assignment(-weights.T))]
    return list(enumerate(solve_assignment(-weights)))


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


def match_pairs(starts: list[int], ends: list[int], weights: list[float]) -> list[int]:
    """The indices of the pairs with the largest total weight; no two of them share a start or an
    end.

    Each start in turn takes the shortest augmenting path, as in ``solve_assignment``, but only over
    the given pairs, which are a few of all possible ones. A start or an end may stay without a
    partner.
    """
    pairs_of: dict[int, list[tuple[float, int, int]]] = {}  # weight, end, index of the pair
    for index, start in enumerate(starts):
        pairs_of.setdefault(start, []).append((weights[index], ends[index], index))
    for start, pairs in pairs_of.items():
        pairs.append((0.0, ~start, -1))  # an end of its own, which stands for no partner
    matching = _Matching(pairs_of)
    for start in pairs_of:
        matching.add(start)
    return [index for _, index in matching.chosen.values() if index >= 0]


class _Matching:
    """The optimal partners of the starts added so far, and the dual variables (prices)."""

    def __init__(self, pairs_of: dict[int, list[tuple[float, int, int]]]) -> None:
        # The end of each start, and the index of the pair.
        self.chosen: dict[int, tuple[int, int]] = {}
        self._pairs_of = pairs_of
        self._start_prices: dict[int, float] = {}
        self._end_prices: dict[int, float] = {}
        self._owners: dict[int, int] = {}  # the start of each end

    def add(self, first: int) -> None:
        """Give a start its partner; other starts may get other partners."""
        prices = self._end_prices
        offers = [
            (-weight - prices.get(end, 0.0), end, index)
            for weight, end, index in self._pairs_of[first]
        ]
        reached, end, index = min(offers)
        self._start_prices[first] = reached
        if end not in self._owners:  # shortcut: most starts get the end that they prefer
            self._owners[end] = first
            self.chosen[first] = end, index
            return
        end, came_from = self._find_free_end(first)
        start = -1
        while start != first:
            start, index = came_from[end]
            self._owners[end] = start
            previous, _ = self.chosen.get(start, (end, index))
            self.chosen[start] = end, index
            end = previous

    def _find_free_end(self, first: int) -> tuple[int, dict[int, tuple[int, int]]]:
        """The nearest end without a start; and of each end on the way, the start and the pair
        before it.
        """
        distances: dict[int, float] = {}
        came_from: dict[int, tuple[int, int]] = {}
        nearest: list[tuple[float, int]] = []
        seen: dict[int, float] = {}
        start = first
        reached = 0.0
        while True:
            base = reached - self._start_prices[start]
            for weight, end, index in self._pairs_of[start]:
                distance = base - weight - self._end_prices.get(end, 0.0)
                # Rounding may make a second path to an end seem shorter.
                if distance < distances.get(end, inf) and end not in seen:
                    distances[end] = distance
                    came_from[end] = start, index
                    heappush(nearest, (distance, end))
            reached, end = heappop(nearest)
            while end in seen:
                reached, end = heappop(nearest)
            if end not in self._owners:
                break
            seen[end] = reached
            start = self._owners[end]
        self._start_prices[first] += reached
        for seen_end, distance in seen.items():
            self._start_prices[self._owners[seen_end]] += reached - distance
            price = self._end_prices.get(seen_end, 0.0)
            self._end_prices[seen_end] = price - reached + distance
        return end, came_from
