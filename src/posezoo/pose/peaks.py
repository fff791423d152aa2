"""Where maps have their hills: local maxima, placed between the cells.

Places are counted in cells of the map: cell (0, 0) has its centre at (0, 0), so that the map reaches from
-0.5 to width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import import_optional
from posezoo.pose.keypoints import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Below any score that counts, and small enough to have a logarithm.
_TINY = np.float32(1e-6)
_HUGE = np.float32(1e6)


@dataclass(frozen=True, eq=False, slots=True)
class Peaks:
    """N peaks, map by map, the highest of each map first.

    Attributes:
        maps: (N,) which map each lies in, ascending.
        columns, rows: (N,) the cell.
        scores: (N,) float32, the map's value there.
    """

    maps: Ints
    columns: Ints
    rows: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def with_finite_tags(self, tags: Floats) -> Peaks:
        """Those where tags, (K, H, W, T), are numbers."""
        fine = np.isfinite(tags[self.maps, self.rows, self.columns]).all(axis=1)
        if fine.all():
            return self
        return Peaks(self.maps[fine], self.columns[fine], self.rows[fine], self.scores[fine])


def find_peaks(maps: Floats, *, threshold: float, radius: int, limit: int, negated: bool = False) -> Peaks:
    """The cells above a threshold that are the highest in the square around them; of equals, the first.

    Args:
        maps: (K, H, W) float32.
        threshold: values up to here are no peaks.
        radius: of the square, in cells: 1 for 3 x 3.
        limit: how many peaks a map may have, the highest.
        negated: the network may have turned the sign of all cells but the peaks already.
    """
    if negated:
        found = np.flatnonzero(maps > threshold)
        if _signs_are_turned(maps, found):
            return select_highest(maps, found, limit)
    padded = _padded(maps, radius)
    found = _maxima(padded, threshold, radius)
    line, column = np.divmod(found, padded.shape[2])
    kind, row = np.divmod(line, padded.shape[1])
    return select_highest(maps, (kind * maps.shape[1] + row) * maps.shape[2] + column, limit)


@lru_cache(maxsize=16)
def _around(pitch: int, radius: int) -> tuple[Ints, Ints]:
    """The steps from a cell to those of its square that come before it, and to itself and those after."""
    steps = np.arange(-radius, radius + 1)
    around: Ints = (steps[:, None] * pitch + steps).reshape(-1)
    half = len(around) // 2
    return around[:half], around[half:]


def select_highest(maps: Floats, found: Ints, limit: int) -> Peaks:
    """The highest of some cells of each map, surest first; infinite ones are left out.

    Args:
        maps: (K, H, W).
        found: (N,) flat indices of cells, ascending.
        limit: how many a map may have.
    """
    scores = maps.reshape(-1)[found]
    if len(found) and scores.max() == np.inf:
        found, scores = found[scores < np.inf], scores[scores < np.inf]
    line, column = np.divmod(found, maps.shape[2])
    kind, row = np.divmod(line, maps.shape[1])
    order = np.lexsort((-scores, kind))
    if len(order) > limit:
        ordered = kind[order]
        order = order[np.arange(len(order)) - np.searchsorted(ordered, ordered) < limit]
    return Peaks(kind[order], column[order], row[order], scores[order])


def _signs_are_turned(maps: Floats, found: Ints) -> bool:
    """Whether the cell to the right of a high one is below zero, which it cannot be on a hill."""
    flat = maps.reshape(-1)
    return bool((flat[np.minimum(found + 1, len(flat) - 1)] < 0).sum() > len(found) / 2)


def _padded(maps: Floats, radius: int) -> Floats:
    """The maps with lower values to the right and below.

    One side is enough: a step to the left of a row ends in the margin of the one above, and a step up from
    the first map, a negative index, in that of the last.
    """
    count, height, width = maps.shape
    padded: Floats = np.full((count, height + radius, width + radius), -np.inf, np.float32)
    padded[:, :height, :width] = maps
    return padded


_THREE_BY_THREE = np.ones((3, 3), np.uint8)


def _maxima(padded: Floats, threshold: float, radius: int) -> Ints:
    """Flat indices of the maxima: first of 3 x 3 cells, which leaves few, then of the whole square."""
    cv2 = import_optional("cv2", extra="run")
    pitch = padded.shape[2]
    surface = padded.reshape(-1, pitch)
    highest = cv2.dilate(surface, _THREE_BY_THREE)
    found: Ints = ((surface == highest) & (surface > threshold)).reshape(-1).nonzero()[0]
    earlier, later = _around(pitch, radius)
    flat = surface.reshape(-1)
    if radius > 1:
        near = flat[found[:, None] + later]
        found = found[flat[found] >= near.max(axis=1, initial=-np.inf)]
    near = flat[found[:, None] + earlier]
    maxima: Ints = found[flat[found] > near.max(axis=1, initial=-np.inf)]
    return maxima


def refine_subpixel(maps: Floats, found: Peaks) -> tuple[Floats, Floats]:
    """x and y of the peaks, each (N,): where a Gaussian through a peak and its neighbours has its top.

    The logarithm of a Gaussian is a parabola, and three values make one: ``d = (l - r) / 2 (l - 2 c + r)``
    (as in S. Bailey, "Sub-pixel estimation of local extrema", 2003). At the border of the map, where a
    neighbour is missing, the other axis lends its curvature. The signs of the values do not matter.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(-1)
    here = (found.maps * height + found.rows) * width + found.columns
    # What lies beyond the border is any other cell here, and replaced below.
    around = (here + np.array([[-1], [-width], [1], [width], [0]])) % len(flat)
    logs = _log(flat.take(around))
    before, after = logs[:2] - logs[4], logs[2:4] - logs[4]
    cells, last = np.array([found.columns, found.rows]), np.array([[width - 1], [height - 1]])
    if (cells % np.maximum(last, 1) == 0).any():
        _complete(cells == 0, cells == last, before, after)
    x, y = cells + _summit(before, after)
    return x, y


def _complete(at_start: Flags, at_end: Flags, before: Floats, after: Floats) -> None:
    """Replace neighbours beyond the border by what makes the parabola as narrow as the other axis'.

    Args:
        at_start: (2, N), by axis: whether the cell before is missing.
        at_end: (2, N): whether the cell after is missing.
        before: (2, N) how much higher the neighbours are, changed in place.
        after: the same.
    """
    bends = before + after
    bends = np.where(at_start | at_end, bends[::-1], bends)
    before[at_start] = (bends - after)[at_start]
    after[at_end] = (bends - before)[at_end]


def _log(values: Floats) -> Floats:
    # fmax and fmin take the number where the other is none.
    logs: Floats = np.log(np.fmin(np.fmax(np.abs(values), _TINY), _HUGE))
    return logs


def _summit(before: Floats, after: Floats) -> Floats:
    """Where the parabola through (-1, before), (0, 0), (1, after) has its top, at most half a cell away."""
    bend = np.minimum(before + after, -_TINY)
    summit: Floats = (np.float32(0.5) * (before - after) / bend).clip(-0.5, 0.5)
    return summit


def upsample(maps: Floats, factor: int) -> Floats:
    """(K, H, W) maps, ``factor`` times as fine, bicubic."""
    cv2 = import_optional("cv2", extra="run")
    size = maps.shape[2] * factor, maps.shape[1] * factor
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in maps])
