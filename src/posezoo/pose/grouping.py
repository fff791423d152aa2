"""Whose keypoints are whose: limbs joined to people.

Limbs that nobody disputes come first. They tell how large people are, and that settles the others: each
candidate is worth what the field says of it, less for a limb that is unusual for such a body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError
from posezoo.pose.keypoints import Floats
from posezoo.pose.limbs import LIMBS, NECK, LimbCandidates
from posezoo.pose.pair_matching import MANY_TO_SETTLE, match_pairs

# What decides where pairs exclude each other, beside how well the field fits. The values lie in the middle of
# where drawn groups of every kind come back (tests/pose/test_bars.py); noise moves a fit by 0.003.
# For each cell of length: of two matchings the one that leaves less of the field unexplained.
_EXPLAINED = 0.1
# Against the squared logarithm of how many times taller one end's person is than the other's.
_UNLIKE = 0.5
# The same of how many times shorter the limb is than such people's are.
_UNUSUAL = 0.3
# Where it is longer: it may look shorter than it is, towards us or away, but hardly longer.
_TOO_LONG = 1.2
# Instead, where nothing is known of either: against the length squared, in cells. Two people in line have
# the same sum of lengths either way, and the even halves are right.
_UNEVENNESS = 0.002

# So many joints without a neck may be a part of somebody; fewer hang on too little to tell whose they are. In
# noise there are many of them, and nothing to be told.
_A_PART = 3
_MANY_PARTS = 10
# Up to this score, length (in cells of 8 px) and share of the usual length, a forearm or shin may be a
# mixture of two people's.
_MIXED = 0.7
_SHORT = 2.5
_STUNTED = 0.6
# From this logarithm on, a limb of which there is but a trace is no limb.
_FAR_FROM_USUAL = 0.5

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
#: The limbs on whose ends nothing hangs: forearms and shins.
_LAST = frozenset({3, 5, 8, 11})


@dataclass(frozen=True, slots=True)
class GroupingOptions:
    """What may be said about finding keypoints and joining them.

    Attributes:
        min_keypoint_score: heatmaps count above, 0..1.
        min_affinity: the field counts above, where it points along a limb, 0..1.
        min_keypoints: people with fewer are left out.
        min_score: people whose keypoints and limbs together, over the number of keypoints, score less are
            left out.
        max_peaks: how many keypoints of a kind there may be, the highest.
        upsample: how many times finer the maps are made first, 1 to 8; bicubic.
        subpixel: place keypoints between the cells.
    """

    min_keypoint_score: float = 0.1
    min_affinity: float = 0.05
    min_keypoints: int = 3
    min_score: float = 0.2
    max_peaks: int = 100
    upsample: int = 1
    subpixel: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.upsample <= 8:
            raise InferenceError(f"decoder option upsample: expected 1 to 8, got {self.upsample}")
        for name in ("min_keypoint_score", "min_affinity"):
            if not 0 < getattr(self, name) <= 1:
                raise InferenceError(
                    f"decoder option {name}: expected above 0 to 1, got {getattr(self, name)}"
                )
        for name in ("min_keypoints", "max_peaks"):
            if getattr(self, name) < 1:
                raise InferenceError(f"decoder option {name}: expected 1 or more, got {getattr(self, name)}")


#: The cell of the networks that the thresholds were made for, in input pixels: distances are in such cells.
CELL = 8.0


def nms_radius(cell: float) -> int:
    """The radius of non-maximum suppression, in cells of a map whose cells are ``cell`` times 8 px wide.

    6/7 of the network's own cell, as in Open Model Zoo.
    """
    return max(1, round(6 / 7 / cell))


RescoreLimbs = Callable[[list[int], list[int], list[int]], LimbCandidates]


def assemble_people(
    points: Floats, kinds: list[int], candidates: LimbCandidates, cell: float, look_again: RescoreLimbs
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(N,) the number of each peak's person; (G + 1,) the sum of each person's scores and its limbs'.

    Peaks that nothing was joined to belong to nobody, who is the last.

    Args:
        points: (N, 3) x, y in cells of the map, and the score, of each peak.
        kinds: of each peak, which joint it is.
        candidates: pairs of peaks that may be limbs.
        cell: of the map, in cells of 8 px.
        look_again: those of some limbs, starts and ends of which the field has a trace at least.
    """
    groups = _PersonAssembly(points[:, 2], kinds)
    alone = _undisputed(candidates, len(points))
    groups.join(candidates[alone])
    if not alone.all():
        _join_disputed(groups, candidates[~alone], cell)
    _reunite(groups, cell, look_again)
    _uncross(groups, cell, look_again)
    return groups.to_people()


def _undisputed(pairs: LimbCandidates, count: int) -> NDArray[Any]:
    """(N,) whether no other pair of the same limb shares an end."""
    starts, ends = pairs.limbs * count + pairs.starts, pairs.limbs * count + pairs.ends
    undisputed: NDArray[Any] = np.bincount(starts).take(starts) + np.bincount(ends).take(ends) == 2
    return undisputed


def _join_disputed(groups: _PersonAssembly, pairs: LimbCandidates, cell: float) -> None:
    """From those whose height is known outwards: each limb that is settled tells it to the next one."""
    heights = groups.person_heights()
    while len(pairs.limbs):
        ripe = _known(pairs, heights)
        if not ripe.any():
            ripe[:] = True
        joined = _best(pairs[ripe], heights, cell)
        groups.join(joined)
        _propagate_heights(heights, joined)
        pairs = pairs[~ripe]


def _best(pairs: LimbCandidates, heights: Floats, cell: float) -> LimbCandidates:
    """Those that are worth most together."""
    worth = _worth(pairs, heights, cell)
    if len(worth) > MANY_TO_SETTLE:
        kept = np.sort(np.argpartition(-worth, MANY_TO_SETTLE)[:MANY_TO_SETTLE])
        pairs, worth = pairs[kept], worth[kept]
    first = pairs.limbs * len(heights)  # a start or an end of another limb is another one
    best = match_pairs((first + pairs.starts).tolist(), (first + pairs.ends).tolist(), worth.tolist())
    return pairs[np.sort(np.array(best, np.int64))]


def _reunite(groups: _PersonAssembly, cell: float, look_again: RescoreLimbs) -> None:
    """Give the parts of bodies that hang on no neck to people who lack them.

    Two limbs of a kind that cross in opposite directions wipe each other out of the field where they meet,
    and leave a trace at their ends.
    """
    loose = groups.find_unattached_limbs()
    if not loose:
        return
    traces = look_again(*(list(each) for each in zip(*loose, strict=True)))
    heights = groups.person_heights()
    expected = _SHARES[traces.limbs] * np.sqrt(heights[traces.starts] * heights[traces.ends])
    fits = np.abs(np.log(np.maximum(traces.lengths, 0.1) / expected)) < _FAR_FROM_USUAL
    groups.join(_best(traces[fits], heights, cell))


def _uncross(groups: _PersonAssembly, cell: float, look_again: RescoreLimbs) -> None:
    """Exchange the ends of two forearms, or shins, that lie along each other in opposite directions.

    They wipe each other out of the field but for their ends, which look like two short limbs, each from one's
    elbow to the other's wrist.
    """
    stubs = groups.find_short_limbs(_SHORT / cell)
    if not 2 <= len(stubs) <= _MANY_PARTS:
        return
    heights = groups.person_heights()
    for (limb, start, end, length), (another, begin, to, span) in combinations(stubs, 2):
        default = _SHARES[limb] * heights[[start, begin]]
        if limb == another and length < _STUNTED * default[0] and span < _STUNTED * default[1]:
            traces = look_again([limb, limb], [start, begin], [to, end])
            if len(traces.limbs) == 2 and (np.abs(np.log(traces.lengths / default)) < _FAR_FROM_USUAL).all():
                groups.swap_joints(end, to, traces)


def _propagate_heights(heights: Floats, joined: LimbCandidates) -> None:
    """Give the height of one end of each limb to the other, where that one has none yet."""
    one, other = heights[joined.starts], heights[joined.ends]
    heights[joined.starts] = np.where(np.isnan(one), other, one)
    heights[joined.ends] = np.where(np.isnan(other), one, other)


def _known(pairs: LimbCandidates, heights: Floats) -> NDArray[Any]:
    """(N,) whether of all pairs of the same limb one end at least belongs to somebody of known height."""
    unknown = np.isnan(heights[pairs.starts]) & np.isnan(heights[pairs.ends])
    known: NDArray[Any] = np.bincount(pairs.limbs, unknown, minlength=len(LIMBS))[pairs.limbs] == 0
    return known


def _worth(pairs: LimbCandidates, heights: Floats, cell: float) -> Floats:
    """How much each pair adds to a matching.

    Args:
        pairs: not all can be limbs.
        heights: (M,) of the person that each peak belongs to, in cells; NaN where nothing is known.
        cell: of the map, in cells of 8 px.
    """
    length = pairs.lengths * np.float32(cell)
    worth: Floats = 1 + pairs.scores * (1 + _EXPLAINED * length)
    logs = np.log(heights)
    one, other = logs[pairs.starts], logs[pairs.ends]
    unlike = one - other
    # fmax takes the number where the other is none.
    agreed = np.where(np.isnan(unlike), np.fmax(one, other), (one + other) / 2)
    unusual = np.log(np.maximum(pairs.lengths, 0.1)) - _LOG_SHARES[pairs.limbs] - agreed
    penalty = np.fmax(_UNLIKE * unlike**2, 0) + np.where(unusual > 0, _TOO_LONG, _UNUSUAL) * unusual**2
    worth -= np.where(np.isnan(agreed), _UNEVENNESS * length**2, penalty)
    return worth


class _PersonAssembly:
    """People in the making: which peaks belong together."""

    def __init__(self, scores: Floats, kinds: list[int]) -> None:
        self._scores, self._kinds = scores, kinds
        self._group_of: dict[int, dict[int, int]] = {}  # by peak: the peak of each kind
        self._joined: list[LimbCandidates] = []

    def join(self, limbs: LimbCandidates) -> None:
        """Join what the limbs' ends belong to, unless somebody would get a second joint of a kind."""
        self._joined.append(limbs)
        group_of, kinds = self._group_of, self._kinds
        for start, end in zip(limbs.starts.tolist(), limbs.ends.tolist(), strict=True):
            one, other = group_of.get(start), group_of.get(end)
            if one is None and other is None:
                group_of[start] = group_of[end] = {kinds[start]: start, kinds[end]: end}
            elif one is None or other is None:
                group, lone = (one, end) if one is not None else (other or {}, start)
                if kinds[lone] not in group:
                    group[kinds[lone]] = lone
                    group_of[lone] = group
            elif one is not other and one.keys().isdisjoint(other):
                one.update(other)
                for peak in other.values():
                    group_of[peak] = one

    def find_short_limbs(self, longest: float) -> list[tuple[int, int, int, float]]:
        """Joined forearms and shins, faint and up to a length in cells: the limb, start, end, and length."""
        found = []
        for limbs in self._joined:
            for place in ((limbs.scores < _MIXED) & (limbs.lengths < longest)).nonzero()[0].tolist():
                limb, start, end = int(limbs.limbs[place]), int(limbs.starts[place]), int(limbs.ends[place])
                group = self._group_of.get(start)
                if limb in _LAST and group is not None and group is self._group_of.get(end):
                    found.append((limb, start, end, float(limbs.lengths[place])))
        return found

    def swap_joints(self, one: int, other: int, limbs: LimbCandidates) -> None:
        """Give two people each other's joint of a kind, which hangs on the limbs given from now on."""
        kind = self._kinds[one]
        first, second = self._group_of[one], self._group_of[other]
        first[kind], second[kind] = other, one
        self._group_of[other], self._group_of[one] = first, second
        self._joined.append(limbs)

    def find_unattached_limbs(self) -> list[tuple[int, int, int]]:
        """The pairs, as limb, start and end, that would join parts without a neck to people who lack them."""
        groups = list({id(group): group for group in self._group_of.values()}.values())
        parts = [group for group in groups if NECK not in group and len(group) >= _A_PART]
        if not 0 < len(parts) <= _MANY_PARTS:
            return []
        return [
            (limb, both[start], both[end])
            for part in parts
            for other in groups
            if NECK in other and other.keys().isdisjoint(part)
            for both in ({**part, **other},)
            for limb, ((start, end), _) in enumerate(LIMBS)
            if start in both and end in both and (start in part) != (end in part)
        ]

    def person_heights(self) -> Floats:
        """(N,) the height of each peak's person by the limbs that were joined, in cells; or NaN."""
        owners, count = self._owners()
        lengths, shares = np.zeros((2, count + 1))
        for limbs in self._joined:
            whose = owners[limbs.starts]
            lengths += np.bincount(whose, limbs.lengths, minlength=count + 1)
            shares += np.bincount(whose, _SHARES[limbs.limbs], minlength=count + 1)
        lengths[count] = np.nan
        # Not zero, of which there is no logarithm: joints may fall together.
        heights: Floats = np.maximum(lengths / np.maximum(shares, 1e-6), 1e-3).astype(np.float32)[owners]
        return heights

    def to_people(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """(N,) the number of each peak's person; (G + 1,) the sum of their scores and their limbs'.

        The last one is nobody, to whom all other peaks belong.
        """
        owners, count = self._owners()
        totals = np.bincount(owners, self._scores, minlength=count + 1)
        for limbs in self._joined:
            whose = owners[limbs.starts]
            # A limb that did not join two people, or not this joint to them, counts for nobody.
            inside = whose == owners[limbs.ends]
            totals += np.bincount(whose, inside * limbs.scores, minlength=count + 1)
        return owners, totals

    def _owners(self) -> tuple[NDArray[Any], int]:
        """(N,) the number of each peak's person, and how many there are; the number after is nobody's."""
        numbers: dict[int, int] = {}
        owned = [numbers.setdefault(id(group), len(numbers)) for group in self._group_of.values()]
        owners = np.full(len(self._scores), len(numbers))
        owners[list(self._group_of)] = owned
        return owners, len(numbers)
