"""Local maxima of heatmaps, refined between the cells.

Positions are in cells of the map: the center of cell (0, 0) is (0, 0), so that the map reaches from -0.5 to
width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import import_optional
from posezoo.pose.keypoints import Floats

Ints = NDArray[np.int64]

# Below any score that counts, and small enough to have a logarithm.
_TINY = np.float32(1e-6)
_HUGE = np.float32(1e6)


@dataclass(frozen=True, eq=False, slots=True)
class Peaks:
    """N peaks, map by map, the highest of each map first.

    Attributes:
        maps: (N,) the map of each, ascending.
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
        """The peaks at which all tags, (K, H, W, T), are finite."""
        is_finite = np.isfinite(tags[self.maps, self.rows, self.columns]).all(axis=1)
        if is_finite.all():
            return self
        return Peaks(
            self.maps[is_finite], self.columns[is_finite], self.rows[is_finite], self.scores[is_finite]
        )


def find_peaks(maps: Floats, *, threshold: float, radius: int, limit: int, negated: bool = False) -> Peaks:
    """Non-maximum suppression: cells above a threshold that are the highest in the square around them.

    Of equal cells, the first one counts.

    Args:
        maps: (K, H, W) float32.
        threshold: lower or equal values are not peaks.
        radius: of the square, in cells: 1 for 3 x 3.
        limit: the most peaks of a map; the highest are kept.
        negated: the network may already have turned the sign of all cells but the peaks.
    """
    if negated:
        cells = np.flatnonzero(maps > threshold)
        # The cell to the right of a high one cannot be below 0 on a hill.
        right = maps.reshape(-1)[np.minimum(cells + 1, maps.size - 1)]
        if (right < 0).sum() > len(cells) / 2:
            return select_highest(maps, cells, limit)
    # Lower values to the right and below are enough: a step to the left of a row ends in the margin of the
    # one above, and a step up from the first map, a negative index, in that of the last.
    count, height, width = maps.shape
    padded: Floats = np.full((count, height + radius, width + radius), -np.inf, np.float32)
    padded[:, :height, :width] = maps
    # Maxima of 3 x 3 cells first, which leaves few; then of the whole square.
    cv2 = import_optional("cv2", extra="run")
    surface = padded.reshape(-1, width + radius)
    highest = cv2.dilate(surface, _THREE_BY_THREE)
    cells = ((surface == highest) & (surface > threshold)).reshape(-1).nonzero()[0]
    earlier, later = _around(width + radius, radius)
    flat = surface.reshape(-1)
    if radius > 1:
        near = flat[cells[:, None] + later]
        cells = cells[flat[cells] >= near.max(axis=1, initial=-np.inf)]
    near = flat[cells[:, None] + earlier]
    cells = cells[flat[cells] > near.max(axis=1, initial=-np.inf)]
    line, column = np.divmod(cells, padded.shape[2])
    kind, row = np.divmod(line, padded.shape[1])
    return select_highest(maps, (kind * height + row) * width + column, limit)


@lru_cache(maxsize=16)
def _around(pitch: int, radius: int) -> tuple[Ints, Ints]:
    """Index offsets from a cell to the cells of its square before it, and to itself and those after."""
    steps = np.arange(-radius, radius + 1)
    around: Ints = (steps[:, None] * pitch + steps).reshape(-1)
    half = len(around) // 2
    return around[:half], around[half:]


def select_highest(maps: Floats, cells: Ints, limit: int) -> Peaks:
    """The highest of some cells of each map, in descending order; infinite ones are left out.

    Args:
        maps: (K, H, W).
        cells: (N,) flat indices of cells, ascending.
        limit: the most peaks of a map.
    """
    scores = maps.reshape(-1)[cells]
    if len(cells) and scores.max() == np.inf:
        cells, scores = cells[scores < np.inf], scores[scores < np.inf]
    line, column = np.divmod(cells, maps.shape[2])
    kind, row = np.divmod(line, maps.shape[1])
    order = np.lexsort((-scores, kind))
    if len(order) > limit:
        ordered = kind[order]
        order = order[np.arange(len(order)) - np.searchsorted(ordered, ordered) < limit]
    return Peaks(kind[order], column[order], row[order], scores[order])


_THREE_BY_THREE = np.ones((3, 3), np.uint8)


def refine_subpixel(maps: Floats, peaks: Peaks) -> tuple[Floats, Floats]:
    """x and y of the peaks, each (N,): the maximum of a Gaussian through a peak and its neighbors.

    The logarithm of a Gaussian is a parabola, which three values define: ``d = (l - r) / 2 (l - 2 c + r)``
    (as in S. Bailey, "Sub-pixel estimation of local extrema", 2003). At the border of the map, where a
    neighbor is missing, the curvature of the other axis is used. The signs of the values do not matter.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(-1)
    here = (peaks.maps * height + peaks.rows) * width + peaks.columns
    # Beyond the border this takes some other cell, which is replaced below.
    around = (here + np.array([[-1], [-width], [1], [width], [0]])) % len(flat)
    # fmax and fmin ignore NaN.
    logs = np.log(np.fmin(np.fmax(np.abs(flat.take(around)), _TINY), _HUGE))
    before, after = logs[:2] - logs[4], logs[2:4] - logs[4]
    cells, last = np.array([peaks.columns, peaks.rows]), np.array([[width - 1], [height - 1]])
    if (cells % np.maximum(last, 1) == 0).any():
        # Replace neighbors beyond the border, so that the parabola is as narrow as the other axis'.
        at_start, at_end = cells == 0, cells == last
        bends = before + after
        bends = np.where(at_start | at_end, bends[::-1], bends)
        before[at_start] = (bends - after)[at_start]
        after[at_end] = (bends - before)[at_end]
    # The top of the parabola through (-1, before), (0, 0), (1, after) is at most half a cell away.
    bend = np.minimum(before + after, -_TINY)
    x, y = cells + (np.float32(0.5) * (before - after) / bend).clip(-0.5, 0.5)
    return x, y


def upsample(maps: Floats, factor: int) -> Floats:
    """(K, H, W) maps, ``factor`` times as fine, bicubic."""
    cv2 = import_optional("cv2", extra="run")
    size = maps.shape[2] * factor, maps.shape[1] * factor
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in maps])


def quarter_offset(maps: Floats, kinds: Ints, x: Ints, y: Ints) -> Floats:
    """(N, 2): a quarter of a cell towards the higher neighbours; none near a border or between equals.

    Args:
        maps: (K, H, W).
        kinds: (N,) the map of each cell.
        x: (N,) its column.
        y: (N,) its row.
    """
    height, width = maps.shape[1:]
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    offsets: Floats = np.zeros((len(x), 2), np.float32)
    kinds, x, y = kinds[inside], x[inside], y[inside]
    offsets[inside, 0] = np.sign(maps[kinds, y, x + 1] - maps[kinds, y, x - 1])
    offsets[inside, 1] = np.sign(maps[kinds, y + 1, x] - maps[kinds, y - 1, x])
    offsets *= np.float32(0.25)
    return offsets
