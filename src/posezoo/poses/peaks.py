"""Local maxima of heatmaps, refined to subpixel positions.

Positions are in cells of the map: the center of cell (0, 0) is (0, 0), so the map extends from -0.5
to width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from posezoo.core.arrays import Array, Floats, Ints
from posezoo.core.errors import import_cv2

# Limits for values before a logarithm is computed. TINY is below any score that counts.
TINY = np.float32(1e-6)
HUGE = np.float32(1e6)


@dataclass(frozen=True, eq=False, slots=True)
class Peaks:
    """N peaks, map by map, the highest of each map first.

    Attributes:
        maps: (N,) the index of each peak's map, ascending.
        columns, rows: (N,) the cell of each peak.
        scores: (N,) float32, the map's value in that cell.
    """

    maps: Ints
    columns: Ints
    rows: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def with_finite_tags(self, tags: Floats) -> Peaks:
        """The peaks at which all values of ``tags``, (K, H, W, T), are finite."""
        is_finite = np.isfinite(tags[self.maps, self.rows, self.columns]).all(axis=1)
        if is_finite.all():
            return self
        return Peaks(*(getattr(self, name)[is_finite] for name in self.__slots__))


def find_peaks(
    maps: Floats, *, threshold: float, radius: int, limit: int, negated: bool = False
) -> Peaks:
    """Non-maximum suppression: cells above a threshold that are the highest in the square around
    them.

    If cells are equal, the first one is the peak.

    Args:
        maps: (K, H, W) float32.
        threshold: lower or equal values are not peaks.
        radius: of the square, in cells: 1 for 3 x 3.
        limit: the maximum number of peaks in a map; the highest are kept.
        negated: whether the network may already have inverted the sign of all cells except the
            peaks.
    """
    if negated:
        cells = np.flatnonzero(maps > threshold)
        # On a hill the cell to the right of a high cell cannot be below 0, so its sign was
        # inverted.
        right = maps.reshape(-1)[np.minimum(cells + 1, maps.size - 1)]
        if (right < 0).sum() > len(cells) / 2:
            return select_highest(maps, cells, limit)
    # A margin at the right and at the bottom is enough: a step to the left of a row ends in the
    # margin of the row above. A step up from the first map is a negative index, which ends in the
    # margin of the last map.
    count, height, width = maps.shape
    padded = np.full((count, height + radius, width + radius), -np.inf, np.float32)
    padded[:, :height, :width] = maps
    # First find maxima of 3 x 3 cells, of which there are few; then compare these with the whole
    # square.
    cv2 = import_cv2()
    surface = padded.reshape(-1, width + radius)
    highest = cv2.dilate(surface, _THREE_BY_THREE)
    is_peak = (surface == highest) & (surface > threshold)
    cells = is_peak.reshape(-1).nonzero()[0]
    earlier, later = _around(width + radius, radius)
    flat = surface.reshape(-1)
    if radius > 1:
        near = flat[cells[:, None] + later]
        cells = cells[flat[cells] >= near.max(axis=1, initial=-np.inf)]
    near = flat[cells[:, None] + earlier]
    cells = cells[flat[cells] > near.max(axis=1, initial=-np.inf)]
    return select_highest(padded, cells, limit)  # columns and rows are the same without the margin


@lru_cache(maxsize=16)
def _around(pitch: int, radius: int) -> tuple[Ints, Ints]:
    """Index offsets from a cell to the earlier cells of its square, and to itself and the later
    cells.
    """
    steps = np.arange(-radius, radius + 1)
    around = (steps[:, None] * pitch + steps).reshape(-1)
    half = len(around) // 2
    return around[:half], around[half:]


def select_highest(maps: Floats, cells: Ints, limit: int) -> Peaks:
    """The ``limit`` highest of the given cells of each map, in descending order, without infinite
    values.

    ``cells`` are ascending flat indices, (N,), of maps (K, H, W).
    """
    scores = maps.reshape(-1)[cells]
    if len(cells) and scores.max() == np.inf:
        cells = cells[scores < np.inf]
        scores = scores[scores < np.inf]
    line, column = np.divmod(cells, maps.shape[2])
    kind, row = np.divmod(line, maps.shape[1])
    order = np.lexsort((-scores, kind))
    if len(order) > limit:
        ordered = kind[order]
        ranks = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        order = order[ranks < limit]
    return Peaks(kind[order], column[order], row[order], scores[order])


_THREE_BY_THREE = np.ones((3, 3), np.uint8)


def locate_peaks(maps: Floats, peaks: Peaks, *, subpixel: bool) -> Floats:
    """(N, 3): x and y of the peaks in cells, and their scores."""
    x: Array = peaks.columns
    y: Array = peaks.rows
    if subpixel:
        x, y = refine_subpixel(maps, peaks)
    return np.stack([x, y, peaks.scores], axis=1, dtype=np.float32)


def refine_subpixel(maps: Floats, peaks: Peaks) -> tuple[Floats, Floats]:
    """x and y of the peaks, each (N,): the maximum of a Gaussian through a peak and its neighbors.

    The logarithm of a Gaussian is a parabola, which three values define: ``d = (l - r) / 2 (l - 2 c
    + r)`` (as in S. Bailey, "Sub-pixel estimation of local extrema", 2003). At the border of the
    map, where a neighbor is missing, the curvature of the other axis is used. The signs of the
    values do not matter.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(-1)
    here = (peaks.maps * height + peaks.rows) * width + peaks.columns
    # The rows: the neighbors before in x and y, those after in x and y, and the peaks themselves.
    # For neighbors outside the map this reads an unrelated cell, which is replaced below.
    around = (here + np.array([[-1], [-width], [1], [width], [0]])) % len(flat)
    # fmax and fmin ignore NaN.
    values = np.fmax(np.abs(flat.take(around)), TINY)
    logs = np.log(np.fmin(values, HUGE))
    before = logs[:2] - logs[4]
    after = logs[2:4] - logs[4]
    cells = np.array([peaks.columns, peaks.rows])
    last = np.array([[width - 1], [height - 1]])
    if (cells % np.maximum(last, 1) == 0).any():
        # Replace neighbors outside the map, so that the curvature is the same as on the other axis.
        at_start = cells == 0
        at_end = cells == last
        bends = before + after
        bends = np.where(at_start | at_end, bends[::-1], bends)
        before[at_start] = (bends - after)[at_start]
        after[at_end] = (bends - before)[at_end]
    # The maximum of the parabola through (-1, before), (0, 0), (1, after) is at most half a cell
    # away.
    bend = np.minimum(before + after, -TINY)
    offsets = np.float32(0.5) * (before - after) / bend
    x, y = cells + offsets.clip(-0.5, 0.5)
    return x, y


def upsample(maps: Floats, factor: int) -> Floats:
    """Maps (K, H, W) with ``factor`` times the resolution, by bicubic interpolation."""
    cv2 = import_cv2()
    size = maps.shape[2] * factor, maps.shape[1] * factor
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in maps])


#: The step of ``quarter_offset``, in cells, and the first column and row in which it is taken.
QUARTER = 0.25
FIRST_INSIDE = 2


def quarter_offset(maps: Floats, kinds: Ints, x: Ints, y: Ints) -> Floats:
    """(N, 2): offsets of a quarter cell towards the higher neighbors; 0 if both neighbors are
    equal, in the first two columns and rows, and in the last ones.

    Args:
        maps: (K, H, W).
        kinds, x, y: (N,) the map, column and row of each cell.
    """
    height, width = maps.shape[1:]
    inside = (x >= FIRST_INSIDE) & (x < width - 1)
    inside &= (y >= FIRST_INSIDE) & (y < height - 1)
    offsets = np.zeros((len(x), 2), np.float32)
    kinds = kinds[inside]
    x = x[inside]
    y = y[inside]
    offsets[inside, 0] = np.sign(maps[kinds, y, x + 1] - maps[kinds, y, x - 1])
    offsets[inside, 1] = np.sign(maps[kinds, y + 1, x] - maps[kinds, y - 1, x])
    offsets *= np.float32(QUARTER)
    return offsets
