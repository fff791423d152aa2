"""Decoder of BlazePose: a detector of faces and body axes, then 33 landmarks in a rotated square.

V. Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020, arXiv:2006.10204. The
steps and their constants are from MediaPipe 0.10.21,
``modules/pose_detection/pose_detection_cpu.pbtxt`` and ``modules/pose_landmark``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.model import Output
from posezoo.core.values import frozen
from posezoo.poses.blazeface import (
    LARGEST_LOGIT,
    Detections,
    Grid,
    SuppressionOptions,
    decode_detections,
    generate_anchors,
    sigmoid,
    suppress_non_maxima,
)
from posezoo.poses.decoder_type import (
    Count,
    DecoderType,
    Maps,
    NetworkFacts,
    Share,
    Sizes,
)
from posezoo.poses.keypoints import Pose, bounding_box, pose_similarity, sort_descending
from posezoo.poses.letterbox import (
    ImageTransform,
    Size,
    convert_depths,
    letterbox_transform,
    rotated_square_transform,
)
from posezoo.poses.ssd_detection import box_corners

SKELETON = "blazepose-33"

#: Width and height of the two networks' inputs, in pixels.
DETECTOR_SIZE: Size = (224, 224)
LANDMARK_SIZE: Size = (256, 256)

_GRID: Grid = ((8, 2), (16, 2), (32, 6))

#: (2254, 2) float32: the centers of the detector's anchors, in pixels.
ANCHORS = generate_anchors(DETECTOR_SIZE, _GRID)

# The sides of a quarter of the image, relative to the image's: quarters overlap by a fifth of the
# image.
_QUARTER_SIDE = 0.6

# The side of the region, relative to the radius of the body (hip to top): the diameter plus 25 %.
_REGION_SCALE = 2 * 1.25

# RefineLandmarksFromHeatmapCalculator: the cells to each side of a landmark (kernel_size 7), and
# min_confidence_to_refine.
WINDOW = 3
MIN_CONFIDENCE = 0.5

#: The keypoints of the body, which come first, and the numbers of each keypoint.
BODY = 33
LANDMARK_NUMBERS = 5

#: The landmarks after those of the body, which are for tracking.
HELPERS = 6

# The two landmarks after the body: the hip and the top of the region in the next frame of a video
# (pose_landmarks_to_roi.pbtxt).
_NEXT_REGION = slice(BODY, BODY + 2)

_HIP, _TOP = 0, 1  # the detector's keypoints that define the body's position, size and rotation


@frozen
class BlazePoseOptions(SuppressionOptions):
    """Options of the decoder blazepose.

    The defaults are MediaPipe's, which has no ``max_similarity``, ``max_people`` and ``quarters``;
    ``segmentation`` is its ``enable_segmentation``.

    Attributes:
        min_presence: poses with a lower presence are left out, 0..1.
        max_similarity: poses with a higher object keypoint similarity count as one, 0..1.
        max_people: the maximum number of faces for which landmarks are computed, highest scores
            first.
        quarters: whether faces are also searched in four overlapping quarters of the image, in
            which small people are larger. The detector then runs five times. People who are found
            without this option are also found with it. The default as the person detector of
            another model, with a minimum score of 0.4.
        segmentation: whether the landmark network's output for ``Pose.mask`` is computed, too.
    """

    min_presence: Share = 0.5
    max_similarity: Share = 0.3
    max_people: Count = 20
    quarters: bool = False
    segmentation: bool = False


def detector_views(size: Size, *, quarters: bool) -> list[ImageTransform]:
    """The parts of an image that the detector sees: the whole image first, and optionally its four
    quarters.

    Each quarter is seen as a square, with the image around it. ``size`` is in pixels.
    """
    width, height = size
    side = _QUARTER_SIDE * max(size)
    shares = (_QUARTER_SIDE / 2, 1 - _QUARTER_SIDE / 2) if quarters else ()
    centers = [(x * width, y * height) for y in shares for x in shares]
    squares = [rotated_square_transform(center, side, 0, DETECTOR_SIZE) for center in centers]
    return [letterbox_transform(size, DETECTOR_SIZE), *squares]


def decode_faces(raw_boxes: Floats, raw_scores: Floats, options: BlazePoseOptions) -> Detections:
    """The faces among the detector's 2254 candidates.

    Their keypoints are the middle of the hips, a point above the head whose distance from the hips
    is the radius of the body, the middle of the shoulders, and the same kind of point for the upper
    body.

    Args:
        raw_boxes: (1, 2254, 12), as for ``blazeface.decode_detections``.
        raw_scores: (1, 2254, 1): logits.
    """
    return decode_detections(raw_boxes, raw_scores, ANCHORS, options)


def merge_views(views: Sequence[Detections], options: BlazePoseOptions) -> Detections:
    """Each face once, of those that were found in several parts of an image; all are in image
    pixels.

    The faces of the first part, the whole image, are all kept: a quarter may show only half of a
    body.
    """
    boxes = np.concatenate([faces.boxes for faces in views])
    keypoints = np.concatenate([faces.keypoints for faces in views])
    scores = np.concatenate([faces.scores for faces in views])
    first = len(views[0])
    others = first + sort_descending(scores[first:])
    order = np.concatenate([np.arange(first), others])
    faces = Detections(boxes, keypoints, scores)[order]
    return suppress_non_maxima(faces, replace(options, weighted=False))


def body_region(hip: Array, top: Array) -> ImageTransform | None:
    """The square in which the landmark network sees a person upright; None if it has no size.

    Args:
        hip: (2,): the middle of the hips, in image pixels; it is the center of the square.
        top: (2,): the point above the head, in image pixels; its distance and direction from the
            hip define the square's size and rotation.
    """
    dx, dy = (top - hip).tolist()
    side = _REGION_SCALE * math.hypot(dx, dy)
    if not 1 <= side < math.inf:
        return None
    angle = math.atan2(dx, -dy)
    return rotated_square_transform(tuple(hip.tolist()), side, angle, LANDMARK_SIZE)


def body_regions(faces: Detections) -> list[ImageTransform]:
    """The regions of faces in image pixels."""
    axes = faces.keypoints[:, (_HIP, _TOP)]
    regions = [body_region(hip, top) for hip, top in axes]
    return [region for region in regions if region]


def next_axis(maps: Maps, transform: ImageTransform, *, window: int = WINDOW) -> Floats:
    """(2, 2): hip and top, as for ``body_region``, in the next frame of a video; arguments as for
    ``decode_pose``.
    """
    return _refined_points(maps, _NEXT_REGION, transform, window)


def region_bounds(regions: Sequence[ImageTransform]) -> Floats:
    """(N, 4) float32: the upright squares of the same centers and sizes, in image pixels."""
    middle = np.divide(LANDMARK_SIZE, 2)
    centers = np.array([region.to_image(middle) for region in regions])
    halves = np.array([middle / region.scales for region in regions], np.float32)
    return box_corners(centers, halves)


def refine_landmarks(points: Floats, heatmaps: Floats, size: Size, window: int = WINDOW) -> Floats:
    """Move each landmark to the centroid of its heatmap in the cells around it.

    A landmark stays where it is if it is outside of the map, or if no cell around it is as likely
    as 0.5 (MediaPipe's RefineLandmarksFromHeatmapCalculator).

    Args:
        points: (K, 2): x, y in pixels of the network's input.
        heatmaps: (rows, columns, K or more): logits.
        size: width and height of the input, in pixels.
        window: the cells to each side of a landmark; the published graph has 3.
    """
    height, width = heatmaps.shape[:2]
    cell = np.divide(size, (width, height))
    cells = np.trunc(points / cell)
    is_inside = ((cells >= 0) & (cells < (width, height))).all(axis=1)
    column, row = cells.clip(0, (width - 1, height - 1)).astype(int).T
    # Outside of the map the weights are 0.
    around = ((window, window), (window, window), (0, 0))
    padded = np.pad(heatmaps, around, constant_values=-LARGEST_LOGIT)
    side = 2 * window + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (0, 1))
    weights = sigmoid(windows[row, column, np.arange(len(points))])
    offsets = np.arange(-window, window + 1)
    total = weights.sum(axis=(1, 2))
    x = column + weights.sum(axis=1) @ offsets / total
    y = row + weights.sum(axis=2) @ offsets / total
    is_refined = is_inside & (weights.max(axis=(1, 2)) >= MIN_CONFIDENCE)
    return np.where(is_refined[:, None], np.stack([x, y], axis=1) * cell, points)


def decode_pose(
    maps: Maps, transform: ImageTransform, size: Size, *, window: int = WINDOW
) -> Pose | None:
    """The pose from the landmark network's outputs; None if a value is not finite.

    A keypoint's score is the probability that it is visible: the sigmoid of the network's
    visibility. It is low if the keypoint is hidden or outside the image.

    Args:
        maps: ``landmarks``, 39 times x, y, z in input pixels, and logits of visibility and presence
            (the last six points are for tracking and do not belong to the body); ``heatmaps``, 64 x
            64 x 39 logits; ``presence``, the probability of a pose, 0..1; and optionally
            ``world_landmarks``, 39 times x, y, z in meters, and ``segmentation``, 256 x 256 logits.
            They may have a batch axis of one.
        transform: from the image to the network's input.
        size: width and height of the image, in pixels.
        window: as for ``refine_landmarks``.
    """
    presence = float(maps["presence"].item())
    raw = maps["landmarks"].reshape(-1, LANDMARK_NUMBERS)
    if not (np.isfinite(raw).all() and math.isfinite(presence)):
        return None
    presence = min(max(presence, 0.0), 1.0)
    body = raw[:BODY]
    keypoints = np.empty((BODY, 3), np.float32)
    keypoints[:, :2] = _refined_points(maps, slice(BODY), transform, window)
    keypoints[:, 2] = sigmoid(body[:, 3])
    world = maps.get("world_landmarks")
    if world is not None:
        world = world.reshape(-1, 3)[:BODY]
    mask = maps.get("segmentation")
    if mask is not None:
        mask = sigmoid(mask.reshape(LANDMARK_SIZE))
    box = bounding_box(keypoints, size)
    pose = Pose(
        keypoints,
        SKELETON,
        presence,
        box,
        z=body[:, 2],
        world=world,
        mask=mask,
        pose_score=presence,
    )
    return convert_depths(pose, transform, size)


def _refined_points(maps: Maps, rows: slice, transform: ImageTransform, window: int) -> Floats:
    points = maps["landmarks"].reshape(-1, LANDMARK_NUMBERS)[rows, :2]
    heatmaps = maps["heatmaps"].reshape(maps["heatmaps"].shape[-3:])[..., rows]
    return transform.to_image(refine_landmarks(points, heatmaps, transform.size, window))


def find_distinct_poses(poses: Sequence[Pose], *, max_similarity: float) -> list[int]:
    """The places of the poses without duplicates of the same person; the first one is kept.

    Two faces may lead to the same body, even if they are too far apart to count as one face.
    """
    kept: list[int] = []
    for place, pose in enumerate(poses):
        if all(pose_similarity(pose, poses[other]) <= max_similarity for other in kept):
            kept.append(place)
    return kept


def _decode(maps: Maps, size: Size, options: BlazePoseOptions) -> list[Pose]:
    if not maps["presence"].item() >= options.min_presence:
        return []
    unchanged = ImageTransform(np.eye(2, 3), size)
    pose = decode_pose(maps, unchanged, size)
    return [] if pose is None else [pose]


#: Without this output, the landmark network takes less time.
SEGMENTATION = Output("Identity_2", (1, 256, 256, 1), role="segmentation")


def _find_sizes(facts: NetworkFacts, _options: BlazePoseOptions) -> dict[str, Sizes]:
    anchors = sum(repeat * facts.count_cells(stride) for stride, repeat in _GRID)
    points = facts.keypoints + HELPERS
    return {
        "boxes": (1, anchors, 12),
        "scores": (1, anchors, 1),
        "landmarks": (1, LANDMARK_NUMBERS * points),
        "heatmaps": (1, points, facts.height / 4, facts.width / 4),
        "world_landmarks": (1, 3 * points),
    }


DECODER = DecoderType(
    networks=(
        (
            Output("Identity", (1, 2254, 12), role="boxes"),
            Output("Identity_1", (1, 2254, 1), role="scores"),
        ),
        (
            Output("Identity", (1, 195), role="landmarks"),
            Output("Identity_1", (1, 1), role="presence"),
            Output("Identity_3", (1, 64, 64, 39), role="heatmaps"),
        ),
    ),
    optional=(Output("Identity_4", (1, 117), role="world_landmarks"), SEGMENTATION),
    options=BlazePoseOptions,
    person_score="min_detection_score",
    # MoveNet Lightning has an AP of 0.326 with these people on 17 photos of COCO, and 0.290 with a
    # minimum score of 0.5.
    detector_options={"quarters": True, "min_detection_score": 0.4},
    decode=_decode,
    pipeline="blazepose",
    sizes=_find_sizes,
    skeleton=SKELETON,
    needs="the outputs of two networks",
    architectures=("blazepose",),
    approach="top-down",
)
