"""Whose keypoints are whose: limbs joined to people.

Limbs that nobody disputes come first. They tell how large people are, and that settles the others: each
candidate is worth what the field says of it, less for a limb that is unusual for such a body.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.pose.keypoints import Floats
from posezoo.pose.limbs import LIMBS, Candidates
from posezoo.pose.matching import MANY_TO_SETTLE, settled

# What decides where pairs exclude each other, beside how well the field fits. The values lie in the middle of
# where drawn groups of every kind come back (tests/pose/test_bars.py); noise moves a fit by 0.003.
# For each cell of length: of two matchings the one that leaves less of the field unexplained.
_EXPLAINED = 0.1
# Against the squared logarithm of how many times taller one end's person is than the other's.
_UNLIKE = 0.5
# The same of how many times longer or shorter the limb is than such people's are.
_UNUSUAL = 0.3
# Instead, where nothing is known of either: against the length squared, in cells. Two people in line have
# the same sum of lengths either way, and the even halves are right.
_UNEVENNESS = 0.002

# How long each limb is, as a share of the body's height: R. Drillis and R. Contini, "Body segment
# parameters", 1966 (in D. Winter, "Biomechanics and Motor Control of Human Movement", 2009, figure 4.1).
_SHARES = np.array(
    [
        *(0.129, 0.129, 0.186, 0.146, 0.186, 0.146),  # shoulders and arms
        *(0.303, 0.245, 0.246, 0.303, 0.245, 0.246),  # trunk and legs
        *(0.112, 0.03, 0.04, 0.03, 0.04, 0.15, 0.15),  # head
    ],
    np.float32,
)
_LOG_SHARES = np.log(_SHARES)


def assembled(
    points: Floats, kinds: list[int], candidates: Candidates, cell: float
) -> list[tuple[list[int], float]]:
    """The peaks of each person, and the sum of their scores and their limbs'.

    Limbs that nobody disputes are joined first; they tell how large people are, which helps to settle
    the others. Those between joints of which nothing is known yet wait for what the rest tells.
    """
    count = len(points)
    start_keys = candidates.limbs * count + candidates.starts
    end_keys = candidates.limbs * count + candidates.ends
    alone = np.bincount(start_keys).take(start_keys) + np.bincount(end_keys).take(end_keys) == 2
    groups = _Groups(points[:, 2].tolist(), kinds)
    groups.join(candidates[alone])
    waiting = np.flatnonzero(~alone)
    if not len(waiting):
        return groups.people()
    heights = groups.heights(count)
    known = _known(candidates[waiting], heights)
    for places in (waiting[known], waiting[~known]):
        if len(places):
            pairs = candidates[places]
            worth = _worth(pairs, heights, cell)
            if len(worth) > MANY_TO_SETTLE:
                kept = np.sort(np.argpartition(-worth, MANY_TO_SETTLE)[:MANY_TO_SETTLE])
                places, worth = places[kept], worth[kept]
            best = settled(start_keys[places].tolist(), end_keys[places].tolist(), worth.tolist())
            joined = candidates[places[np.sort(np.array(best, np.int64))]]
            groups.join(joined)
            _pass_on(heights, joined)
    return groups.people()


def _pass_on(heights: Floats, joined: Candidates) -> None:
    """Give the height of one end of each limb to the other, where that one has none yet."""
    one, other = heights[joined.starts], heights[joined.ends]
    heights[joined.starts] = np.where(np.isnan(one), other, one)
    heights[joined.ends] = np.where(np.isnan(other), one, other)


def _known(pairs: Candidates, heights: Floats) -> NDArray[Any]:
    """(N,) whether of all pairs of the same limb one end at least belongs to somebody of known height."""
    unknown = np.isnan(heights[pairs.starts]) & np.isnan(heights[pairs.ends])
    known: NDArray[Any] = np.bincount(pairs.limbs, unknown, minlength=len(LIMBS))[pairs.limbs] == 0
    return known


def _worth(pairs: Candidates, heights: Floats, cell: float) -> Floats:
    """How much each pair adds to a matching.

    Args:
        pairs: not all can be limbs.
        heights: (M,) of the person that each peak belongs to, in cells; NaN where nothing is known.
        cell: of the map, in cells of 8 px.
    """
    length = pairs.lengths * np.float32(cell)
    worth: Floats = 1 + pairs.scores * (1 + _EXPLAINED * length)
    one, other = np.log(heights[pairs.starts]), np.log(heights[pairs.ends])
    unlike = one - other
    # fmax takes the number where the other is none.
    agreed = np.where(np.isnan(unlike), np.fmax(one, other), (one + other) / 2)
    unusual = np.log(np.maximum(pairs.lengths, 0.1)) - _LOG_SHARES[pairs.limbs] - agreed
    penalty = np.fmax(_UNLIKE * unlike**2, 0) + _UNUSUAL * unusual**2
    worth -= np.where(np.isnan(agreed), _UNEVENNESS * length**2, penalty)
    return worth


class _Groups:
    """People in the making: which peaks belong together."""

    def __init__(self, scores: list[float], kinds: list[int]) -> None:
        self._scores, self._kinds = scores, kinds
        self._group_of: dict[int, dict[int, int]] = {}  # by peak: the peak of each kind
        self._totals: dict[int, float] = {}  # by the group's id
        self._joined: list[Candidates] = []

    def join(self, limbs: Candidates) -> None:
        """Join what the limbs' ends belong to, unless somebody would get a second joint of a kind."""
        self._joined.append(limbs)
        group_of, totals, scores, kinds = self._group_of, self._totals, self._scores, self._kinds
        for start, end, score in zip(
            limbs.starts.tolist(), limbs.ends.tolist(), limbs.scores.tolist(), strict=True
        ):
            one, other = group_of.get(start), group_of.get(end)
            if one is None and other is None:
                group = {kinds[start]: start, kinds[end]: end}
                group_of[start] = group_of[end] = group
                totals[id(group)] = scores[start] + scores[end] + score
            elif one is not None and other is not None:
                if one is other:
                    totals[id(one)] += score
                elif one.keys().isdisjoint(other):
                    one.update(other)
                    totals[id(one)] += totals.pop(id(other)) + score
                    for peak in other.values():
                        group_of[peak] = one
            else:
                group, lone = (one, end) if one is not None else (other or {}, start)
                if kinds[lone] not in group:
                    group[kinds[lone]] = lone
                    group_of[lone] = group
                    totals[id(group)] += scores[lone] + score

    def heights(self, count: int) -> Floats:
        """(count,) the height of each peak's person by the limbs that were joined, in cells; or NaN."""
        owner = np.full(count, count)  # nobody's number
        groups = list({id(group): group for group in self._group_of.values()}.values())
        members = [peak for group in groups for peak in group.values()]
        owner[members] = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        lengths, shares = np.zeros((2, count + 1))
        for limbs in self._joined:
            whose = owner[limbs.starts]
            lengths += np.bincount(whose, limbs.lengths, minlength=count + 1)
            shares += np.bincount(whose, _SHARES[limbs.limbs], minlength=count + 1)
        lengths[count] = np.nan
        # Not zero, of which there is no logarithm: joints may fall together.
        heights: Floats = np.maximum(lengths / np.maximum(shares, 1e-6), 1e-3).astype(np.float32)[owner]
        return heights

    def people(self) -> list[tuple[list[int], float]]:
        """The peaks of each, and the sum of their scores and their limbs'."""
        groups = {id(group): group for group in self._group_of.values()}
        return [(list(group.values()), self._totals[key]) for key, group in groups.items()]
