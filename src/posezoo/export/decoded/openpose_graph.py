"""OpenPose's decoder in a graph: ``poses.openpose`` with the option ``single_pass``.

Each step is for P peaks of K joints (``max_peaks``) and all L limbs at once: a tensor (L, P, P) has
a row for each start and a column for each end.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.declarations.skeletons import SKELETONS
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
    is_above,
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
from posezoo.poses import grouping
from posezoo.poses.letterbox import Size
from posezoo.poses.limbs import ENOUGH, SHARES_OF_LIMB, LimbTable, limb_table
from posezoo.poses.openpose import SKELETON, OpenPoseOptions
from posezoo.poses.peaks import HUGE, TINY

#: How often the starts and ends of limbs exchange messages in ``_match``.
ROUNDS = 20


def build(maps: Maps, size: Size, options: OpenPoseOptions, max_people: int) -> TwoNodes:
    """The people, as ``append_decoder`` says; at most P.

    Raises:
        ValueError: fewer people are found, or an option changes how peaks are found.
    """
    if options.upsample > 1 or not options.subpixel:
        raise ValueError("the options upsample and subpixel cannot be changed in a graph")
    if max_people > options.max_peaks:
        raise ValueError(
            f"finds at most {options.max_peaks} people, so --max_people {max_people} cannot be used"
        )
    heatmaps, pafs = _split(maps)
    table = limb_table(options.skeleton or SKELETONS[SKELETON])
    joints = take(heatmaps, range(table.joints), 1)
    _, _, height, width = heatmaps.shape
    cell = size[0] / width / grouping.CELL
    peaks, scores = _find_peaks(joints, grouping.nms_radius(cell), options)
    is_peak = to_float(is_above(scores, 0))
    x, y = _refine(joints, peaks)
    affinity, length = _find_candidates(
        x, y, is_peak, pafs, min_affinity=options.min_affinity, table=table
    )
    is_candidate = to_float(is_above(affinity, 0))
    in_row, in_column = (
        ops.reduce_sum(is_candidate, integers([axis]), keep_dims=True) for axis in (2, 1)
    )
    is_unique = is_candidate * to_float(ops.equal(in_row + in_column, constant(2)))
    # The group of each peak, (K, P): the index of one of the group's peaks.
    every_peak = constant(np.arange(table.joints * options.max_peaks))
    labels = reshape(every_peak, [table.joints, -1])
    for limb in range(len(table)):
        labels = _join(labels, is_unique, limb, table)
    heights, is_known = _person_heights(labels, is_unique, length, is_peak, table=table)
    weights = _weigh(affinity, length, heights, is_known, cell=cell, table=table)
    is_best = _match(ops.relu(weights) * (is_candidate - is_unique))
    for limb in range(len(table)):
        labels = _join(labels, is_best, limb, table)
    in_group = _members(every_peak, labels, is_peak)
    is_within = to_float(ops.equal(*_at_limbs(labels, table)))
    limb_scores = _sum_at_starts((is_unique + is_best) * affinity * is_within, table)
    all_scores = ops.add(scores, limb_scores)
    count, total, score = _sums(in_group, is_peak, all_scores, scores)
    is_large = is_at_least(count, max(2, options.min_keypoints))
    is_sure = ops.greater_equal(total, constant(options.min_score) * count)
    score = ops.minimum(score / constant(table.joints), constant(1))
    # Beside values that are not finite nobody is found: they spread.
    are_sound = are_all(are_finite(heatmaps), are_finite(pafs))
    ranks = ops.select(are_all(is_large, is_sure, are_sound), score, constant(-1))
    order, score = select_highest(ranks, max_people or options.max_peaks)
    half = constant(0.5)
    across = constant(size[0] / width)
    down = constant(size[1] / height)
    points = ((x + half) * across, (y + half) * down, scores)  # (K, P) each
    best_groups = take(in_group, order, 0)
    members = reshape(best_groups, [-1, table.joints, options.max_peaks, 1])
    return sum_over(members * stack(points, 2), 2), score


def _split(maps: Maps) -> TwoNodes:
    """Heatmaps and fields, (1, channels, H, W), as ``poses.openpose`` splits them."""
    if len(maps) == 2:
        return maps["heatmaps"], maps["pafs"]
    (both,) = maps.values()
    if both.shape[1] != 57:
        both = ops.transpose(both, integers([0, 3, 1, 2]))
    return take(both, range(19), 1), take(both, range(19, 57), 1)


def _find_peaks(joints: Node, radius: int, options: OpenPoseOptions) -> TwoNodes:
    """The flat cell of each peak, i32 (18, P), and its score, highest first; 0 if there is no
    peak.
    """
    _, count, height, width = joints.shape
    side = 2 * radius + 1
    highest = ops1.max_pool(joints, [1, 1], [radius] * 2, [radius] * 2, kernel_shape=[side] * 2)
    # Of equal cells the first is the peak: it is higher than the rows above and the cells to its
    # left.
    is_highest = ops.greater_equal(joints, highest)
    is_peak = are_all(is_highest, is_above(joints, options.min_keypoint_score))
    rows_above = ([0, 0, radius, radius], [0, 0, 0, radius], [radius, side])
    cells_to_the_left = ([0, 0, 0, radius], [0, 0, 0, 0], [1, radius])
    for begin, end, kernel in (rows_above, cells_to_the_left):
        padded = ops.pad(
            joints, integers(begin), integers(end), "constant", arg_pad_value=constant(0)
        )
        earlier = ops1.max_pool(padded, [1, 1], [0, 0], [0, 0], kernel_shape=kernel)
        earlier = take(earlier, range(height), 2)
        earlier = take(earlier, range(width), 3)
        is_peak = are_all(is_peak, ops.greater(joints, earlier))
    ranked = reshape(keep_where(is_peak, joints), [count, -1])
    best = ops.topk(
        ranked, integers(options.max_peaks), 1, "max", sort="value", index_element_type="i32"
    )
    return best.output(1), best.output(0)


def _refine(joints: Node, peaks: Node) -> TwoNodes:
    """x and y of the peaks in cells, (18, P), as ``poses.peaks.refine_subpixel``."""
    _, joint_count, height, width = joints.shape
    count = height * width
    first_cells = count * np.arange(joint_count).reshape(-1, 1)
    steps = np.reshape([-1, -width, 1, width, 0], (5, 1, 1))
    here = ops.add(peaks, integers(first_cells))
    around = ops.add(here, integers(steps))
    flat = reshape(joints, [-1])
    around = ops.floor_mod(around, integers(joint_count * count))
    values = ops.abs(take(flat, around, 0))
    logs = ops.log(ops.clamp(values, float(TINY), float(HUGE)))
    center = take(logs, [4], 0)
    before = take(logs, [0, 1], 0) - center
    after = take(logs, [2, 3], 0) - center
    columns = ops.mod(peaks, integers(width))
    rows = ops.divide(peaks, integers(width))
    cells = stack([columns, rows], 0)
    last = np.reshape([width - 1, height - 1], (2, 1, 1))
    at_start = ops.equal(cells, integers(0))
    at_end = ops.equal(cells, integers(last))
    is_at_border = ops.logical_or(at_start, at_end)
    bends = before + after
    bends = ops.select(is_at_border, take(bends, [1, 0], 0), bends)
    before = ops.select(at_start, bends - after, before)
    after = ops.select(at_end, bends - before, after)
    bend = ops.minimum(before + after, constant(-TINY))
    offsets = constant(0.5) * (before - after) / bend
    points = to_float(cells) + ops.clamp(offsets, -0.5, 0.5)
    return take(points, 0, 0), take(points, 1, 0)


def _at_limbs(values: Node, table: LimbTable) -> TwoNodes:
    """The values, (K, P), at the starts of the limbs, (L, P, 1), and at their ends, (L, 1, P)."""
    starts = take(values, table.starts, 0)
    ends = take(values, table.ends, 0)
    return unsqueeze(starts, 2), unsqueeze(ends, 1)


def _find_candidates(
    x: Node, y: Node, is_peak: Node, pafs: Node, min_affinity: float, table: LimbTable
) -> TwoNodes:
    """The affinity of each pair, 0 if it is no candidate, and its length in cells; as
    ``poses.limbs``.
    """
    _, _, height, width = pafs.shape
    shares = constant(SHARES_OF_LIMB.reshape(-1, 1, 1, 1))
    dx, columns = _sample_axis(x, width, shares, table)
    dy, rows = _sample_axis(y, height, shares, table)
    length = ops.sqrt(dx * dx + dy * dy)
    first_cells = height * width * table.channels.reshape(-1, 1, 1)
    place = rows * integers(width) + columns + integers(first_cells)
    flat = reshape(pafs, [-1])
    along_x = take(flat, place, 0) * dx
    along_y = take(flat, place + integers(height * width), 0) * dy
    along = (along_x + along_y) / (length + constant(1e-6))  # (10, 19, P, P)
    agrees = is_above(along, min_affinity)
    count = sum_over(to_float(agrees), 0)
    total = sum_over(keep_where(agrees, along), 0)
    start, end = _at_limbs(is_peak, table)
    is_found = to_float(is_at_least(count, ENOUGH)) * start * end
    return is_found * total / ops.maximum(count, constant(1)), length


def _sample_axis(positions: Node, side: int, shares: Node, table: LimbTable) -> TwoNodes:
    """Of x or y: the vectors of all pairs, (L, P, P), and the cells of their samples, i32 (10, L,
    P, P).
    """
    start, end = _at_limbs(ops.clamp(positions, 0, side - 1), table)
    span = end - start
    samples = shares * span + (start + constant(0.5))
    return span, ops.convert(samples, "i32")


def _join(labels: Node, is_limb: Node, limb: int, table: LimbTable) -> Node:
    """The labels if the pairs of one limb are joined, unless a group would get two joints of a
    kind.

    No pair changes what happens to another: a group with a start and an end can be joined to none.
    """
    start = take(labels, int(table.starts[limb]), 0)
    end = take(labels, int(table.ends[limb]), 0)
    # (K, P, P): whether a peak is in the group of a start, or of an end.
    of_start = to_float(ops.equal(unsqueeze(labels, 2), start))
    of_end = to_float(ops.equal(unsqueeze(labels, 2), end))
    start_joints = ops.reduce_max(of_start, integers([1]))
    end_joints = ops.reduce_max(of_end, integers([1]))
    shared = ops.matmul(start_joints, end_joints, True, False)
    is_free = to_float(ops.equal(shared, constant(0)))
    joined = take(is_limb, limb, 0) * is_free
    is_joined = ops.reduce_max(joined, integers([0]))
    is_moved = ops.matmul(of_end, is_joined, False, False)
    new = ops.matmul(start, joined, False, False)
    given = ops.matmul(of_end, new, False, False)
    return labels * (constant(1) - is_moved) + given


def _members(groups: Node, labels: Node, is_peak: Node) -> Node:
    """(G, K P): 1 for the peaks of each of the groups, (G,)."""
    rows = reshape(groups, [-1, 1])
    columns = reshape(labels, [1, -1])
    peaks = reshape(is_peak, [1, -1])
    return to_float(ops.equal(rows, columns)) * peaks


def _sums(members: Node, *values: Node) -> list[Node]:
    """The sums of values of peaks, (K, P), over the members of each group."""
    columns = [reshape(each, [-1, 1]) for each in values]
    sums = ops.matmul(members, ops.concat(columns, 1), False, False)
    return [take(sums, place, 1) for place in range(len(values))]


def _sum_at_starts(values: Node, table: LimbTable) -> Node:
    """(K, P): the sum of values of limbs, (L, P, P), over the limbs that start at each peak."""
    starts = np.equal.outer(np.arange(table.joints), table.starts)
    return ops.matmul(constant(starts), sum_over(values, 2), False, False)


def _person_heights(
    labels: Node, is_limb: Node, length: Node, is_peak: Node, table: LimbTable
) -> TwoNodes:
    """Of each peak, (K, P): the logarithm of its person's height in cells, and 1 if it is
    known.
    """
    usual = constant(_lengths(table))
    lengths = _sum_at_starts(is_limb * length, table)
    shares = _sum_at_starts(is_limb * usual, table)
    members = _members(labels, labels, is_peak)
    lengths, shares, count = _sums(members, lengths, shares, is_peak)
    heights = lengths / ops.maximum(shares, constant(1e-6))
    logs = ops.log(ops.maximum(heights, constant(1e-3)))
    is_known = to_float(is_above(count, 1)) * constant(table.has_lengths)
    shape = [table.joints, -1]
    return reshape(logs, shape), reshape(is_known, shape)


def _lengths(table: LimbTable) -> Node:
    """(L, 1, 1): the usual lengths; 1, which is not used, if they are unknown."""
    return np.nan_to_num(table.lengths, nan=1).reshape(-1, 1, 1)


def _weigh(
    affinity: Node, length: Node, log_heights: Node, is_known: Node, cell: float, table: LimbTable
) -> Node:
    """The weight of each pair, as in ``poses.grouping``."""
    one, other = _at_limbs(log_heights, table)
    is_one, is_other = _at_limbs(is_known, table)
    ends = is_one + is_other
    height = (one * is_one + other * is_other) / ops.maximum(ends, constant(1))
    height_ratio = (one - other) * is_one * is_other
    usual = constant(np.log(_lengths(table))) + height
    length_ratio = ops.log(ops.maximum(length, constant(0.1))) - usual
    is_long = is_above(length_ratio, 0)
    factor = ops.select(is_long, constant(grouping.LONG_PENALTY), constant(grouping.SHORT_PENALTY))
    penalty = constant(grouping.HEIGHT_PENALTY) * height_ratio * height_ratio
    penalty = penalty + factor * length_ratio * length_ratio
    length = length * constant(cell)
    unknown = constant(grouping.UNKNOWN_PENALTY) * length * length
    penalty = ops.select(is_above(ends, 0), penalty, unknown)
    bonus = constant(1) + constant(grouping.LENGTH_BONUS) * length
    return constant(1) + affinity * bonus - penalty


def _match(weights: Node) -> Node:
    """1 for the pairs with the largest sum of weights, of which no two share a start or an end.

    Each start tells each end how much it would gain by it, compared with its best other end, and
    each end answers. When the messages settle, the pairs are the best ones (M. Bayati, D. Shah, M.
    Sharma, "Max-product for maximum weight matching: convergence, correctness and LP duality",
    2008, arXiv:cs/0508101). For the drawn scenes and photos of our tests they settle.

    Args:
        weights: 0 for what is no pair.
    """

    def best_other(gains: Node, axis: int) -> Node:
        best = ops.reduce_max(gains, integers([axis]), keep_dims=True)
        is_best = ops.greater_equal(gains, best)
        others = ops.select(is_best, constant(0), gains)
        second = ops.reduce_max(others, integers([axis]), keep_dims=True)
        return ops.select(is_best, second, ops.relu(best))

    from_starts = weights
    from_ends = weights
    for turn in range(ROUNDS):
        from_starts = weights - best_other(from_ends, 2) if turn else weights
        from_ends = weights - best_other(from_starts, 1)
    gains = from_starts + from_ends - weights
    tests = []
    for axis in (1, 2):
        best = ops.reduce_max(gains, integers([axis]), keep_dims=True)
        tests.append(ops.greater_equal(gains, best))
    tests += [is_above(gains, 1e-5), is_above(weights, 0)]
    return to_float(are_all(*tests))
