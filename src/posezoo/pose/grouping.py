"""Assemble people from limbs.

Limbs without a conflict are joined first. They determine the heights of the people, which help to resolve the
conflicts: the weight of a candidate is how well the field fits, minus a penalty if the limb has an unusual
length for a body of this height.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.pose.assignment import match_pairs
from posezoo.pose.decoder_type import check_options
from posezoo.pose.keypoints import Floats
from posezoo.pose.limbs import LIMBS, NECK, LimbCandidates

# Weights that decide between pairs that exclude each other, in addition to the fit of the field. The values
# are in the middle of the range in which synthetic groups of every kind are recovered
# (tests/pose/test_bars.py); noise changes the fit by 0.003.
# Bonus for each cell of length: the matching that leaves less of the field unexplained is better.
_LENGTH_BONUS = 0.1
# Penalty for the squared logarithm of the ratio between the heights of the people at the two ends.
_HEIGHT_PENALTY = 0.5
# Penalty for the squared logarithm of the ratio of the limb's length to the usual length, if it is shorter.
_SHORT_PENALTY = 0.3
# The same if it is longer: perspective makes limbs look shorter, but hardly ever longer.
_LONG_PENALTY = 1.2
# Penalty for the squared length in cells, if neither height is known. For two people in line, both matchings
# have the same sum of lengths, and the one with equal lengths is correct.
_UNKNOWN_PENALTY = 0.01

# Thirty people in a crowd leave 500 to 3000 pairs that exclude each other; noise may leave any number.
_MAX_PAIRS = 3000

# A group of at least this many joints without a neck may be a part of a person; smaller groups are ambiguous.
# If there are more parts than the maximum, they are probably noise, and all are ambiguous.
_MIN_PART = 3
_MAX_PARTS = 10
# A forearm or shin is a stub, which may connect joints of two people, if its score, its length (in cells of
# 8 px) and its length relative to the usual one are below these limits.
_STUB_SCORE = 0.7
_STUB_LENGTH = 2.5
_STUB_SHARE = 0.6
# A weak candidate is not a limb if the logarithm of its length differs by this or more from the usual one.
_MAX_LOG_RATIO = 0.5

# The length of each limb relative to the body's height: R. Drillis and R. Contini, "Body segment
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
#: The limbs at the ends of the body: forearms and shins.
_END_LIMBS = frozenset({3, 5, 8, 11})


@dataclass(frozen=True, slots=True)
class GroupingOptions:
    """Options for finding keypoints and joining them.

    Attributes:
        min_keypoint_score: the threshold of heatmaps, 0..1.
        min_affinity: the threshold of the part affinity field along a limb, 0..1.
        min_keypoints: people with fewer keypoints are left out.
        min_score: people are left out if the sum of their keypoint and limb scores, divided by the number of
            keypoints, is lower.
        max_peaks: the maximum number of keypoints of each kind; the highest are kept.
        upsample: the factor by which maps are first upsampled (bicubic), 1 to 8.
        subpixel: refine keypoints to subpixel positions.
    """

    min_keypoint_score: float = 0.1
    min_affinity: float = 0.05
    min_keypoints: int = 3
    min_score: float = 0.2
    max_peaks: int = 100
    upsample: int = 1
    subpixel: bool = True

    def __post_init__(self) -> None:
        check_options(self, "1 to 8", lambda value: 1 <= value <= 8, "upsample")
        thresholds = "min_keypoint_score", "min_affinity"
        check_options(self, "above 0 to 1", lambda value: 0 < value <= 1, *thresholds)
        check_options(self, "1 or more", lambda value: value >= 1, "min_keypoints", "max_peaks")


#: The size in input pixels of a cell of the networks that the thresholds were tuned for. Distances are in
#: such cells.
CELL = 8.0


def nms_radius(cell: float) -> int:
    """The radius of non-maximum suppression, in cells of a map whose cells are ``cell`` times 8 px wide.

    It is 6/7 of the network's own cell, as in Open Model Zoo.
    """
    return max(1, round(6 / 7 / cell))


FindWeakLimbs = Callable[[list[int], list[int], list[int]], LimbCandidates]


def assemble_people(
    points: Floats, kinds: list[int], candidates: LimbCandidates, cell: float, find_weak: FindWeakLimbs
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(N,) the person index of each peak; (G + 1,) the sum of each person's peak and limb scores.

    The last index, G, is for all peaks without a limb.

    Args:
        points: (N, 3): x and y in cells of the map, and the score, of each peak.
        kinds: the joint of each peak.
        candidates: pairs of peaks that may be limbs.
        cell: the size of a cell of the map, in cells of 8 px.
        find_weak: returns the weak candidates among the given limbs, starts and ends.
    """
    assembly = _PersonAssembly(points[:, 2], kinds, cell, find_weak)
    # True if no other pair of the same limb shares an end.
    offsets = candidates.limbs * len(points)
    starts, ends = offsets + candidates.starts, offsets + candidates.ends
    is_unique = np.bincount(starts).take(starts) + np.bincount(ends).take(ends) == 2
    assembly.join(candidates[is_unique])
    if not is_unique.all():
        assembly.join_conflicting(candidates[~is_unique])
    assembly.join_parts()
    assembly.swap_crossed_ends()
    return assembly.to_people()


class _PersonAssembly:
    """Groups of peaks that become people."""

    def __init__(self, scores: Floats, kinds: list[int], cell: float, find_weak: FindWeakLimbs) -> None:
        self._scores, self._kinds, self._cell, self._find_weak = scores, kinds, cell, find_weak
        self._group_of: dict[int, dict[int, int]] = {}  # by peak; a group is a peak for each joint
        self._joined: list[LimbCandidates] = []

    def join(self, limbs: LimbCandidates) -> None:
        """Join the groups of the limbs' ends, unless a person would get two joints of the same kind."""
        self._joined.append(limbs)
        group_of, kinds = self._group_of, self._kinds
        for start, end in zip(limbs.starts.tolist(), limbs.ends.tolist(), strict=True):
            one, other = group_of.get(start), group_of.get(end)
            if one is None and other is None:
                group_of[start] = group_of[end] = {kinds[start]: start, kinds[end]: end}
            elif one is None or other is None:
                group, single = (one, end) if one is not None else (other or {}, start)
                if kinds[single] not in group:
                    group[kinds[single]] = single
                    group_of[single] = group
            elif one is not other and one.keys().isdisjoint(other):
                one.update(other)
                for peak in other.values():
                    group_of[peak] = one

    def join_conflicting(self, pairs: LimbCandidates) -> None:
        """Resolve the limbs of people with known height first; each joined limb passes the height on."""
        heights = self._person_heights()
        while len(pairs.limbs):
            # A pair is ready if every pair of the same limb has an end whose person has a known height.
            is_unknown = np.isnan(heights[pairs.starts]) & np.isnan(heights[pairs.ends])
            is_ready = np.bincount(pairs.limbs, is_unknown, minlength=len(LIMBS))[pairs.limbs] == 0
            if not is_ready.any():
                is_ready[:] = True
            joined = self._best(pairs[is_ready], heights)
            self.join(joined)
            one, other = heights[joined.starts], heights[joined.ends]
            heights[joined.starts] = np.where(np.isnan(one), other, one)
            heights[joined.ends] = np.where(np.isnan(other), one, other)
            pairs = pairs[~is_ready]

    def join_parts(self) -> None:
        """Join parts of bodies without a neck to people who lack these parts.

        Two limbs of the same kind that cross in opposite directions cancel in the field at the crossing. Only
        weak candidates remain.
        """
        groups = list({id(group): group for group in self._group_of.values()}.values())
        parts = [group for group in groups if NECK not in group and len(group) >= _MIN_PART]
        if len(parts) > _MAX_PARTS:
            return
        missing = [
            (limb, merged[start], merged[end])
            for part in parts
            for other in groups
            if NECK in other and other.keys().isdisjoint(part)
            for merged in ({**part, **other},)
            for limb, ((start, end), _) in enumerate(LIMBS)
            if start in merged and end in merged and (start in part) != (end in part)
        ]
        if not missing:
            return
        found = self._find_weak(*(list(values) for values in zip(*missing, strict=True)))
        heights = self._person_heights()
        expected = _SHARES[found.limbs] * np.sqrt(heights[found.starts] * heights[found.ends])
        fits = np.abs(np.log(np.maximum(found.lengths, 0.1) / expected)) < _MAX_LOG_RATIO
        self.join(self._best(found[fits], heights))

    def swap_crossed_ends(self) -> None:
        """Exchange the ends of two forearms, or shins, that overlap in opposite directions.

        They cancel in the field except at their ends. What remains looks like two short limbs (stubs), each
        from the elbow of one person to the wrist of the other.
        """
        stubs = []
        for limbs in self._joined:
            is_stub = (limbs.scores < _STUB_SCORE) & (limbs.lengths < _STUB_LENGTH / self._cell)
            for index in is_stub.nonzero()[0].tolist():
                limb, start, end = int(limbs.limbs[index]), int(limbs.starts[index]), int(limbs.ends[index])
                group = self._group_of.get(start)
                if limb in _END_LIMBS and group is not None and group is self._group_of.get(end):
                    stubs.append((limb, start, end, float(limbs.lengths[index])))
        if not 2 <= len(stubs) <= _MAX_PARTS:
            return
        heights = self._person_heights()
        for (limb, start, end, length), (limb2, start2, end2, length2) in combinations(stubs, 2):
            usual = _SHARES[limb] * heights[[start, start2]]
            are_short = length < _STUB_SHARE * usual[0] and length2 < _STUB_SHARE * usual[1]
            if limb != limb2 or not are_short:
                continue
            found = self._find_weak([limb, limb], [start, start2], [end2, end])
            if len(found.limbs) == 2 and (np.abs(np.log(found.lengths / usual)) < _MAX_LOG_RATIO).all():
                kind, group, group2 = self._kinds[end], self._group_of[end], self._group_of[end2]
                group[kind], group2[kind] = end2, end
                self._group_of[end2], self._group_of[end] = group, group2
                self._joined.append(found)

    def to_people(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The result of ``assemble_people``."""
        owners, count = self._owners()
        totals = np.bincount(owners, self._scores, minlength=count + 1)
        for limbs in self._joined:
            people = owners[limbs.starts]
            # A limb does not count if its ends belong to different people.
            is_inside = people == owners[limbs.ends]
            totals += np.bincount(people, is_inside * limbs.scores, minlength=count + 1)
        return owners, totals

    def _best(self, pairs: LimbCandidates, heights: Floats) -> LimbCandidates:
        """The pairs with the largest sum of weights; unknown heights are NaN."""
        length = pairs.lengths * np.float32(self._cell)
        weights: Floats = 1 + pairs.scores * (1 + _LENGTH_BONUS * length)
        log_heights = np.log(heights)
        # The ratios and the height below are logarithms, too.
        one, other = log_heights[pairs.starts], log_heights[pairs.ends]
        height_ratio = one - other
        # fmax ignores NaN.
        height = np.where(np.isnan(height_ratio), np.fmax(one, other), (one + other) / 2)
        length_ratio = np.log(np.maximum(pairs.lengths, 0.1)) - _LOG_SHARES[pairs.limbs] - height
        factor = np.where(length_ratio > 0, _LONG_PENALTY, _SHORT_PENALTY)
        penalty = np.fmax(_HEIGHT_PENALTY * height_ratio**2, 0) + factor * length_ratio**2
        weights -= np.where(np.isnan(height), _UNKNOWN_PENALTY * length**2, penalty)
        if len(weights) > _MAX_PAIRS:
            kept = np.sort(np.argpartition(-pairs.scores, _MAX_PAIRS)[:_MAX_PAIRS])
            pairs, weights = pairs[kept], weights[kept]
        offsets = pairs.limbs * len(heights)  # a peak may be used once for each limb
        starts, ends = (offsets + pairs.starts).tolist(), (offsets + pairs.ends).tolist()
        best = match_pairs(starts, ends, weights.tolist())
        return pairs[np.sort(np.array(best, np.int64))]

    def _person_heights(self) -> Floats:
        """(N,) the height of each peak's person in cells, estimated from its limbs; NaN if it is unknown."""
        owners, count = self._owners()
        lengths, shares = np.zeros((2, count + 1))
        for limbs in self._joined:
            people = owners[limbs.starts]
            lengths += np.bincount(people, limbs.lengths, minlength=count + 1)
            shares += np.bincount(people, _SHARES[limbs.limbs], minlength=count + 1)
        lengths[count] = np.nan
        # Above 0, for the logarithm: joints may coincide.
        heights: Floats = np.maximum(lengths / np.maximum(shares, 1e-6), 1e-3).astype(np.float32)[owners]
        return heights

    def _owners(self) -> tuple[NDArray[Any], int]:
        """(N,) the person index of each peak, or the number of people if it has none; and that number."""
        people: dict[int, int] = {}
        indices = [people.setdefault(id(group), len(people)) for group in self._group_of.values()]
        owners = np.full(len(self._scores), len(people))
        owners[list(self._group_of)] = indices
        return owners, len(people)
