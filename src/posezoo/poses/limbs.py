"""OpenPose's limbs, and the pairs of peaks that the part affinity fields support.

For each pair of peaks that a limb may connect, the limb's field is sampled at ten points between
them. At nine of these points the field must point along the limb (Z. Cao et al., arXiv:1611.08050,
section 2.3; the share is from D. Osokin, arXiv:1811.12004).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import numpy as np

from posezoo.core.arrays import Array, Bools, Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen_with_arrays
from posezoo.poses.peaks import Peaks

#: The number of samples of the field for a limb, and how many of them must agree.
SAMPLES = 10
ENOUGH = 9
#: How many must agree for a weak candidate, if none points the opposite way. Such a limb may be one
#: that another limb cancels in the field.
WEAK = 2


@frozen_with_arrays
class LimbTable:
    """The fields of a skeleton as arrays, (L,).

    Attributes:
        joints: the number of keypoints.
        starts, ends: the joints of each limb.
        channels: the first of its two channels in the field.
        lengths: relative to the body's height; NaN if they are unknown.
    """

    joints: int
    starts: Array
    ends: Array
    channels: Array
    lengths: Floats

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def root(self) -> int:
        """The joint at which the first limb starts: people are assembled from there."""
        return int(self.starts[0])

    @property
    def has_lengths(self) -> bool:
        """Whether the usual lengths of the limbs are known."""
        return not bool(np.isnan(self.lengths).any())


@cache
def limb_table(skeleton: Skeleton) -> LimbTable:
    """The limbs of a skeleton for OpenPose, which needs ``Skeleton.fields``.

    Raises:
        InferenceError: it has none.
    """
    fields = skeleton.fields
    if not fields:
        raise InferenceError(
            f"the skeleton {skeleton.name} has no fields: OpenPose needs the two channels of each"
            " limb",
            hint="declare them: fields: [{limb: [neck, left_hip], channel: 0}, ...]",
        )
    starts, ends = np.array([field.limb for field in fields]).T
    channels = np.array([field.channel for field in fields])
    lengths = np.array([field.length or np.nan for field in fields], np.float32)
    return LimbTable(len(skeleton.keypoints), starts, ends, channels, lengths=lengths)


def require_channels(table: LimbTable, count: int) -> None:
    """Raise an InferenceError if the limbs do not use all channels of a field."""
    needed = int(table.channels.max()) + 2
    if needed != count:
        raise InferenceError(
            f"the network has {count} channels of PAFs, and the fields of the skeleton end at"
            f" {needed}",
            hint="declare two channels for each limb: fields: [{limb: [...], channel: 0}, ...]",
        )


@dataclass(frozen=True, eq=False, slots=True)
class LimbCandidates:
    """N pairs of peaks that may be limbs: the limb's index in the table, two peaks, the mean
    affinity.
    """

    limbs: Array
    starts: Array
    ends: Array
    scores: Floats
    lengths: Floats  # in cells

    def __getitem__(self, index: Array) -> LimbCandidates:
        return LimbCandidates(*(getattr(self, name)[index] for name in self.__slots__))

    def __add__(self, other: LimbCandidates) -> LimbCandidates:
        return LimbCandidates(
            *(np.append(getattr(self, name), getattr(other, name)) for name in self.__slots__)
        )


def find_limb_candidates(
    points: Floats, peaks: Peaks, pafs: Floats, min_affinity: float, table: LimbTable
) -> LimbCandidates:
    """The pairs of peaks for which at least nine of ten samples of the field agree."""
    counts = np.bincount(peaks.maps, minlength=table.joints)
    # The pairs are processed in parts that fit into the processor's cache. One part is enough,
    # unless there are hundreds of people.
    totals = (counts[table.starts] * counts[table.ends]).cumsum()
    with np.errstate(invalid="ignore"):  # infinity times zero is NaN, which counts as disagreement
        parts = totals // _PAIRS_AT_ONCE
        chosen = []
        for part in dict.fromkeys(parts.tolist()):
            limbs = np.flatnonzero(parts == part)
            pairs = _pairs(points, counts, limbs, pafs.shape, table)
            chosen.append(_chosen(pairs, pafs, min_affinity))
    return reduce(LimbCandidates.__add__, chosen)


def find_weak_limb_candidates(
    points: Floats,
    limbs: list[int],
    starts: list[int],
    ends: list[int],
    pafs: Floats,
    min_affinity: float,
    table: LimbTable,
) -> LimbCandidates:
    """The weak candidates among some pairs: at least two samples agree, and none points the
    opposite way.

    The score is the mean of all samples; samples that do not agree count as 0.

    Args:
        points: (N, 3) x, y in cells and score.
        limbs, starts, ends: of each pair, the limb (index of the table) and two peaks (of
            ``points``).
        pafs: (2 L, H, W) the part affinity fields.
        min_affinity: the threshold of the fields.
    """
    which, one, other = (np.array(values, np.int32) for values in (limbs, starts, ends))
    pairs = _connect(points, which, one, other, pafs.shape, table=table)
    with np.errstate(invalid="ignore"):
        along, agreeing = pairs.sample_field(pafs, min_affinity)
        # A negated any() of the opposite comparison would accept NaN.
        not_opposite = (along >= -np.float32(min_affinity)).all(axis=0)
        is_weak = agreeing.sum(axis=0) >= WEAK
        kept = np.flatnonzero(not_opposite & is_weak)
    return pairs.to_candidates(kept, along, agreeing, np.float32(SAMPLES))


_PAIRS_AT_ONCE = 20_000


def _chosen(pairs: _PeakPairs, pafs: Floats, min_affinity: float) -> LimbCandidates:
    failed: Any = 0
    for samples, max_count in _PREFILTERS:
        if len(pairs.limbs) < _MANY_PAIRS:
            break
        one, other = (pairs.field_along(pafs, SHARES_OF_LIMB[sample]) for sample in samples)
        # Not counted with <=, because NaN must count as disagreement.
        one_agrees = (one > min_affinity).view(np.int8)
        other_agrees = (other > min_affinity).view(np.int8)
        failed = failed + (2 - one_agrees - other_agrees)
        left = np.flatnonzero(failed < 2)  # indices are faster than a mask
        if len(left) > max_count:
            sums = (one + other).take(left)
            highest = np.argpartition(-sums, max_count)[:max_count]
            left = np.sort(left.take(highest))
        pairs = pairs[left]
        failed = failed[left]
    along, agreeing = pairs.sample_field(pafs, min_affinity)
    count = agreeing.sum(axis=0, dtype=np.float32)
    kept = np.flatnonzero(count >= ENOUGH)
    return pairs.to_candidates(kept, along, agreeing, count[kept])


SHARES_OF_LIMB = np.arange(SAMPLES, dtype=np.float32) / np.float32(SAMPLES - 1)
# Each check has two samples, and the maximum number of pairs that remain. If two samples disagree,
# a pair cannot reach nine of ten. If there are many pairs, the first check removes most of them;
# the other checks are for maps of noise. Few pairs are faster without any check. A hundred people
# shoulder to shoulder leave 9500, 4200, 2900 and 2100 of 20,000 pairs; only a field that agrees
# everywhere leaves more.
_PREFILTERS = (((3, 6), 20_000), ((1, 8), 5000), ((0, 2), 4000), ((4, 9), 3000))
_MANY_PAIRS = 1000


@dataclass(frozen=True, eq=False, slots=True)
class _PeakPairs:
    limbs: Array
    starts: Array
    ends: Array
    channels: Array  # the flat index of the limb's field
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    lengths: Floats

    def __getitem__(self, index: Array) -> _PeakPairs:
        return _PeakPairs(*(getattr(self, name).take(index) for name in self.__slots__))

    def to_candidates(
        self, kept: Array, along: Floats, agreeing: Bools, counts: Any
    ) -> LimbCandidates:
        """Some of the pairs; their scores are the sums of the agreeing samples, divided by
        ``counts``.
        """
        sums = np.where(agreeing[:, kept], along[:, kept], 0).sum(axis=0)
        limbs = self.limbs.take(kept)
        starts = self.starts.take(kept)
        ends = self.ends.take(kept)
        return LimbCandidates(limbs, starts, ends, sums / counts, lengths=self.lengths.take(kept))

    def sample_field(self, pafs: Floats, min_affinity: float) -> tuple[Floats, Bools]:
        """(10, N) the affinities at the samples of each pair, and whether they agree."""
        along = self.field_along(pafs, SHARES_OF_LIMB[:, None])
        return along, (along > min_affinity) & (along < np.inf)

    def field_along(self, pafs: Floats, share: Any) -> Floats:
        """(..., N) the affinity of each pair at a relative position between its peaks."""
        height, width = pafs.shape[1:]
        # Halves are rounded up, not to even: points are rarely halfway between two cells, and
        # truncation is faster.
        columns = (share * self.dx + (self.x + _HALF)).astype(np.int32)
        rows = (share * self.dy + (self.y + _HALF)).astype(np.int32)
        place = rows * np.int32(width) + columns + self.channels
        flat = pafs.reshape(-1)
        along: Floats = flat.take(place) * self.dx
        along += flat[height * width :].take(place) * self.dy
        along /= self.lengths + np.float32(1e-6)
        return along


_HALF = np.float32(0.5)


def _pairs(
    points: Floats,
    counts: Array,
    limbs: Array,
    shape: tuple[int, ...],
    table: LimbTable,
) -> _PeakPairs:
    """All pairs of peaks that these limbs may connect; ``counts`` is the number of peaks of each
    joint.
    """
    first = counts.cumsum() - counts
    # First one row for each start of a limb, then one pair for each end.
    joints = table.starts[limbs]
    row_counts = counts[joints]
    # Array methods are used, because numpy's functions of the same names take twice as long.
    row_limbs = limbs.astype(np.int32).repeat(row_counts)
    start_shifts = first[joints] - row_counts.cumsum() + row_counts
    row_starts = start_shifts.repeat(row_counts)
    row_starts += np.arange(len(row_limbs))
    sizes = counts[table.ends][row_limbs]
    end_shifts = first[table.ends][row_limbs] - sizes.cumsum() + sizes
    ends = end_shifts.astype(np.int32).repeat(sizes)
    ends += np.arange(len(ends), dtype=np.int32)
    starts = row_starts.astype(np.int32).repeat(sizes)
    return _connect(points, row_limbs.repeat(sizes), starts, ends, shape, table=table)


def _connect(
    points: Floats,
    limbs: Array,
    starts: Array,
    ends: Array,
    shape: tuple[int, ...],
    table: LimbTable,
) -> _PeakPairs:
    """The pairs of these peaks; refined ones may lie outside the map, and are moved to its
    border.
    """
    _, height, width = shape
    x = np.minimum(np.maximum(points[:, 0], 0), np.float32(width - 1))
    y = np.minimum(np.maximum(points[:, 1], 0), np.float32(height - 1))
    start_x = x.take(starts)
    start_y = y.take(starts)
    dx = x.take(ends) - start_x
    dy = y.take(ends) - start_y
    return _PeakPairs(
        limbs,
        starts,
        ends,
        channels=(table.channels * (height * width)).astype(np.int32).take(limbs),
        x=start_x,
        y=start_y,
        dx=dx,
        dy=dy,
        lengths=np.sqrt(dx * dx + dy * dy),
    )
