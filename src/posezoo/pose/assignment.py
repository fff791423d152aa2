"""The linear assignment problem, and maximum-weight matching of pairs that exclude each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def solve_assignment(costs: NDArray[Any]) -> list[int]:
    """The column of each row, a different one for each, with the lowest sum of costs.

    It uses shortest augmenting paths (R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for
    dense and sparse linear assignment problems", 1987; D. F. Crouse, "On implementing 2D rectangular
    assignment algorithms", 2016). If several solutions are equally good, it returns the same one as SciPy's
    ``linear_sum_assignment``, because the result of Open Model Zoo's decoder depends on that.

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
    row_prices, column_prices = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    column_of = np.full(rows, -1)
    for start in range(rows):
        _augment(start, costs, row_prices, column_prices, row_of, column_of)
    columns_of_rows: list[int] = column_of.tolist()
    return columns_of_rows


def _augment(
    start: int,
    costs: NDArray[np.float64],
    row_prices: NDArray[np.float64],
    column_prices: NDArray[np.float64],
    row_of: NDArray[Any],
    column_of: NDArray[Any],
) -> None:
    """Assign a column to the row ``start``, along the cheapest augmenting path."""
    distances = np.full(costs.shape[1], np.inf)
    came_from = np.full(costs.shape[1], -1)
    # In reverse, because SciPy compares equal costs in this order.
    open_columns = np.arange(costs.shape[1])[::-1]
    seen_rows, seen_columns = [start], []
    row, reached = start, 0.0
    while True:
        steps = reached + costs[row, open_columns] - row_prices[row] - column_prices[open_columns]
        shorter = steps < distances[open_columns]
        distances[open_columns[shorter]] = steps[shorter]
        came_from[open_columns[shorter]] = row
        # The nearest column. If several are equally near: the last free one, or the first if none is free.
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
        column_of[row], column = column, int(column_of[row])
        if row == start:
            return


def match_pairs(starts: list[int], ends: list[int], weights: list[float]) -> list[int]:
    """The indices of the pairs with the largest total weight; no two of them share a start or an end."""
    best: list[int] = []
    is_large = len(weights) > _LARGE
    for component in _components(starts, ends):
        rows: dict[int, list[_Pair]] = {}
        for place in component:
            rows.setdefault(starts[place], []).append((weights[place], ends[place], place))
        solve = _try_all if len(component) <= _FEW else _match_greedily if is_large else _assign
        best += solve(list(rows.values()))
    return best


# Thirty people in a crowd leave about 500 conflicting pairs. Noise may leave any number: above _LARGE pairs
# an exact solution takes too long, and above MAX_PAIRS the caller uses only the best pairs.
_LARGE = 1500
MAX_PAIRS = 3000

_Pair = tuple[float, int, int]  # weight, end, index

# Up to this number of pairs it is faster to try all choices. Most conflicts are between two people.
_FEW = 9


def _try_all(rows: list[list[_Pair]]) -> list[int]:
    """The best choice of at most one pair for each row, by branch and bound."""
    bounds = [0.0]
    for row in reversed(rows):
        row.sort(reverse=True)
        bounds.append(bounds[-1] + max(row[0][0], 0.0))
    bounds.reverse()
    best_total = -1.0
    best: list[int] = []

    def search(depth: int, total: float, taken: list[int], chosen: list[int]) -> None:
        nonlocal best_total, best
        if total + bounds[depth] <= best_total:
            return
        if depth == len(rows):
            best_total, best = total, chosen
            return
        for weight, end, place in rows[depth]:
            if end not in taken:
                search(depth + 1, total + weight, [*taken, end], [*chosen, place])
        search(depth + 1, total, taken, chosen)

    search(0, 0.0, [], [])
    return best


def _assign(rows: list[list[_Pair]]) -> list[int]:
    """The same for many pairs, as a linear assignment problem."""
    columns = {
        end: column for column, end in enumerate(dict.fromkeys(end for row in rows for _, end, _ in row))
    }
    # There is one extra column for each row, so leaving a row unmatched costs nothing.
    costs = np.zeros((len(rows), len(columns) + len(rows)))
    places = {}
    for number, row in enumerate(rows):
        for weight, end, place in row:
            costs[number, columns[end]] = -weight
            places[number, columns[end]] = place
    return [places[both] for both in enumerate(solve_assignment(costs)) if both in places]


def _match_greedily(rows: list[list[_Pair]]) -> list[int]:
    """Choose the best pair, then the best remaining pair, and so on."""
    taken: set[int] = set()
    chosen: dict[int, int] = {}
    for _, end, place, row in sorted(
        ((*pair, row) for row, pairs in enumerate(rows) for pair in pairs), reverse=True
    ):
        if row not in chosen and end not in taken:
            taken.add(end)
            chosen[row] = place
    return list(chosen.values())


def _components(starts: list[int], ends: list[int]) -> list[list[int]]:
    """The indices of the pairs, in connected components: groups that share starts or ends."""
    component_of: dict[tuple[str, int], list[int]] = {}
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        one = component_of.setdefault(("start", start), [])
        other = component_of.setdefault(("end", end), one)
        if other is not one:
            if len(one) < len(other):  # extend the longer one, to avoid repeated copies of long chains
                one, other = other, one
            one += other
            component_of["start", start] = component_of["end", end] = one
            component_of.update({("start", starts[index]): one for index in other})
            component_of.update({("end", ends[index]): one for index in other})
        one.append(place)
    return list({id(component): component for component in component_of.values()}.values())
