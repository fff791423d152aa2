"""Decoder of BlazeFace and detectors like it, which find faces, palms and, for BlazePose, people:
for each anchor a score, a box, and a few keypoints.

V. Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019,
arXiv:1907.05047. The steps and their constants are from MediaPipe 0.10.21,
``modules/face_detection`` and ``modules/palm_detection``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from posezoo.core.arrays import Array, Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.decoder_type import (
    DecoderOptions,
    DecoderType,
    Maps,
    Share,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import SCORES_OF_THE_POSE, Pose, create_poses, sort_descending
from posezoo.poses.letterbox import ImageTransform, Size
from posezoo.poses.ssd_detection import BOX_PRINTED, box_corners

#: The stride in pixels and the anchors per cell of each layer. MediaPipe lists layers with two
#: anchors; those of the same stride are one layer here.
Grid = tuple[tuple[int, int], ...]
# Of the detectors of near faces and of palms; of far faces; and of people.
_GRIDS: tuple[Grid, ...] = (((8, 2), (16, 6)), ((4, 1),), ((8, 2), (16, 2), (32, 6)))

Region = TypeVar("Region")

# By the number of keypoints.
_USUAL_SKELETONS = {6: "face-6", 7: "palm-7"}

# Regions with a larger intersection over union show the same person. This is the
# min_similarity_threshold of AssociationNormRectCalculator in MediaPipe's graphs.
_SAME_REGION = 0.5


@frozen
class SuppressionOptions(DecoderOptions):
    """Options of a decoder that averages overlapping detections; the defaults are MediaPipe's.

    Attributes:
        min_detection_score: detections with lower scores are left out, 0..1.
        averages_from: detections from this score, 0..1, are part of an average, also those below
            ``min_detection_score``: so a higher minimum leaves out people and moves none.
        max_overlap: those with a larger intersection over union count as one, 0..1.
        weighted: whether such detections are averaged, weighted by their scores (arXiv:1907.05047);
            otherwise the one with the highest score is used.
    """

    min_detection_score: Share = 0.5
    averages_from: Share = 1.0
    max_overlap: Share = 0.3
    weighted: bool = True


@frozen
class BlazeFaceOptions(SuppressionOptions):
    """Options of the decoder blazeface.

    Attributes:
        skeleton: the names of the keypoints.
    """

    skeleton: Skeleton | None = None


@frozen_with_arrays
class Detections:
    """N faces, palms or people, highest score first, in pixels of the detector's input or of the
    image.

    Attributes:
        boxes: (N, 4) float32: x0, y0, x1, y1.
        keypoints: (N, K, 2) float32.
        scores: (N,) float32, 0..1.
    """

    boxes: Floats
    keypoints: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Detections:
        return Detections(self.boxes[index], self.keypoints[index], self.scores[index])

    def to_image(self, transform: ImageTransform) -> Detections:
        """These detections in image pixels; ``transform`` maps the image to the detector's
        input.
        """
        corners = transform.to_image(self.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        return Detections(corners, transform.to_image(self.keypoints), self.scores)

    def to_poses(self, skeleton: Skeleton | None, size: Size) -> list[Pose]:
        """Poses whose keypoints have the scores of their detections.

        Args:
            size: the width and height of the input. Boxes are not clipped to it.
        """
        count = self.keypoints.shape[1]
        column = np.broadcast_to(self.scores[:, None, None], (len(self), count, 1))
        keypoints = np.concatenate([self.keypoints, column], axis=2)
        usual = _USUAL_SKELETONS.get(keypoints.shape[1])
        poses = create_poses(keypoints, self.scores, skeleton or usual, size)
        boxes = self.boxes.tolist()
        return [
            replace(pose, box=tuple(box), keypoint_scores=SCORES_OF_THE_POSE)
            for pose, box in zip(poses, boxes, strict=True)
        ]


@lru_cache(maxsize=8)
def generate_anchors(size: Size, grid: Grid) -> Floats:
    """(N, 2) float32: the centers of the anchors in pixels; boxes and keypoints are relative to
    them.
    """
    width, height = size
    layers = []
    for stride, repeat in grid:
        y, x = np.mgrid[: height // stride, : width // stride]
        centers = (np.stack([x, y], axis=-1) + 0.5) * stride
        layers.append(centers.reshape(-1, 2).repeat(repeat, axis=0))
    return np.concatenate(layers).astype(np.float32)


def decode_detections(
    raw_boxes: Floats, raw_scores: Floats, anchors: Floats, options: SuppressionOptions
) -> Detections:
    """The detections in the outputs of a network with one candidate for each anchor.

    Args:
        raw_boxes: (N, 4 + 2 K): center, size and K keypoints; positions are relative to the
            anchors, in pixels. It may have a batch axis of one.
        raw_scores: (N, 1): logits.
        anchors: (N, 2), as ``generate_anchors`` returns.
    """
    logits = raw_scores.reshape(-1)
    # Only the few candidates above the threshold are decoded.
    least = min(options.min_detection_score, options.averages_from)
    chosen = np.flatnonzero(logits >= logit(least))
    rows = raw_boxes.reshape(len(anchors), -1)
    is_finite = np.isfinite(rows[chosen]).all(axis=1)
    chosen = chosen[is_finite]
    chosen = chosen[sort_descending(logits[chosen])]
    raw = rows[chosen]
    points = raw.reshape(-1, raw.shape[1] // 2, 2) + anchors[chosen][:, None]
    boxes = box_corners(points[:, 0], raw[:, 2:4] / 2)
    candidates = Detections(boxes, points[:, 2:], sigmoid(logits[chosen]))
    detections = suppress_non_maxima(candidates, options)
    if least == options.min_detection_score:
        return detections
    return detections[detections.scores >= options.min_detection_score]


def suppress_non_maxima(candidates: Detections, options: SuppressionOptions) -> Detections:
    """One detection for each group of overlapping candidates, with the group's highest score; both
    are sorted, highest score first.
    """
    boxes = candidates.boxes.copy()
    keypoints = candidates.keypoints.copy()
    scores = candidates.scores
    overlaps = find_overlaps(boxes, boxes)
    left = np.ones(len(candidates), bool)
    kept = []
    for place in range(len(candidates)):
        if not left[place]:
            continue
        group = left & (overlaps[place] > options.max_overlap)
        group[place] = True
        left &= ~group
        kept.append(place)
        if options.weighted and np.count_nonzero(group) > 1:
            weights = scores[group] / scores[group].sum()
            boxes[place] = np.tensordot(weights, candidates.boxes[group], 1)
            keypoints[place] = np.tensordot(weights, candidates.keypoints[group], 1)
    return Detections(boxes, keypoints, scores)[kept]


def find_overlaps(boxes: Array, others: Array) -> Array:
    """(N, M): the intersection over union of boxes, (N, 4), and others, (M, 4)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = (high - low).clip(0)
    common = sides[..., 0] * sides[..., 1]  # prod of a short axis is slow
    areas, other_areas = (
        (each[:, 2:] - each[:, :2]).clip(0).prod(axis=1) for each in (boxes, others)
    )
    union = areas[:, None] + other_areas[None] - common
    overlaps: Array = common / np.maximum(union, np.finfo(np.float32).tiny)
    return overlaps


def find_new(
    followed: Sequence[Region],
    detected: Sequence[Region],
    bounds: Callable[[Sequence[Region]], Array],
) -> list[Region]:
    """The detected regions that do not show a person who is already followed; ``bounds`` returns
    boxes (N, 4).
    """
    if not (followed and detected):
        return list(detected)
    overlaps = find_overlaps(bounds(detected), bounds(followed)).max(axis=1)
    pairs = zip(detected, overlaps, strict=True)
    return [region for region, overlap in pairs if overlap <= _SAME_REGION]


#: The largest absolute value of a logit: exp(89) overflows in float32.
LARGEST_LOGIT = 80


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) in float32; x is clipped to ``LARGEST_LOGIT``."""
    clipped = logits.astype(np.float32).clip(-LARGEST_LOGIT, LARGEST_LOGIT)
    probabilities: Floats = np.float32(1) / (1 + np.exp(-clipped))
    return probabilities


def logit(probability: float) -> float:
    """The inverse of the sigmoid; infinite for 0 and 1."""
    if probability <= 0 or probability >= 1:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def decode_maps(maps: Maps, size: Size, options: BlazeFaceOptions) -> Detections:
    """The detections in a network's outputs, in pixels of an input of this width and height.

    Args:
        maps: the outputs by role.

    Raises:
        InferenceError: no known detector has as many anchors as there are rows.
    """
    count = maps["boxes"].shape[-2]
    for grid in _GRIDS:
        anchors = generate_anchors(size, grid)
        if len(anchors) == count:
            return decode_detections(maps["boxes"], maps["scores"], anchors, options)
    width, height = size
    raise InferenceError(f"blazeface: {count} rows do not fit an input of {width}x{height}")


DECODER = DecoderType(
    networks=(declare_outputs(boxes=(1, -1, -1), scores=(1, -1, 1)),),
    options=BlazeFaceOptions,
    decode=lambda maps, size, options: decode_maps(maps, size, options).to_poses(
        options.skeleton, size
    ),
    pipeline="face",
    sizes=lambda facts, _options: {
        "boxes": (1, facts.rows, 4 + 2 * facts.keypoints),
        "scores": (1, facts.rows, 1),
    },
    needs="rows of a box and keypoints, and a score for each",
    rules=(
        {
            "boxes": has_shape(1, (896, 2016, 2304), (16, 18)),
            "scores": has_shape(1, (896, 2016, 2304), 1),
        },
    ),
    person_score="min_detection_score",
    finds_boxes=True,
    has_own_boxes=True,
    printed=BOX_PRINTED,
)
