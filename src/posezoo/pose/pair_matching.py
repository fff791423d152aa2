"""Of many pairs that exclude each other, those that are worth most together."""

from __future__ import annotations

import numpy as np

from posezoo.pose.assignment import solve_assignment


def match_pairs(starts: list[int], ends: list[int], worth: list[float]) -> list[int]:
    """The places of the pairs that are worth most together, none sharing a start or an end."""
    best: list[int] = []
    hopeless = len(worth) > _HOPELESS
    for component in _components(starts, ends):
        rows: dict[int, list[_Pair]] = {}
        for place in component:
            rows.setdefault(starts[place], []).append((worth[place], ends[place], place))
        solve = _tried if len(component) <= _FEW else _first_best if hopeless else _assigned
        best += solve(list(rows.values()))
    return best


# Thirty people in a crowd leave some 500 in dispute, noise any number: then the exact answer is not worth its
# time, and in the end not all are worth a look.
_HOPELESS = 1500
MANY_TO_SETTLE = 3000

_Pair = tuple[float, int, int]  # worth, end, place

# Up to here trying everything is quicker than solving for it: most disputes are between two people.
_FEW = 9


def _tried(rows: list[list[_Pair]]) -> list[int]:
    """The best choice of at most one pair a row, by trying all that could still be better."""
    hopes = [0.0]
    for row in reversed(rows):
        row.sort(reverse=True)
        hopes.append(hopes[-1] + max(row[0][0], 0.0))
    hopes.reverse()
    best_total = -1.0
    best: list[int] = []

    def go(depth: int, total: float, taken: list[int], chosen: list[int]) -> None:
        nonlocal best_total, best
        if total + hopes[depth] <= best_total:
            return
        if depth == len(rows):
            best_total, best = total, chosen
            return
        for worth, end, place in rows[depth]:
            if end not in taken:
                go(depth + 1, total + worth, [*taken, end], [*chosen, place])
        go(depth + 1, total, taken, chosen)

    go(0, 0.0, [], [])
    return best


def _assigned(rows: list[list[_Pair]]) -> list[int]:
    """The best choice of at most one pair a row, for many."""
    columns = {
        end: column for column, end in enumerate(dict.fromkeys(end for row in rows for _, end, _ in row))
    }
    # One column for each row beside the real ones: to stay alone costs nothing.
    costs = np.zeros((len(rows), len(columns) + len(rows)))
    places = {}
    for number, row in enumerate(rows):
        for worth, end, place in row:
            costs[number, columns[end]] = -worth
            places[number, columns[end]] = place
    return [places[both] for both in enumerate(solve_assignment(costs)) if both in places]


def _first_best(rows: list[list[_Pair]]) -> list[int]:
    """The best pair, then the best of what it leaves, and so on."""
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
    """The pairs' places in groups that share starts or ends."""
    component_of: dict[tuple[str, int], list[int]] = {}
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        one = component_of.setdefault(("start", start), [])
        other = component_of.setdefault(("end", end), one)
        if other is not one:
            if len(one) < len(other):  # or long chains would be copied again and again
                one, other = other, one
            one += other
            component_of["start", start] = component_of["end", end] = one
            component_of.update({("start", starts[each]): one for each in other})
            component_of.update({("end", ends[each]): one for each in other})
        one.append(place)
    return list({id(component): component for component in component_of.values()}.values())
