"""People from part affinity fields: joints are peaks of heatmaps, limbs are joined along a vector field.

Z. Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, 2017, arXiv:1611.08050;
thresholds from D. Osokin, Lightweight OpenPose, 2018, arXiv:1811.12004. What differs from both, and why:

- peaks are placed between the cells, so that maps need no upsampling;
- joints of a limb are matched exactly instead of the best pair first, and where the field leaves a choice,
  people keep limbs of their own size: two in line, or one before the other, would swap halves otherwise.

What no field can tell stays untold: two limbs of a kind that run over each other in opposite directions
cancel, and a joint whose neighbours are all hidden hangs on nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError, require
from posezoo.pose.assignment import assign
from posezoo.pose.keypoints import Floats, Pose, people
from posezoo.pose.letterbox import Size
from posezoo.pose.peaks import Peaks, between_cells, peaks

SKELETON = "openpose-18"
JOINTS = 18

#: Each limb's joints, and the first of its two channels among the 38 of the field: OpenPose's COCO model
#: (mapIdx in poseParameters), in the order in which people are put together. The last two, shoulder to
#: ear, are never drawn; they hold together a person whose nose is hidden.
LIMBS = (
    *(((1, 2), 12), ((1, 5), 20), ((2, 3), 14), ((3, 4), 16), ((5, 6), 22), ((6, 7), 24)),
    *(((1, 8), 0), ((8, 9), 2), ((9, 10), 4), ((1, 11), 6), ((11, 12), 8), ((12, 13), 10)),
    *(
        ((1, 0), 28),
        ((0, 14), 30),
        ((14, 16), 34),
        ((0, 15), 32),
        ((15, 17), 36),
        ((2, 16), 18),
        ((5, 17), 26),
    ),
)
_STARTS, _ENDS = np.array([joints for joints, _ in LIMBS]).T
_CHANNELS = np.array([channel for _, channel in LIMBS])

#: Points at which a limb is held against the field, and how many of them have to agree.
SAMPLES = 10
ENOUGH = 9

#: The cell of the networks that this was made for, in input pixels: distances below are counted in it.
CELL = 8.0
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


@dataclass(frozen=True, slots=True)
class OpenPoseOptions(GroupingOptions):
    """What may be said about the decoding, beside ``GroupingOptions``.

    Attributes:
        compatible: return what Open Model Zoo's decoder does, in its order and with its scores.
    """

    compatible: bool = False


def decode(heatmaps: Floats, pafs: Floats, size: Size, options: GroupingOptions) -> list[Pose]:
    """The people in the maps, surest first, in input pixels; a pose's score is the mean of all 18 keypoints'.

    Args:
        heatmaps: (19, H, W) float32: of the 18 keypoints, about 0..1, and of the background.
        pafs: (38, H, W) float32: x and y of each limb's direction, -1..1.
        size: width and height of the input, in pixels.
        options: see there.
    """
    if options.upsample > 1:
        heatmaps, pafs = upsampled(heatmaps[:JOINTS], options.upsample), upsampled(pafs, options.upsample)
    height, width = heatmaps.shape[1:]
    cell = size[0] / width / CELL
    joints = heatmaps[:JOINTS]
    found = peaks(
        joints, threshold=options.min_keypoint_score, radius=nms_radius(cell), limit=options.max_peaks
    )
    x, y = between_cells(joints, found) if options.subpixel else (found.columns, found.rows)
    points: Floats = np.empty((len(found), 3), np.float32)
    points[:, 0], points[:, 1], points[:, 2] = x, y, found.scores
    candidates = _candidates(points, found, pafs, options.min_affinity)
    groups = [
        members
        for members, score in _assembled(points, found.maps.tolist(), candidates, cell)
        if len(members) >= options.min_keypoints and score / len(members) >= options.min_score
    ]
    return _poses(groups, points, found, (size[0] / width, size[1] / height), size)


def upsampled(maps: Floats, factor: int) -> Floats:
    """(K, H, W) maps, ``factor`` times as fine, bicubic."""
    cv2 = require("cv2", extra="run")
    size = maps.shape[2] * factor, maps.shape[1] * factor
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in maps])


def nms_radius(cell: float) -> int:
    """How near two keypoints of a kind may lie, in cells of a map whose cells are ``cell`` times 8 px wide.

    6/7 of the cell that the network itself has: Open Model Zoo's measure.
    """
    return max(1, round(6 / 7 / cell))


@dataclass(frozen=True, eq=False, slots=True)
class _Candidates:
    """N pairs of peaks that may be limbs: the limb (an index of ``LIMBS``), two peaks, how well it fits."""

    limbs: NDArray[Any]
    starts: NDArray[Any]
    ends: NDArray[Any]
    scores: Floats
    lengths: Floats  # in cells

    def __getitem__(self, which: NDArray[Any]) -> _Candidates:
        return _Candidates(
            *(each[which] for each in (self.limbs, self.starts, self.ends, self.scores, self.lengths))
        )


def _assembled(
    points: Floats, kinds: list[int], candidates: _Candidates, cell: float
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
            if len(worth) > _MANY_TO_SETTLE:
                best = np.sort(np.argpartition(-worth, _MANY_TO_SETTLE)[:_MANY_TO_SETTLE])
                places, worth = places[best], worth[best]
            settled = _settled(start_keys[places].tolist(), end_keys[places].tolist(), worth.tolist())
            joined = candidates[places[np.sort(np.array(settled, np.int64))]]
            groups.join(joined)
            _pass_on(heights, joined)
    return groups.people()


def _pass_on(heights: Floats, joined: _Candidates) -> None:
    """Give the height of one end of each limb to the other, where that one has none yet."""
    one, other = heights[joined.starts], heights[joined.ends]
    heights[joined.starts] = np.where(np.isnan(one), other, one)
    heights[joined.ends] = np.where(np.isnan(other), one, other)


def _known(pairs: _Candidates, heights: Floats) -> NDArray[Any]:
    """(N,) whether of all pairs of the same limb one end at least belongs to somebody of known height."""
    unknown = np.isnan(heights[pairs.starts]) & np.isnan(heights[pairs.ends])
    known: NDArray[Any] = np.bincount(pairs.limbs, unknown, minlength=len(LIMBS))[pairs.limbs] == 0
    return known


def _worth(pairs: _Candidates, heights: Floats, cell: float) -> Floats:
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


def _candidates(points: Floats, found: Peaks, pafs: Floats, min_affinity: float) -> _Candidates:
    """The pairs that nine of ten samples of the field speak for."""
    counts = np.bincount(found.maps, minlength=JOINTS)
    # In parts that stay in the processor's cache: one part, unless there are hundreds of people.
    totals = np.cumsum(counts[_STARTS] * counts[_ENDS])
    with np.errstate(invalid="ignore"):  # infinities times zero: no number, and it speaks for nothing
        if totals[-1] <= _PAIRS_AT_ONCE:
            return _chosen(_pairs(points, counts, _ALL_LIMBS, pafs.shape), pafs, min_affinity)
        parts = totals // _PAIRS_AT_ONCE
        chosen = [
            _chosen(_pairs(points, counts, np.flatnonzero(parts == part), pafs.shape), pafs, min_affinity)
            for part in dict.fromkeys(parts.tolist())
        ]
    return _Candidates(
        *(
            np.concatenate([getattr(each, name) for each in chosen])
            for name in ("limbs", "starts", "ends", "scores", "lengths")
        )
    )


_PAIRS_AT_ONCE = 20_000
_ALL_LIMBS = np.arange(len(LIMBS))


def _chosen(pairs: _Pairs, pafs: Floats, min_affinity: float) -> _Candidates:
    failed: Any = 0
    for samples in _LOOKS:
        if len(pairs.limbs) < _MANY_TO_LOOK_AT:
            break
        failed = failed + pairs.against(pafs, samples, min_affinity)
        left = np.flatnonzero(failed < 2)  # indices: quicker than a mask
        pairs, failed = pairs[left], failed[left]
    along = pairs.along(pafs, _SHARES_OF_LIMB[:, None])
    agreeing = (along > min_affinity) & (along < np.inf)
    count = agreeing.sum(axis=0, dtype=np.float32)
    kept = np.flatnonzero(count >= ENOUGH)
    scores = np.where(agreeing[:, kept], along[:, kept], 0).sum(axis=0) / count[kept]
    return _Candidates(pairs.limbs[kept], pairs.starts[kept], pairs.ends[kept], scores, pairs.lengths[kept])


_SHARES_OF_LIMB = np.arange(SAMPLES, dtype=np.float32) / np.float32(SAMPLES - 1)
# With two samples against it a pair cannot reach nine of ten. Of many pairs most end at the first look; the
# others are for maps of noise, and a few pairs are quicker looked at in full.
_LOOKS = ((3, 6), (1, 8), (0, 2), (4, 9))
_MANY_TO_LOOK_AT = 1000


@dataclass(frozen=True, eq=False, slots=True)
class _Pairs:
    """N pairs of peaks that a limb may join: whose, where they begin, where they lead to, in cells."""

    limbs: NDArray[Any]
    starts: NDArray[Any]
    ends: NDArray[Any]
    channels: NDArray[Any]  # the flat index of the limb's field
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    lengths: Floats

    def __getitem__(self, which: NDArray[Any]) -> _Pairs:
        return _Pairs(
            *(self.limbs.take(which), self.starts.take(which), self.ends.take(which)),
            *(self.channels.take(which), self.x.take(which), self.y.take(which)),
            *(self.dx.take(which), self.dy.take(which), self.lengths.take(which)),
        )

    def along(self, pafs: Floats, share: Any) -> Floats:
        """(..., N) the field in the direction of each pair, at a share of its way."""
        height, width = pafs.shape[1:]
        # Half up, not half to even: points are seldom between two cells, and truncation is quick.
        columns = (share * self.dx + (self.x + _HALF)).astype(np.int32)
        rows = (share * self.dy + (self.y + _HALF)).astype(np.int32)
        place = rows * np.int32(width) + columns + self.channels
        flat = pafs.reshape(-1)
        along: Floats = flat.take(place) * self.dx + flat[height * width :].take(place) * self.dy
        along /= self.lengths + np.float32(1e-6)
        return along

    def against(self, pafs: Floats, samples: tuple[int, int], min_affinity: float) -> NDArray[Any]:
        """(N,) how many of two samples do not speak for the pair."""
        one, other = (self.along(pafs, _SHARES_OF_LIMB[sample]) for sample in samples)
        # Not <=: what is no number speaks for nothing.
        failed: NDArray[Any] = 2 - (one > min_affinity).view(np.int8) - (other > min_affinity).view(np.int8)
        return failed


_HALF = np.float32(0.5)


def _pairs(points: Floats, counts: NDArray[Any], limbs: NDArray[Any], shape: tuple[int, ...]) -> _Pairs:
    """All pairs of peaks that a limb may join, limb by limb.

    Args:
        points: (N, 3) x, y in cells and score, joint by joint.
        counts: (18,) how many peaks there are of each joint.
        limbs: which of ``LIMBS``.
        shape: of the field.
    """
    _, height, width = shape
    # Between the cells may be beyond the border.
    x = np.minimum(np.maximum(points[:, 0], 0), np.float32(width - 1))
    y = np.minimum(np.maximum(points[:, 1], 0), np.float32(height - 1))
    first = np.cumsum(counts) - counts
    # A row for each first peak of a limb, then a pair for each second one.
    joints = _STARTS[limbs]
    row_counts = counts[joints]
    row_limbs = np.repeat(limbs.astype(np.int32), row_counts)
    row_starts = np.arange(len(row_limbs)) + np.repeat(
        first[joints] - np.cumsum(row_counts) + row_counts, row_counts
    )
    sizes = counts[_ENDS][row_limbs]
    ends = np.repeat((first[_ENDS][row_limbs] - np.cumsum(sizes) + sizes).astype(np.int32), sizes)
    ends += np.arange(len(ends), dtype=np.int32)
    start_x, start_y = x.take(row_starts).repeat(sizes), y.take(row_starts).repeat(sizes)
    dx, dy = x.take(ends) - start_x, y.take(ends) - start_y
    return _Pairs(
        limbs=np.repeat(row_limbs, sizes),
        starts=np.repeat(row_starts.astype(np.int32), sizes),
        ends=ends,
        channels=np.repeat((_CHANNELS[row_limbs] * (height * width)).astype(np.int32), sizes),
        x=start_x,
        y=start_y,
        dx=dx,
        dy=dy,
        lengths=np.sqrt(dx * dx + dy * dy),
    )


def _settled(starts: list[int], ends: list[int], worth: list[float]) -> list[int]:
    """The places of the pairs that are worth most together, none sharing a start or an end."""
    settled: list[int] = []
    hopeless = len(worth) > _HOPELESS
    for component in _components(starts, ends):
        rows: dict[int, list[_Pair]] = {}
        for place in component:
            rows.setdefault(starts[place], []).append((worth[place], ends[place], place))
        solve = _tried if len(component) <= _FEW else _first_best if hopeless else _assigned
        settled += solve(list(rows.values()))
    return settled


# Thirty people in a crowd leave some 500 in dispute, noise any number: then the exact answer is not worth its
# time, and in the end not all are worth a look.
_HOPELESS = 1500
_MANY_TO_SETTLE = 3000

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
    return [places[both] for both in enumerate(assign(costs)) if both in places]


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
            one += other
            component_of.update({("start", starts[each]): one for each in other})
            component_of.update({("end", ends[each]): one for each in other})
        one.append(place)
    return list({id(component): component for component in component_of.values()}.values())


class _Groups:
    """People in the making: which peaks belong together."""

    def __init__(self, scores: list[float], kinds: list[int]) -> None:
        self._scores, self._kinds = scores, kinds
        self._group_of: dict[int, dict[int, int]] = {}  # by peak: the peak of each kind
        self._totals: dict[int, float] = {}  # by the group's id
        self._joined: list[_Candidates] = []

    def join(self, limbs: _Candidates) -> None:
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


def _poses(
    groups: list[list[int]], points: Floats, found: Peaks, stride: tuple[float, float], size: Size
) -> list[Pose]:
    keypoints: Floats = np.zeros((len(groups), JOINTS, 3), np.float32)
    members = np.array([peak for group in groups for peak in group], np.int64)
    owners = [number for number, group in enumerate(groups) for _ in group]
    placed = points[members]
    placed[:, :2] += _HALF
    placed[:, :2] *= np.array(stride, np.float32)
    keypoints[np.array(owners, np.int64), found.maps[members]] = placed
    scores = np.minimum(keypoints[:, :, 2].sum(axis=1) / np.float32(JOINTS), 1)
    order = np.argsort(-scores, kind="stable")
    return people(keypoints[order], scores[order], SKELETON, size)
