"""The heatmaps of one person in a graph: ``poses.heatmap`` with OpenVINO's operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posezoo.core.errors import import_cv2
from posezoo.core.ir.openvino_graph import Node
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.export.decoded.nodes import (
    Maps,
    TwoNodes,
    are_all,
    blank_unsound,
    constant,
    find_maximum,
    integers,
    is_above,
    keep_where,
    reshape,
    sum_over,
    take,
    to_float,
    unsqueeze,
    without_batch,
)
from posezoo.poses import heatmap, peaks
from posezoo.poses.heatmap import CONVENTIONS, HeatmapOptions
from posezoo.poses.letterbox import Size


def build(maps: Maps, size: Size, options: HeatmapOptions, _max_people: int) -> TwoNodes:
    """The person, as ``append_decoder`` says."""
    convention = CONVENTIONS[options.convention]
    heatmaps = unsqueeze(blank_unsound(without_batch(maps["heatmaps"])), [0])
    _, joints, height, width = heatmaps.shape
    best, scores = find_maximum(reshape(heatmaps, [joints, -1]))
    columns = ops.mod(best, integers(width))
    rows = ops.subtract(best, columns) / integers(width)
    cells = ops.concat([columns, rows], 1)
    positions = to_float(cells)
    if convention.refine:
        refine = _REFINEMENTS[convention.refine]
        positions = positions + refine(heatmaps, cells, scores, options.blur)
    cell = heatmap.cell_size(convention, size, (width, height))
    scores = ops.maximum(scores, constant(0))
    points = ops.concat([positions * constant(cell), scores], 1)
    is_counted = to_float(is_above(scores, convention.min_score))
    total = sum_over(scores * is_counted, 0)
    count = sum_over(is_counted, 0)
    mean = total / ops.maximum(count, constant(1))
    score = ops.minimum(mean * constant(options.box_score), constant(1))
    return unsqueeze(points, [0]), score


def _near(maps: Node, cells: Node, radius: int) -> Node:
    """(K, (2 radius + 1)^2): the values of maps (1, K, H, W) around cells (K, 2), row by row.

    A place outside the map has the value of the nearest cell.
    """
    _, joints, height, width = maps.shape
    down, across = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, 1, -1)
    x = _clamp(take(cells, [0], 1) + integers(across), width - 1)
    y = _clamp(take(cells, [1], 1) + integers(down), height - 1)
    indices = y * integers(width) + x
    flat = reshape(maps, [joints, -1])
    return ops.gather_elements(flat, indices, 1)


def _clamp(positions: Node, last: int) -> Node:
    return ops.minimum(ops.maximum(positions, integers(0)), integers(last))


def _inside(maps: Node, cells: Node, first: int, last: int) -> Node:
    """(K, 1) bool: whether cells are ``first`` or more from the start of both axes, ``last`` from
    the end.
    """
    _, _, height, width = maps.shape
    is_after_start = ops.greater_equal(cells, integers(first))
    is_before_end = ops.less(cells, integers([width - last, height - last]))
    both = are_all(is_after_start, is_before_end)
    return ops.reduce_logical_and(both, integers([1]), keep_dims=True)


def _quarter(maps: Node, cells: Node, _scores: Node, _blur: int) -> Node:
    near = _near(maps, cells, 1)
    slopes = take(near, [5, 7], 1) - take(near, [3, 1], 1)
    offsets = ops.sign(slopes) * constant(peaks.QUARTER)
    is_inside = _inside(maps, cells, peaks.FIRST_INSIDE, 1)
    return keep_where(is_inside, offsets)


def _dark(maps: Node, cells: Node, scores: Node, blur: int) -> Node:
    smooth = _blur(maps, blur, "constant")
    highest = ops.reduce_max(smooth, integers([0, 2, 3]))
    factors = ops.divide(scores, unsqueeze(highest, [1]))
    near = _near(smooth, cells, 2) * factors
    log = ops.log(ops.maximum(near, constant(heatmap.LEAST_VALUE)))
    offsets = _newton(log, heatmap.DARK_DIFFERENCES)
    is_inside = _inside(maps, cells, 2, 2)
    return keep_where(are_all(is_inside, is_above(scores, 0)), offsets)


def _udp(maps: Node, cells: Node, _scores: Node, blur: int) -> Node:
    smooth = _blur(maps, blur, "reflect")
    near = ops.clamp(_near(smooth, cells, 1), *heatmap.UDP_VALUES)
    return _newton(ops.log(near), heatmap.UDP_DIFFERENCES)


def _blur(maps: Node, width: int, mode: str) -> Node:
    """The maps, (1, K, H, W), smoothed as by OpenCV's GaussianBlur; beyond the border 0, or
    mirrored.
    """
    joints = maps.shape[1]
    radius = width // 2
    around = integers([0, 0, radius, radius])
    beyond = constant(0) if mode == "constant" else None
    smooth = ops.pad(maps, around, around, mode, arg_pad_value=beyond)
    cv2 = import_cv2()
    kernel = cv2.getGaussianKernel(width, 0, cv2.CV_32F).reshape(-1)
    kernels = np.tile(kernel, joints)
    for shape in ((joints, 1, 1, width, 1), (joints, 1, 1, 1, width)):
        weights = constant(kernels.reshape(shape))
        smooth = ops.group_convolution(
            smooth, weights, [1, 1], [0, 0], pads_end=[0, 0], dilations=[1, 1]
        )
    return smooth


def _newton(log: Node, differences: Node) -> Node:
    """(K, 2): as ``poses.heatmap.newton_step``, for the values around each cell."""
    weights = constant(differences.reshape(len(differences), -1))
    derived = ops.matmul(log, weights, False, True)
    x, y, xx, yy, xy = (take(derived, [place], 1) for place in range(5))
    area = xx * yy - xy * xy
    is_bent = is_above(area, heatmap.LEAST_AREA)
    across = xy * y - yy * x
    down = xy * x - xx * y
    divisor = ops.select(is_bent, area, constant(1))
    step = ops.concat([across, down], 1) / divisor
    longest = ops.reduce_max(ops.abs(step), integers([1]), keep_dims=True)
    is_short = ops.less(longest, constant(heatmap.LONGEST_STEP))
    return keep_where(are_all(is_bent, is_short), step)


_REFINEMENTS: dict[object, Callable[[Node, Node, Node, int], Node]] = {
    heatmap.quarter_offsets: _quarter,
    heatmap.dark_offsets: _dark,
    heatmap.udp_offsets: _udp,
}
