"""PoseNet in a graph: ``poses.posenet`` with OpenVINO's operations.

A table says to which cell each edge leads; a person's keypoints are looked up in it, each from the
one before.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.ir.openvino_graph import Node
from posezoo.core.ir.openvino_graph import opset1 as ops1
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    constant,
    integers,
    is_at_least,
    keep_where,
    reshape,
    select_highest,
    stack,
    sum_over,
    take,
    to_float,
    unsqueeze,
)
from posezoo.poses.letterbox import Size
from posezoo.poses.posenet import EDGES, JOINTS, REFINEMENTS, ROUTES, PoseNetOptions

# The rank of a cell from which no person starts.
_NO_ROOT = -1

# Each edge in both directions, as its first and its second keypoint; one more leads nowhere.
_SOURCES, _TARGETS = np.transpose([*EDGES, *(edge[::-1] for edge in EDGES)])
_NOWHERE = 2 * len(EDGES)

# The edges from one ankle to the other.
_LONGEST = 8


class _Cells:
    """The cells of the maps, in rows: (cells, 17) for each keypoint.

    Attributes:
        scores: of each keypoint in each cell.
        places: (cells * 17, 2) x and y that the offsets of a cell give.
        refined: i32, the cell that is nearest to them.
        steps: i32 (cells * 33,), the cell of the keypoint to which each edge leads.
    """

    def __init__(self, maps: Maps, stride: int) -> None:
        _, height, width, _ = maps["heatmaps"].shape
        self.count = height * width
        self._stride = stride
        self._last = (width - 1, height - 1)
        logits = ops.clamp(reshape(maps["heatmaps"], [self.count, JOINTS]), -200, 200)
        self.scores = ops.sigmoid(logits)
        offsets = reshape(maps["offsets"], [self.count, 2, JOINTS])
        rows, columns = np.mgrid[:height, :width] * stride
        x = take(offsets, 1, 1) + constant(columns.reshape(-1, 1))
        y = take(offsets, 0, 1) + constant(rows.reshape(-1, 1))
        self.places = reshape(stack([x, y], 2), [-1, 2])
        self.refined = self._nearest(x, y)
        every = np.arange(_NOWHERE)
        displaced = []
        cells = take(self.refined, _SOURCES, 1)
        for axis, places in enumerate((y, x)):
            parts = [
                take(reshape(maps[name], [self.count, 2, len(EDGES)]), axis, 1)
                for name in ("displacements_fwd", "displacements_bwd")
            ]
            table = ops.concat(parts, 1)
            moves = _look_up(table, cells, every, _NOWHERE)
            displaced.append(take(places, _SOURCES, 1) + moves)
        reached = self._nearest(displaced[1], displaced[0])
        for _ in range(REFINEMENTS - 1):
            reached = _look_up(self.refined, reached, _TARGETS, JOINTS)
        stays = integers(np.arange(self.count)[:, None])
        self.steps = reshape(ops.concat([reached, stays], 1), [-1])

    def _nearest(self, x: Node, y: Node) -> Node:
        last_column, last_row = self._last
        half = constant(0.5)
        scale = constant(1 / self._stride)
        column = ops.clamp(ops.floor(x * scale + half), 0, last_column)
        row = ops.clamp(ops.floor(y * scale + half), 0, last_row)
        return ops.convert(row * constant(last_column + 1) + column, "i32")


def _look_up(table: Node, rows: Node, columns: Array, width: int) -> Node:
    """The values of a table (N, width) in these rows, of the columns of the last axis."""
    places = rows * integers(width) + integers(columns)
    return take(reshape(table, [-1]), places, 0)


def build(maps: Maps, _size: Size, options: PoseNetOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says."""
    if options.single:
        raise ValueError("single: one person is not found by a graph")
    cells = _Cells(maps, options.stride)
    are_numbers = are_all(*(are_finite(each) for each in maps.values()))
    states, scores, found = _find_people(maps, cells, options)
    points = take(cells.places, states * integers(JOINTS) + integers(range(JOINTS)), 0)
    # A person who was found before may have this keypoint nearby.
    apart = unsqueeze(points, [1]) - unsqueeze(points, [0])
    squared_radius = constant(options.nms_radius * options.nms_radius)
    is_near = ops.less_equal(sum_over(apart * apart, 3), squared_radius)
    is_before = ops.constant(np.tri(points.shape[0], k=-1, dtype=bool)[:, :, None])
    is_taken = ops.reduce_logical_or(are_all(is_near, is_before), integers([1]))
    is_free = ops.logical_not(is_taken)
    free = keep_where(is_free, scores)
    totals = sum_over(free, 1) * constant(1 / JOINTS) * found * to_float(are_numbers)
    order, best = select_highest(totals, max_people)
    values = ops.concat([points, unsqueeze(scores, [2])], 2)
    return take(values, order, 0), best


def _find_people(maps: Maps, cells: _Cells, options: PoseNetOptions) -> tuple[Node, Node, Node]:
    """The cells (N, 17) and scores (N, 17) of the keypoints of each person in the order in which
    they are found, and 1 for each who is found, else 0, (N,).
    """
    ranks = _rank_roots(maps, cells, options)
    # Of a root and another keypoint: the keypoint before it, and the edge to it.
    parents = np.tile(np.arange(JOINTS)[:, None], JOINTS)
    edges = np.full((JOINTS, JOINTS), _NOWHERE)
    for start, steps in enumerate(ROUTES):
        for source, target, edge, is_forward in steps:
            parents[start, target] = source
            edges[start, target] = edge if is_forward else edge + len(EDGES)
    seen = reshape(cells.scores, [-1])
    every = constant(np.arange(cells.count * JOINTS))
    joints = integers(range(JOINTS))
    places = reshape(cells.places, [cells.count, JOINTS, 2])
    squared_radius = constant(options.nms_radius * options.nms_radius)
    found = []
    people = []
    scores = []
    for _ in range(options.max_people):
        rank = ops.reduce_max(ranks, integers([0]), keep_dims=True)
        candidates = ops.select(ops.equal(ranks, rank), every, constant(cells.count * JOINTS - 1))
        root = ops.convert(ops.reduce_min(candidates, integers([0]), keep_dims=True), "i32")
        joint = ops.floor_mod(root, integers(JOINTS))
        before = reshape(take(integers(parents), joint, 0), [-1])
        by = reshape(take(integers(edges), joint, 0), [-1])
        # Those that are farther from the root get their places in later rounds.
        cell = ops.divide(root - joint, integers(JOINTS))
        state = ops.broadcast(cell, integers([JOINTS]))
        for _ in range(_LONGEST):
            state = take(cells.steps, take(state, before, 0) * integers(_NOWHERE + 1) + by, 0)
        index = state * integers(JOINTS) + joints
        last = take(reshape(cells.refined, [-1]), index, 0)
        score = take(seen, last * integers(JOINTS) + joints, 0)
        score = ops.select(ops.equal(joints, joint), rank, score)
        own = take(cells.places, index, 0)
        apart = places - own
        is_near = ops.less_equal(sum_over(apart * apart, 2), squared_radius)
        ranks = ops.select(reshape(is_near, [-1]), constant(_NO_ROOT), ranks)
        found.append(to_float(is_at_least(rank, options.min_keypoint_score)))
        people.append(state)
        scores.append(score)
    return stack(people, 0), stack(scores, 0), ops.concat(found, 0)


def _rank_roots(maps: Maps, cells: _Cells, options: PoseNetOptions) -> Node:
    """(cells * 17,): the scores of the keypoints from which a person may start."""
    _, height, width, _ = maps["heatmaps"].shape
    image = reshape(cells.scores, [1, height, width, JOINTS])
    channels = ops.transpose(image, integers([0, 3, 1, 2]))
    highest = ops1.max_pool(channels, [1, 1], [1, 1], [1, 1], kernel_shape=[3, 3])
    is_highest = ops.equal(channels, highest)
    is_root = are_all(is_highest, is_at_least(channels, options.min_keypoint_score))
    ranks = ops.select(is_root, channels, constant(_NO_ROOT))
    return reshape(ops.transpose(ranks, integers([0, 2, 3, 1])), [-1])
