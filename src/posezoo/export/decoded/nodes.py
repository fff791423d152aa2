"""Nodes that several decoders in a graph use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from posezoo.core.ir.openvino_graph import Node
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.core.ir.openvino_import import static_sizes
from posezoo.poses.letterbox import Size

#: The outputs of a network, by role.
Maps = Mapping[str, Node]

TwoNodes = tuple[Node, Node]

#: The most boxes that ``pick_apart`` finds: there are as many steps in the graph.
MOST_BOXES = 256

#: The rank of a box that is none. FP16 has this number.
NO_BOX = -30000

#: Larger values are inf or nan.
_LARGEST = float(np.finfo(np.float32).max)


def constant(values: ArrayLike) -> Node:
    """A constant f32 that keeps its values in an IR in FP16: what is rounded away is a second
    constant.
    """
    exact = np.asarray(values, np.float32)
    with np.errstate(over="ignore"):
        coarse = exact.astype(np.float16).astype(np.float32)
    rest = exact - coarse
    if not np.isfinite(coarse).all() or not rest.any():
        return ops.constant(exact)
    return ops.constant(coarse) + ops.constant(rest)


def integers(values: ArrayLike) -> Node:
    """A constant i32."""
    return ops.constant(np.asarray(values, np.int32))


def to_float(node: Node) -> Node:
    """The values as f32."""
    if node.get_element_type().to_string() == "f32":
        return node
    return ops.convert(node, "f32")


def is_above(values: Node, limit: ArrayLike) -> Node:
    """Whether values f32 are greater than a constant."""
    return ops.greater(values, constant(limit))


def is_at_least(values: Node, limit: ArrayLike) -> Node:
    """Whether values f32 are a constant, or greater."""
    return ops.greater_equal(values, constant(limit))


def are_all(*conditions: Node) -> Node:
    """Where all of these conditions hold."""
    return reduce(ops.logical_and, conditions)


def keep_where(condition: Node, values: Node) -> Node:
    """The values where a condition holds, and 0 elsewhere."""
    return ops.select(condition, values, constant(0))


def sum_over(values: Node, *axes: int) -> Node:
    """The sums of values over these axes."""
    return ops.reduce_sum(values, integers(axes))


def reshape(values: Node, sides: Sequence[int]) -> Node:
    """The values with other sides, of which -1 is computed."""
    return ops.reshape(values, integers(sides), False)


def unsqueeze(values: Node, axes: ArrayLike) -> Node:
    """The values with further axes of length 1."""
    return ops.unsqueeze(values, integers(axes))


def stack(values: Sequence[Node], axis: int) -> Node:
    """The values, side by side along a new axis."""
    return ops.concat([unsqueeze(each, axis) for each in values], axis)


def without_batch(values: Node) -> Node:
    """The values of the only image of a batch."""
    return ops.squeeze(values, integers([0]))


def find_maximum(rows: Node) -> TwoNodes:
    """Of rows (N, L): the index of the first maximum, i32 (N, 1), and its value, (N, 1)."""
    return _rank(rows, 1, 1)


def _rank(values: Node, count: int, axis: int) -> TwoNodes:
    """The indices and the values of the highest, in descending order; equal ones in their order."""
    best = ops.topk(
        values, integers(count), axis, "max", sort="value", index_element_type="i32", stable=True
    )
    return best.output(1), best.output(0)


def select_highest(scores: Node, limit: int) -> TwoNodes:
    """The indices and values of the highest scores, (N,), in descending order; equal ones in their
    order.

    Args:
        scores: of all that the network finds.
        limit: N; 0 for all, whose number is then known.

    Raises:
        ValueError: there are not this many.
    """
    (count,) = static_sizes(scores.get_output_partial_shape(0))
    if 0 <= count < limit:
        raise ValueError(f"finds at most {count} people, so --max_people {limit} cannot be used")
    return _rank(scores, limit or count, 0)


def select_rows(values: Node, scores: Node, limit: int) -> TwoNodes:
    """The rows (N, ...) with the highest scores (N,): (limit, ...), of which the last are zeros if
    there are fewer.
    """
    sides = static_sizes(values.get_output_partial_shape(0))[1:]
    no_rows = constant(np.zeros((limit, *sides)))
    no_scores = constant(np.zeros(limit))
    padded = ops.concat([values, no_rows], 0)
    order, best = select_highest(ops.concat([scores, no_scores], 0), limit)
    return take(padded, order, 0), best


def pick_boxes_apart(
    boxes: Node, ranks: Node, max_overlap: float, count: int, classes: Node | None = None
) -> TwoNodes:
    """As ``pick_apart``, for boxes (N, 4) with their ranks (N,)."""
    sides = [unsqueeze(take(boxes, side, 1), [0]) for side in range(4)]
    return pick_apart(sides, unsqueeze(ranks, [0]), max_overlap, count, classes)


def pick_apart(
    sides: Sequence[Node],
    ranks: Node,
    max_overlap: float,
    count: int,
    classes: Node | None = None,
) -> TwoNodes:
    """The indices and ranks, (count,), of the best boxes that do not overlap a better one; a rank
    is NO_BOX if there is no further box.

    Args:
        sides: left, top, right and bottom of the boxes, (1, N) each.
        ranks: (1, N), NO_BOX for boxes that are left out.
        max_overlap: the largest intersection over union with a better box.
        classes: (1, N): boxes of different classes may overlap; None: there is one class.

    Raises:
        ValueError: the graph would be too large.
    """
    if count > MOST_BOXES:
        raise ValueError(
            f"finds at most {MOST_BOXES} people, so --max_people {count} cannot be used"
        )
    areas = _area(*sides)
    table = ops.concat([*sides, areas], 0)
    none = constant(NO_BOX)
    limit = constant(max_overlap)
    length = ranks.shape[1]
    every = constant([range(length)])
    last = constant(length - 1)
    picked = []
    highest = []
    # The highest of those that are left; those that overlap it are then removed.
    for _ in range(count):
        # Few nodes, since each costs more than its computation; TopK would take longer than two
        # reductions.
        rank = ops.reduce_max(ranks, integers([1]))
        candidates = ops.select(ops.equal(ranks, rank), every, last)
        first = ops.reduce_min(candidates, integers([1]))
        place = ops.convert(first, "i32")
        picked.append(place)
        highest.append(rank)
        best = take(table, place, 1)
        *corners, area = ops.split(best, integers(0), 5).outputs()
        common = _common_area(sides, corners)
        union = ops.add(areas, area) - common
        is_apart = ops.less_equal(common, union * limit)
        if classes is not None:
            is_other = ops.not_equal(classes, take(classes, place, 1))
            is_apart = ops.logical_or(is_apart, is_other)
        is_left = are_all(is_apart, ops.not_equal(every, first))
        ranks = ops.select(is_left, ranks, none)
    return ops.concat(picked, 0), ops.concat(highest, 0)


def find_groups(sides: Sequence[Node], picked: Node, max_overlap: float) -> Node:
    """(count, N) bool: the boxes that each box of ``pick_apart`` removed, and itself.

    Args:
        sides: left, top, right and bottom of the boxes, (1, N) each.
        picked: the indices of the boxes that are apart, (count,), best first.
        max_overlap: as for ``pick_apart``.
    """
    corners = [reshape(take(side, picked, 1), [-1, 1]) for side in sides]
    common = _common_area(sides, corners)
    union = ops.add(_area(*sides), _area(*corners)) - common
    overlaps = ops.greater(common, union * constant(max_overlap))
    # Those that a better one removed are gone.
    earlier = ops.cumsum(to_float(overlaps), integers(0), exclusive=True)
    is_removed = are_all(overlaps, ops.equal(earlier, constant(0)))
    every = integers([range(sides[0].shape[1])])
    return ops.logical_or(is_removed, ops.equal(unsqueeze(picked, [1]), every))


def _common_area(sides: Sequence[Node], others: Sequence[Node]) -> Node:
    low = [ops.maximum(one, other) for one, other in zip(sides[:2], others[:2], strict=True)]
    high = [ops.minimum(one, other) for one, other in zip(sides[2:], others[2:], strict=True)]
    return _area(*low, *high)


def _area(left: Node, top: Node, right: Node, bottom: Node) -> Node:
    """The areas of boxes; 0 of those that are inside out."""
    return ops.relu(right - left) * ops.relu(bottom - top)


def box_corners(centers: Node, halves: Node) -> Node:
    """Boxes (N, 4) from their centers and half their sides, (N, 2)."""
    return ops.concat([centers - halves, centers + halves], 1)


def clip_boxes(boxes: Node, size: Size) -> TwoNodes:
    """The parts of boxes (N, 4) inside an image of this width and height; and whether they have a
    size, (N,).
    """
    zero = constant(0)
    inside = ops.minimum(ops.maximum(boxes, zero), constant([*size, *size]))
    spans = take(inside, [2, 3], 1) - take(inside, [0, 1], 1)
    has_sides = ops.greater(spans, zero)
    return inside, ops.reduce_logical_and(has_sides, integers([1]))


def take(values: Node, indices: ArrayLike | Node, axis: int) -> Node:
    """The values at these indices of an axis."""
    if not hasattr(indices, "get_element_type"):
        indices = integers(indices)
    return ops.gather(values, indices, integers(axis))


def are_finite(values: Node) -> Node:
    """(N,) bool: whether all values of a row (N, ...) are finite."""
    is_finite = ops.less_equal(ops.abs(values), constant(_LARGEST))
    axes = range(1, len(is_finite.get_output_partial_shape(0)))  # N may not be known
    return ops.reduce_logical_and(is_finite, integers(axes)) if axes else is_finite


def blank_unsound(maps: Node) -> Node:
    """As ``poses.keypoints.blank_unsound``."""
    axes = range(1, len(maps.shape))
    return keep_where(unsqueeze(are_finite(maps), axes), maps)


def keep_people(values: Node, scores: Node, min_score: float) -> TwoNodes:
    """Set people with lower scores or values that are not finite, and keypoints without a score, to
    0; and scores of keypoints above 1 to 1.

    Args:
        values: (N, K, 3) keypoints, or (N, 4) boxes.
        scores: (N,).
    """
    axes = range(1, len(values.shape))
    is_kept = are_all(is_at_least(scores, min_score), are_finite(values))
    is_found = unsqueeze(is_kept, axes)
    if len(axes) == 2:
        point_scores = take(values, [2], 2)
        is_found = are_all(is_found, is_above(point_scores, 0))
        values = ops.concat(
            [take(values, [0, 1], 2), ops.minimum(point_scores, constant(1))], axis=2
        )
    return keep_where(is_found, values), keep_where(is_kept, scores)
