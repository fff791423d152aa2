"""Networks without maps, and detectors of people, in a graph: ``posezoo.poses`` with OpenVINO's
operations.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.ir.openvino_graph import Node
from posezoo.core.ir.openvino_graph import opset13 as ops
from posezoo.export.decoded.nodes import (
    NO_BOX,
    Maps,
    TwoNodes,
    are_all,
    are_finite,
    blank_unsound,
    box_corners,
    clip_boxes,
    constant,
    find_maximum,
    integers,
    is_above,
    is_at_least,
    keep_where,
    pick_boxes_apart,
    reshape,
    select_highest,
    select_rows,
    sum_over,
    take,
    to_float,
    unsqueeze,
    without_batch,
)
from posezoo.poses import nanodet, picodet, rtmdet, ssd_detection, yolox_boxes
from posezoo.poses.coordinates import CoordinatesOptions
from posezoo.poses.letterbox import Size
from posezoo.poses.movenet import JOINTS, MultiPoseOptions
from posezoo.poses.rf_detr import EXPONENT, FINDABLE, FIRST, PERSON, SECOND, THIRD, RfDetrOptions
from posezoo.poses.rtmo import RtmoOptions
from posezoo.poses.simcc import SimccOptions
from posezoo.poses.top_down import TopDownOptions
from posezoo.poses.yolo_pose import (
    LARGEST_LOGARITHM,
    LARGEST_SHARE,
    SCORE,
    Form,
    YoloPoseOptions,
    coordinates,
    find_form,
    grid_terms,
    keypoints_begin,
)

#: The people of YOLO-pose, and the boxes, if the caller states no number.
USUAL_PEOPLE = 20

#: The most people that RTMO finds.
_MOST_OF_RTMO = 50


def build_movenet(maps: Maps, size: Size, _options: TopDownOptions, _max_people: int) -> TwoNodes:
    """The person of MoveNet, as ``append_decoder`` says."""
    keypoints = _to_pixels(without_batch(maps["keypoints"]), size)
    scores = ops.reduce_mean(take(keypoints, 2, 2), integers([1]))
    return keypoints, ops.clamp(scores, 0, 1)


def build_coordinates(
    maps: Maps, size: Size, options: CoordinatesOptions, _max_people: int
) -> TwoNodes:
    """The person of a network of coordinates, as ``append_decoder`` says."""
    rows = maps["coordinates"]
    numbers = options.count_numbers(tuple(rows.shape))
    rows = reshape(rows, [1, -1, numbers])
    points = take(rows, [1, 0] if options.y_first else [0, 1], 2) * constant(options.scale(size))
    point_scores = take(rows, [2], 2) if numbers == 3 else take(rows, [0], 2) * constant(0)
    if numbers == 2:
        point_scores = point_scores + constant(1)
    scores = ops.reduce_mean(point_scores, integers([1, 2]))
    return ops.concat([points, point_scores], 2), ops.clamp(scores, 0, 1)


def build_multipose(
    maps: Maps, size: Size, _options: MultiPoseOptions, max_people: int
) -> TwoNodes:
    """The people of MoveNet, as ``append_decoder`` says."""
    people = without_batch(maps["people"])
    found = keep_where(are_finite(people), take(people, -1, 1))
    order, scores = select_highest(found, max_people)
    best = take(people, order, 0)
    points = take(best, range(3 * JOINTS), 1)
    keypoints = reshape(points, [-1, JOINTS, 3])
    return _to_pixels(keypoints, size), ops.clamp(scores, 0, 1)


def _to_pixels(keypoints: Node, size: Size) -> Node:
    """Keypoints (N, K, 3): y, x as shares of the sides become x, y in pixels."""
    return take(keypoints, [1, 0, 2], 2) * constant([*size, 1])


def build_rtmo(maps: Maps, _size: Size, _options: RtmoOptions, max_people: int) -> TwoNodes:
    """The people of RTMO, as ``append_decoder`` says."""
    people = without_batch(maps["keypoints"])
    rows = without_batch(maps["dets"])
    is_person = are_all(are_finite(people), are_finite(rows))
    scores = keep_where(is_person, take(rows, 4, 1))
    kept, best = select_rows(people, scores, max_people or _MOST_OF_RTMO)
    return kept, ops.clamp(best, 0, 1)


def build_rf_detr(maps: Maps, size: Size, _options: RfDetrOptions, max_people: int) -> TwoNodes:
    """The people of RF-DETR Keypoint, as ``append_decoder`` says."""
    rows = without_batch(maps["keypoints"])
    labels = without_batch(maps["labels"])
    logits = take(rows, FINDABLE, 2)
    variance = _mean_variance(rows, logits)
    precision = ops.power(variance, constant(-EXPONENT))
    strength = ops.sigmoid(take(labels, PERSON, 1)) * precision
    # A strength that is not finite is compared like a missing person.
    scores = strength / (strength + constant(1))
    # This also keeps the boxes in the graph: the self-check compares all outputs of the network.
    boxes = without_batch(maps["dets"])
    is_person = are_all(are_finite(rows), are_finite(boxes), is_above(scores, 0))
    order, best = select_highest(keep_where(is_person, scores), max_people)
    points = take(rows, [0, 1], 2) * constant(size)
    visibility = unsqueeze(ops.sigmoid(logits), [2])
    keypoints = ops.concat([points, visibility], 2)
    return take(keypoints, order, 0), best


def _mean_variance(rows: Node, logits: Node) -> Node:
    """(N,): the mean of the traces of the keypoints' covariances, weighted by sigmoid(logits)."""
    first, second, third = (take(rows, place, 2) for place in (FIRST, SECOND, THIRD))
    double = constant(-2)
    near = ops.exp(first * double)
    far = ops.exp(third * double)
    variance = near + far + second * second * near * far
    # The softmax of log(sigmoid(logits)) has their shares, also if all are too small for f32.
    log_sigmoid = ops.negative(ops.softplus(ops.negative(logits)))
    weights = ops.softmax(log_sigmoid, 1)
    return sum_over(weights * variance, 1)


def build_detrpose(maps: Maps, _size: Size, _options: RfDetrOptions, max_people: int) -> TwoNodes:
    """The people of DETRPose and ECPose, as ``append_decoder`` says."""
    points = without_batch(maps["keypoints"])
    # This also keeps the labels in the graph: the self-check compares all outputs of the network.
    scores = without_batch(maps["scores"])
    parts = (points, without_batch(maps["labels"]), scores)
    scores = keep_where(are_all(*map(are_finite, parts)), scores)
    order, best = select_highest(scores, max_people)
    people = take(points, order, 0)
    shared = take(people, [0], 2) * constant(0) + unsqueeze(best, [1, 2])
    keypoints = ops.concat([people, shared], 2)
    return keypoints, ops.clamp(best, 0, 1)


def build_simcc(maps: Maps, _size: Size, options: SimccOptions, _max_people: int) -> TwoNodes:
    """The person of SimCC, as ``append_decoder`` says."""
    x, across = find_maximum(blank_unsound(without_batch(maps["simcc_x"])))
    y, down = find_maximum(blank_unsound(without_batch(maps["simcc_y"])))
    bins = ops.concat([x, y], 1)
    points = to_float(bins) / constant(options.split)
    lower = ops.minimum(across, down)
    scores = ops.maximum(lower, constant(0))
    mean = ops.reduce_mean(scores, integers([0]))
    keypoints = ops.concat([points, scores], 1)
    return unsqueeze(keypoints, [0]), ops.minimum(mean, constant(1))


def build_yolo_pose(maps: Maps, size: Size, options: YoloPoseOptions, max_people: int) -> TwoNodes:
    """The people of YOLO-pose, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    predictions = without_batch(maps["predictions"])
    form = find_form(tuple(predictions.shape), size, options)
    first = keypoints_begin(form, options)
    rows = predictions
    if form == Form.COLUMNS:
        rows = ops.transpose(predictions, integers([1, 0]))
    scores = take(rows, SCORE, 1)
    classes = None
    if form != Form.PEOPLE:
        of_classes = take(rows, range(first - options.classes, first), 1)
        numbers, highest = find_maximum(of_classes)
        highest = reshape(highest, [-1])
        scores = highest if form == Form.COLUMNS else scores * highest
        classes = reshape(numbers, [1, -1]) if options.classes > 1 else None
    is_person = are_all(is_at_least(scores, options.min_score), are_finite(rows))
    if form == Form.CELLS:
        rows = _with_grid(rows, is_person, size, options)
    else:
        rows = _in_pixels(rows, is_person, size, first, options)
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    if form != Form.PEOPLE:
        boxes = box_corners(take(rows, [0, 1], 1), take(rows, [2, 3], 1) * constant(0.5))
        picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count, classes)
        people = take(rows, picked, 0)
    else:
        people, best = select_rows(rows, ranks, count)
    best = ops.clamp(best, 0, 1)
    values = reshape(take(people, range(first, rows.shape[1]), 1), [count, -1, options.values])
    values = take(values, range(min(options.values, 3)), 2)
    if options.values == 2:
        keypoint_count = (rows.shape[1] - first) // 2
        shared = ops.broadcast(reshape(best, [count, 1, 1]), integers([count, keypoint_count, 1]))
        values = ops.concat([values, shared], 2)
    return values, best


def _in_pixels(
    rows: Node, is_person: Node, size: Size, first: int, options: YoloPoseOptions
) -> Node:
    """The rows in pixels, also of those with shares of the input."""
    places = coordinates(rows.shape[1], first, options)
    are_shares = ops.constant(True)
    for indices in places:
        factors = np.ones(rows.shape[1], np.float32)
        factors[indices] = np.resize(size, len(indices))
        of_people = keep_where(unsqueeze(is_person, 1), take(rows, indices, 1))
        largest = ops.reduce_max(of_people, integers([0, 1]))
        # Keypoints are in shares only if the boxes are.
        are_shares = ops.logical_and(are_shares, ops.less(largest, constant(LARGEST_SHARE)))
        rows = ops.select(are_shares, rows * constant(factors), rows)
    return rows


def _with_grid(rows: Node, is_person: Node, size: Size, options: YoloPoseOptions) -> Node:
    """The rows in pixels, also of YOLOX-pose without its grid."""
    factors, summands, strides = grid_terms(size, rows.shape[1], options)
    if rows.shape[0] != len(strides):
        return rows
    first = keypoints_begin(Form.CELLS, options)
    columns = np.arange(rows.shape[1])
    is_visibility = (columns >= first) & ((columns - first) % options.values == 2)
    pixels = rows * constant(factors) + constant(summands)
    sides = ops.exp(rows) * constant(strides)
    pixels = ops.select(ops.constant((columns == 2) | (columns == 3)), sides, pixels)
    pixels = ops.select(ops.constant(is_visibility), ops.sigmoid(rows), pixels)
    of_people = keep_where(unsqueeze(is_person, 1), take(rows, [2, 3], 1))
    largest = ops.reduce_max(of_people, integers([0, 1]))
    is_in_pixels = is_at_least(largest, LARGEST_LOGARITHM)
    return ops.select(is_in_pixels, rows, pixels)


def build_ssd(
    maps: Maps, size: Size, options: ssd_detection.DetectionOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.ssd_detection``, as ``append_decoder`` says."""
    zero = constant(0)
    rows = reshape(maps["detections"], [-1, 7])
    image, label, score = (take(rows, column, 1) for column in range(3))
    corners = take(rows, range(3, 7), 1) * constant([*size, *size])
    boxes, has_size = clip_boxes(corners, size)
    # The first negative index ends the list.
    ended = ops.cumsum(to_float(ops.less(image, zero)), integers(0))
    is_listed = ops.equal(ended, zero)
    is_labeled = ops.equal(label, constant(ssd_detection.PERSON))
    is_high = is_at_least(score, options.min_box_score)
    is_person = are_all(is_listed, is_labeled, is_high, has_size)
    ranked = ops.select(is_person, score, constant(-1))
    order, scores = select_highest(ranked, max_people)
    return take(boxes, order, 0), ops.minimum(scores, constant(1))


def build_rtmdet(
    maps: Maps, size: Size, _options: rtmdet.RtmdetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.rtmdet``, as ``append_decoder`` says."""
    rows = without_batch(maps["dets"])
    labels = without_batch(maps["labels"])
    boxes, has_size = clip_boxes(take(rows, range(4), 1), size)
    is_person = are_all(ops.equal(labels, constant(rtmdet.PERSON)), has_size, are_finite(rows))
    scores = keep_where(is_person, take(rows, 4, 1))
    kept, best = select_rows(boxes, scores, max_people or ssd_detection.MAX_BOXES)
    return kept, ops.minimum(best, constant(1))


def build_yolox(
    maps: Maps, size: Size, options: yolox_boxes.YoloxOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.yolox_boxes``, as ``append_decoder`` says."""
    count = max_people or min(options.max_people, USUAL_PEOPLE)
    rows = without_batch(maps["predictions"])
    corners, strides = yolox_boxes.generate_cells(size)
    if rows.shape[0] != len(corners):
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = (take(rows, [0, 1], 1) + constant(corners)) * constant(strides)
    halves = ops.exp(take(rows, [2, 3], 1)) * constant(strides / 2)
    boxes = box_corners(centers, halves)
    scores = take(rows, yolox_boxes.OBJECT, 1) * take(rows, yolox_boxes.PERSON, 1)
    inside, has_size = clip_boxes(boxes, size)
    is_sound = are_all(are_finite(boxes), has_size)
    return _pick_people(boxes, inside, scores, options, count, is_sound)


def build_nanodet(
    maps: Maps, size: Size, options: nanodet.NanoDetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.nanodet``, as ``append_decoder`` says."""
    rows = _join(maps, "scores")
    logits = _join(maps, "distances")
    corners, sides = yolox_boxes.generate_cells(size)
    if {rows.shape[0], logits.shape[0]} != {len(corners)}:
        raise ValueError(f"an input of this size has {len(corners)} cells, not {rows.shape[0]}")
    centers = constant((corners + 0.5) * sides)
    # The distance to each side is the mean of a distribution, in cells.
    count = logits.shape[1] // 4
    shares = ops.softmax(reshape(logits, [-1, 4, count]), 2)
    distances = sum_over(shares * constant(np.arange(count)), 2) * constant(sides)
    first = centers - take(distances, [0, 1], 1)
    last = centers + take(distances, [2, 3], 1)
    boxes, has_size = clip_boxes(ops.concat([first, last], 1), size)
    scores = take(rows, [nanodet.PERSON], 1)
    is_finite = are_all(are_finite(scores), are_finite(logits))
    scores = take(scores, 0, 1)
    most = max_people or USUAL_PEOPLE
    return _pick_people(boxes, boxes, scores, options, most, is_finite, has_size)


def build_picodet(
    maps: Maps, size: Size, options: picodet.PicoDetOptions, max_people: int
) -> TwoNodes:
    """The people of ``poses.picodet``, as ``append_decoder`` says."""
    rows = without_batch(maps["boxes"])
    boxes, has_size = clip_boxes(rows, size)
    scores = take(without_batch(maps["scores"]), picodet.PERSON, 0)
    is_sound = are_all(are_finite(rows), has_size)
    return _pick_people(boxes, boxes, scores, options, max_people or USUAL_PEOPLE, is_sound)


def _pick_people(
    boxes: Node,
    shown: Node,
    scores: Node,
    options: ssd_detection.OverlapOptions,
    count: int,
    *conditions: Node,
) -> TwoNodes:
    """The best boxes that do not overlap a better one, as they are shown, and their scores.

    Args:
        boxes: (N, 4), of which the overlap is computed.
        shown: (N, 4), the same ones as they are returned.
        scores: (N,).
        count: how many are returned.
        conditions: (N,) each, which hold for boxes of people, besides that of the score.
    """
    is_person = are_all(is_at_least(scores, options.min_box_score), *conditions)
    ranks = ops.select(is_person, scores, constant(NO_BOX))
    picked, best = pick_boxes_apart(boxes, ranks, options.max_overlap, count)
    return take(shown, picked, 0), ops.clamp(best, 0, 1)


def _join(maps: Maps, kind: str) -> Node:
    """The rows of the cells of all strides, (N, ...)."""
    return ops.concat(
        [without_batch(maps[f"{kind}_{stride}"]) for stride in yolox_boxes.STRIDES], 0
    )
