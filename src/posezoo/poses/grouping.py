"""Assemble people from limbs.

Limbs without a conflict are joined first. They determine the heights of the people, which help to
resolve the conflicts: the weight of a candidate is how well the field fits, minus a penalty for an
unusual length for a body of this height.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.values import frozen
from posezoo.poses.assignment import match_pairs
from posezoo.poses.decoder_type import Count, DecoderOptions, PositiveShare, Range
from posezoo.poses.limbs import LimbCandidates, LimbTable

# Weights that decide between pairs that exclude each other, in addition to the fit of the field.
# The values are in the middle of the range in which synthetic groups of every kind are recovered
# (tests/poses/test_bars.py); noise changes the fit by 0.003. Bonus for each cell of length: the
# matching that leaves less of the field unexplained is better.
LENGTH_BONUS = 0.1
# Penalty for the squared logarithm of the ratio between the heights of the people at the two ends.
HEIGHT_PENALTY = 0.5
# Penalty for the squared logarithm of the ratio of the limb's length to the usual length, if it is
# shorter.
SHORT_PENALTY = 0.3
# The same if it is longer: perspective makes limbs look shorter, but hardly ever longer.
LONG_PENALTY = 1.2
# Penalty for the squared length in cells, if neither height is known. For two people in line, both
# matchings have the same sum of lengths, and the one with equal lengths is correct.
UNKNOWN_PENALTY = 0.01

# Thirty people in a crowd leave 500 to 3000 pairs that exclude each other; noise may leave any
# number.
_MAX_PAIRS = 3000

# A group of at least this many joints without a neck may be a part of a person; smaller groups are
# ambiguous. If there are more parts than the maximum, they are probably noise, and all are
# ambiguous.
_MIN_PART = 3
_MAX_PARTS = 10
# A forearm or shin is a stub, which may connect joints of two people, if its score, its length (in
# cells of 8 px) and its length relative to the usual one are below these limits.
_STUB_SCORE = 0.7
_STUB_LENGTH = 2.5
_STUB_SHARE = 0.6
# A weak candidate is not a limb if the logarithm of its length differs by this or more from the
# usual one.
_MAX_LOG_RATIO = 0.5


@frozen
class GroupingOptions(DecoderOptions):
    """Options for finding keypoints and joining them.

    Attributes:
        min_keypoint_score: the threshold of heatmaps, 0..1.
        min_affinity: the threshold of the part affinity field along a limb, 0..1.
        min_keypoints: people with fewer keypoints are left out.
        min_score: people are left out if the sum of their keypoint and limb scores, divided by the
            number of keypoints, is lower.
        max_peaks: the maximum number of keypoints of each kind; the highest are kept.
        upsample: the factor by which maps are first upsampled (bicubic), 1 to 8.
        subpixel: refine keypoints to subpixel positions.
    """

    min_keypoint_score: PositiveShare = 0.1
    min_affinity: PositiveShare = 0.05
    min_keypoints: Count = 3
    min_score: float = 0.2
    max_peaks: Count = 100
    upsample: Annotated[int, Range("1 to 8", lambda value: 1 <= value <= 8)] = 1
    subpixel: bool = True


#: The size in input pixels of a cell of the networks that the thresholds were tuned for. Distances
#: are in such cells.
CELL = 8.0


def nms_radius(cell: float) -> int:
    """The radius of non-maximum suppression, in cells of a map whose cells are ``cell`` times 8 px
    wide.

    It is 6/7 of the network's own cell, as in Open Model Zoo.
    """
    return max(1, round(6 / 7 / cell))


FindWeakLimbs = Callable[[list[int], list[int], list[int]], LimbCandidates]


def assemble_people(
    points: Floats,
    kinds: list[int],
    candidates: LimbCandidates,
    cell: float,
    find_weak: FindWeakLimbs,
    table: LimbTable,
    *,
    single_pass: bool = False,
) -> tuple[Array, Array]:
    """(N,) the group of each peak; (N,) the sum of the peak and limb scores of each group.

    A group has the index of one of its peaks. It is a person if it has two peaks or more.

    Args:
        points: (N, 3): x and y in cells of the map, and the score, of each peak.
        kinds: the joint of each peak.
        candidates: pairs of peaks that may be limbs.
        cell: the size of a cell of the map, in cells of 8 px.
        find_weak: returns the weak candidates among the given limbs, starts and ends.
        table: the limbs. If their usual lengths are unknown, the heights of people are too: no
            parts are joined.
        single_pass: resolve all conflicts at once, and join no parts, as a graph does.
    """
    assembly = _PersonAssembly(points[:, 2], kinds, candidates, cell, find_weak, table)
    # True if no other pair of the same limb shares an end.
    offsets = candidates.limbs * len(points)
    starts = offsets + candidates.starts
    ends = offsets + candidates.ends
    is_unique = np.bincount(starts).take(starts) + np.bincount(ends).take(ends) == 2
    assembly.join(is_unique.nonzero()[0])
    if not is_unique.all():
        assembly.join_conflicting((~is_unique).nonzero()[0], single_pass=single_pass)
    if table.has_lengths and not single_pass:
        assembly.join_parts()
        assembly.swap_crossed_ends()
    return assembly.to_groups()


@dataclass
class _PersonAssembly:
    _scores: Floats
    _kinds: list[int]
    _pairs: LimbCandidates
    _cell: float
    _find_weak: FindWeakLimbs
    _table: LimbTable

    def __post_init__(self) -> None:
        self._shares = self._table.lengths
        self._is_joined = np.zeros(len(self._pairs.limbs), bool)
        self._group_of = list(range(len(self._kinds)))  # by peak
        self._peaks = [[peak] for peak in self._group_of]  # by group
        self._joints = [1 << kind for kind in self._kinds]  # by group, as bits

    def join(self, chosen: Array) -> None:
        """Join the groups at the ends of these pairs, unless a person would get two joints of a
        kind.
        """
        self._is_joined[chosen] = True
        group_of = self._group_of
        peaks = self._peaks
        joints = self._joints
        starts = self._pairs.starts[chosen].tolist()
        ends = self._pairs.ends[chosen].tolist()
        for start, end in zip(starts, ends, strict=True):
            one = group_of[start]
            other = group_of[end]
            if not joints[one] & joints[other]:  # a group shares all joints with itself
                joints[one] |= joints[other]
                peaks[one] += peaks[other]
                for peak in peaks[other]:
                    group_of[peak] = one

    def join_conflicting(self, open_pairs: Array, *, single_pass: bool) -> None:
        """Resolve the limbs of people with known height first; each joined limb passes the height
        on.
        """
        heights = self._person_heights()
        limbs = self._pairs.limbs
        starts = self._pairs.starts
        ends = self._pairs.ends
        while len(open_pairs):
            # A pair is ready if every pair of the same limb has an end whose person has a known
            # height.
            one = heights[starts[open_pairs]]
            other = heights[ends[open_pairs]]
            is_unknown = np.isnan(one) & np.isnan(other)
            open_limbs = limbs[open_pairs]
            unknown = np.bincount(open_limbs, is_unknown, minlength=len(self._table))
            is_ready = unknown[open_limbs] == 0
            if single_pass or not is_ready.any():
                is_ready[:] = True
            joined = self._best(open_pairs[is_ready], heights)
            self.join(joined)
            one = heights[starts[joined]]
            other = heights[ends[joined]]
            heights[starts[joined]] = np.where(np.isnan(one), other, one)
            heights[ends[joined]] = np.where(np.isnan(other), one, other)
            open_pairs = open_pairs[~is_ready]

    def join_parts(self) -> None:
        """Join parts of bodies without a root, such as the neck, to people who lack these parts.

        Two limbs of the same kind that cross in opposite directions cancel in the field at the
        crossing. Only weak candidates remain.
        """
        root = self._table.root
        groups = [group for group in dict.fromkeys(self._group_of) if len(self._peaks[group]) > 1]
        people = [group for group in groups if self._joints[group] >> root & 1]
        parts = [
            group
            for group in groups
            if not self._joints[group] >> root & 1 and len(self._peaks[group]) >= _MIN_PART
        ]
        if len(parts) > _MAX_PARTS:
            return
        missing: list[tuple[int, int, int]] = []
        for part, person in product(parts, people):
            if not self._joints[part] & self._joints[person]:
                missing += self._missing_limbs(part, person)
        if not missing:
            return
        weak = self._find_weak(*(list(values) for values in zip(*missing, strict=True)))
        heights = self._person_heights()
        mean_heights = np.sqrt(heights[weak.starts] * heights[weak.ends])
        expected = self._shares[weak.limbs] * mean_heights
        ratios = np.log(np.maximum(weak.lengths, 0.1) / expected)
        fits = np.abs(ratios) < _MAX_LOG_RATIO
        added = self._add(weak[fits])
        self.join(self._best(added, heights))

    def _missing_limbs(self, part: int, person: int) -> Iterator[tuple[int, int, int]]:
        """The limbs that would join two groups without common joints: limb, start and end peak."""
        peaks = {self._kinds[peak]: peak for peak in self._peaks[part] + self._peaks[person]}
        limbs = zip(self._table.starts.tolist(), self._table.ends.tolist(), strict=True)
        for limb, (start, end) in enumerate(limbs):
            if start in peaks and end in peaks:
                one = peaks[start]
                other = peaks[end]
                if self._group_of[one] != self._group_of[other]:
                    yield limb, one, other

    def swap_crossed_ends(self) -> None:
        """Exchange the ends of two forearms, or shins, that overlap in opposite directions: they
        cancel in the field, and what remains are two stubs, each from the elbow of one person to
        the wrist of the other.
        """
        pairs = self._pairs
        groups = np.array(self._group_of, np.int64)
        is_short = (pairs.scores < _STUB_SCORE) & (pairs.lengths < _STUB_LENGTH / self._cell)
        is_within = groups[pairs.starts] == groups[pairs.ends]
        # Forearms and shins: no other limb has their last joint.
        joints = np.append(self._table.starts, self._table.ends)
        is_end_limb = np.bincount(joints)[self._table.ends] == 1
        is_stub = self._is_joined & is_short & is_within & is_end_limb[pairs.limbs]
        stubs = is_stub.nonzero()[0]
        if not 2 <= len(stubs) <= _MAX_PARTS:
            return
        heights = self._person_heights()
        for two in combinations(stubs.tolist(), 2):
            crossed = pairs[np.array(two)]
            limb, limb2 = crossed.limbs.tolist()
            end, end2 = crossed.ends.tolist()
            usual = self._shares[limb] * heights[crossed.starts]
            if limb != limb2 or not (crossed.lengths < _STUB_SHARE * usual).all():
                continue
            weak = self._find_weak([limb, limb], crossed.starts.tolist(), [end2, end])
            if len(weak.limbs) != 2:
                continue
            ratios = np.log(weak.lengths / usual)
            if (np.abs(ratios) < _MAX_LOG_RATIO).all():
                group = self._group_of[end]
                self._group_of[end] = self._group_of[end2]
                self._group_of[end2] = group
                added = self._add(weak)
                self._is_joined[added] = True

    def to_groups(self) -> tuple[Array, Array]:
        groups = np.array(self._group_of, np.int64)
        count = len(self._group_of)
        starts = groups[self._pairs.starts]
        ends = groups[self._pairs.ends]
        # A limb does not count if its ends belong to different people.
        scores = self._pairs.scores * (self._is_joined & (starts == ends))
        totals = np.bincount(groups, self._scores, count)
        return groups, totals + np.bincount(starts, scores, count)

    def _add(self, weak: LimbCandidates) -> Array:
        count = len(self._is_joined)
        self._pairs = self._pairs + weak
        self._is_joined = np.append(self._is_joined, np.zeros(len(weak.limbs), bool))
        return np.arange(count, len(self._is_joined))

    def _best(self, chosen: Array, heights: Floats) -> Array:
        pairs = self._pairs[chosen]
        length = pairs.lengths * np.float32(self._cell)
        weights = 1 + pairs.scores * (1 + LENGTH_BONUS * length)
        log_heights = np.log(heights)
        # The ratios and the height below are logarithms, too.
        one = log_heights[pairs.starts]
        other = log_heights[pairs.ends]
        height_ratio = one - other
        # fmax ignores NaN.
        height = np.where(np.isnan(height_ratio), np.fmax(one, other), (one + other) / 2)
        log_lengths = np.log(np.maximum(pairs.lengths, 0.1))
        length_ratio = log_lengths - np.log(self._shares)[pairs.limbs] - height
        factor = np.where(length_ratio > 0, LONG_PENALTY, SHORT_PENALTY)
        height_penalty = np.fmax(HEIGHT_PENALTY * height_ratio**2, 0)
        penalty = height_penalty + factor * length_ratio**2
        unknown_penalty = UNKNOWN_PENALTY * length**2
        weights -= np.where(np.isnan(height), unknown_penalty, penalty)
        if len(weights) > _MAX_PAIRS:
            kept = np.argpartition(-pairs.scores, _MAX_PAIRS)[:_MAX_PAIRS]
            kept = np.sort(kept)
            chosen = chosen[kept]
            pairs = pairs[kept]
            weights = weights[kept]
        offsets = pairs.limbs * len(heights)  # a peak may be used once for each limb
        best = match_pairs(offsets + pairs.starts, offsets + pairs.ends, weights)
        return chosen[best]

    def _person_heights(self) -> Floats:
        """(N,) the height of each peak's person in cells, estimated from its limbs; NaN if it is
        unknown.
        """
        groups = np.array(self._group_of, np.int64)
        count = len(self._group_of)
        pairs = self._pairs
        starts = groups[self._pairs.starts]
        lengths = np.bincount(starts, pairs.lengths * self._is_joined, count)
        shares = np.bincount(starts, self._shares[pairs.limbs] * self._is_joined, count)
        # Above 0, for the logarithm: joints may coincide.
        ratios = lengths / np.maximum(shares, 1e-6)
        heights = np.maximum(ratios, 1e-3).astype(np.float32)
        is_alone = np.bincount(groups, minlength=count) == 1
        heights[is_alone] = np.nan
        return heights[groups]
