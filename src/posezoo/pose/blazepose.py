"""BlazePose: a detector of faces with the body's axis, then 33 landmarks in a turned square.

V. Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020, arXiv:2006.10204;
constants from MediaPipe 0.10.21, ``modules/pose_detection/pose_detection_cpu.pbtxt`` and
``modules/pose_landmark``: anchors, region of interest and layout of the landmarks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError
from posezoo.pose.decoder_type import DecoderType, Maps
from posezoo.pose.keypoints import Floats, Pose, bounding_box, pose_similarity
from posezoo.pose.letterbox import ImageTransform, Size, identity_transform, rotated_square_transform
from posezoo.spec.model import Output

SKELETON = "blazepose-33"

#: Width and height of the two networks' inputs, in pixels.
DETECTOR_SIZE: Size = (224, 224)
LANDMARK_SIZE: Size = (256, 256)

# Stride in pixels, anchors a cell. MediaPipe's SSD options name five layers of two each, strides 8,
# 16, 32, 32, 32: the last three share one grid.
_ANCHORS = ((8, 2), (16, 2), (32, 6))

# The side of the region over the distance from hip to the top of the body's circle: 2 radii, a quarter more.
_REGION_SCALE = 2 * 1.25

_BODY = 33
_HIP, _TOP = 0, 1  # the detector's keypoints that give the body's place, size and turn


@dataclass(frozen=True, slots=True)
class BlazePoseOptions:
    """What model.yml may say under ``decoder``.

    The defaults were chosen on 17 photos of COCO, where they find 15 of 44 people and nobody else.
    MediaPipe's threshold of 0.5 for faces finds 14, and loses the one person of the sample photo
    camera.png (0.46); its average over overlapping faces finds 12.

    Attributes:
        min_detection_score: a face counts as found from here on, 0..1.
        max_overlap: faces that share more than this of their joint area are one, 0..1.
        weighted: whether such faces are averaged by their scores, or the surest stands for all.
        min_presence: a pose counts as seen from here on, 0..1.
        max_similarity: poses more alike than this (object keypoint similarity) are one, 0..1.
        max_people: how many faces are looked at, the surest first.
    """

    min_detection_score: float = 0.4
    max_overlap: float = 0.3
    weighted: bool = False
    min_presence: float = 0.5
    max_similarity: float = 0.3
    max_people: int = 20

    def __post_init__(self) -> None:
        for name in ("min_detection_score", "max_overlap", "min_presence", "max_similarity"):
            if not 0 <= getattr(self, name) <= 1:
                raise InferenceError(f"decoder option {name}: expected 0 to 1, got {getattr(self, name)}")
        if self.max_people < 1:
            raise InferenceError(f"decoder option max_people: expected 1 or more, got {self.max_people}")


@dataclass(frozen=True, eq=False, slots=True)
class FaceDetections:
    """N faces, the surest first, in pixels of the detector's input.

    Attributes:
        boxes: (N, 4) float32: x0, y0, x1, y1 of the face.
        keypoints: (N, 4, 2) float32: middle of the hips, a point above the head as far from it as
            the body reaches, middle of the shoulders, the same for the upper body.
        scores: (N,) float32, 0..1.
    """

    boxes: Floats
    keypoints: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: Any) -> FaceDetections:
        return FaceDetections(self.boxes[which], self.keypoints[which], self.scores[which])


@lru_cache(maxsize=1)
def generate_anchors() -> Floats:
    """(2254, 2) float32: the centres that boxes and keypoints are offsets from, in input pixels."""
    width, height = DETECTOR_SIZE
    layers = []
    for stride, repeat in _ANCHORS:
        y, x = np.mgrid[: height // stride, : width // stride]
        centres = (np.stack([x, y], axis=-1) + 0.5) * stride
        layers.append(centres.reshape(-1, 2).repeat(repeat, axis=0))
    return np.concatenate(layers).astype(np.float32)


def decode_detections(
    raw_boxes: Floats, raw_scores: Floats, *, min_score: float, max_overlap: float, weighted: bool = False
) -> FaceDetections:
    """The faces among the detector's 2254 guesses.

    Args:
        raw_boxes: (1, 2254, 12): centre, size and four keypoints, offsets from the anchors in pixels.
        raw_scores: (1, 2254, 1): logits.
        min_score: guesses below are dropped, 0..1.
        max_overlap: guesses whose intersection over union exceeds it are one face, 0..1.
        weighted: whether such guesses are averaged by their scores (Bazarevsky et al., BlazeFace,
            2019, arXiv:1907.05047), or the surest stands for all.
    """
    logits = raw_scores.reshape(-1)
    # Most guesses are far below: only the few above are worth decoding.
    chosen = np.flatnonzero(logits >= _logit(min_score))
    chosen = chosen[np.isfinite(raw_boxes.reshape(-1, 12)[chosen]).all(axis=1)]
    chosen = chosen[np.argsort(-logits[chosen], kind="stable")]
    guesses = _decoded(raw_boxes.reshape(-1, 12)[chosen], generate_anchors()[chosen], sigmoid(logits[chosen]))
    return suppress_non_maxima(guesses, max_overlap=max_overlap, weighted=weighted)


def _decoded(raw: Floats, centres: Floats, scores: Floats) -> FaceDetections:
    points = raw.reshape(-1, 6, 2) + centres[:, None]
    half = raw[:, 2:4] / 2
    boxes = np.concatenate([points[:, 0] - half, points[:, 0] + half], axis=1)
    return FaceDetections(boxes, points[:, 2:], scores)


def suppress_non_maxima(
    guesses: FaceDetections, *, max_overlap: float, weighted: bool = False
) -> FaceDetections:
    """One of each group of guesses that overlap, where the surest come first; its score is the surest's."""
    overlaps = _overlaps(guesses.boxes)
    left = np.ones(len(guesses), bool)
    kept = []
    for place in range(len(guesses)):
        if not left[place]:
            continue
        group = left & (overlaps[place] > max_overlap)
        group[place] = True
        left &= ~group
        kept.append(_averaged(guesses[group]) if weighted else guesses[place : place + 1])
    if not kept:
        return guesses[:0]
    return FaceDetections(
        np.concatenate([one.boxes for one in kept]),
        np.concatenate([one.keypoints for one in kept]),
        np.concatenate([one.scores for one in kept]),
    )


def _averaged(group: FaceDetections) -> FaceDetections:
    weights = group.scores / group.scores.sum()
    return FaceDetections(
        np.tensordot(weights, group.boxes, 1)[None],
        np.tensordot(weights, group.keypoints, 1)[None],
        group.scores[:1],
    )


def _overlaps(boxes: Floats) -> Floats:
    """(N, N): intersection over union of every pair of boxes."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    union = areas[:, None] + areas[None] - common
    overlaps: Floats = common / np.maximum(union, np.finfo(np.float32).tiny)
    return overlaps


def body_region(hip: NDArray[Any], top: NDArray[Any]) -> ImageTransform | None:
    """The square in which the landmark network sees a person upright; None for a body without size.

    Args:
        hip: (2,): the middle of the hips, in image pixels: the centre of the square.
        top: (2,): the point above the head, in image pixels: its distance and direction from the
            hip give the square's size and turn.
    """
    dx, dy = float(top[0] - hip[0]), float(top[1] - hip[1])
    side = _REGION_SCALE * math.hypot(dx, dy)
    if not 1 <= side < math.inf:
        return None
    return rotated_square_transform((float(hip[0]), float(hip[1])), side, math.atan2(dx, -dy), LANDMARK_SIZE)


def body_regions(found: FaceDetections, transform: ImageTransform) -> list[ImageTransform]:
    """The regions of all detections, seen through ``transform``, of an image."""
    ends = transform.to_image(found.keypoints[:, (_HIP, _TOP)])
    return [square for hip, top in ends if (square := body_region(hip, top)) is not None]


def decode_pose(raw: Floats, presence: float, transform: ImageTransform, size: Size) -> Pose | None:
    """The pose that the landmark network saw; None where it put out what is no number.

    Args:
        raw: (1, 195), as ``decode_landmarks`` takes it.
        presence: how likely there is a pose at all, 0..1.
        transform: what the network saw.
        size: width and height of the image, in pixels.
    """
    if not (np.isfinite(raw).all() and math.isfinite(presence)):
        return None
    keypoints = decode_landmarks(raw, transform)
    return Pose(keypoints, SKELETON, presence, bounding_box(keypoints, size))


def decode_landmarks(raw: Floats, transform: ImageTransform) -> Floats:
    """(33, 3) float32: x, y in image pixels, and how likely the keypoint is in sight, 0..1.

    The score is the sigmoid of the network's visibility: low for what is hidden or outside the image.

    Args:
        raw: (1, 195): 39 times x, y, z in input pixels, and logits of visibility and presence; the
            last six serve tracking, not the body.
        transform: what the network saw.
    """
    body = raw.reshape(-1, 5)[:_BODY]
    keypoints: Floats = np.empty((_BODY, 3), np.float32)
    keypoints[:, :2] = transform.to_image(body[:, :2])
    keypoints[:, 2] = sigmoid(body[:, 3])
    return keypoints


def remove_duplicate_poses(poses: list[Pose], *, max_similarity: float) -> list[Pose]:
    """The poses without those that show a person again; of two, the later one goes.

    One body may have been found twice, by guesses too far apart to be the same face.
    """
    kept: list[Pose] = []
    for pose in poses:
        if all(pose_similarity(pose, other) <= max_similarity for other in kept):
            kept.append(pose)
    return kept


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) in float32, where exp(89) is too much."""
    likely: Floats = np.float32(1) / (1 + np.exp(-logits.astype(np.float32).clip(-80, 80)))
    return likely


def _logit(probability: float) -> float:
    if probability <= 0 or probability >= 1:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def _decode(maps: Maps, size: Size, options: BlazePoseOptions) -> list[Pose]:
    presence = float(maps["presence"].item())
    if not presence >= options.min_presence:
        return []
    pose = decode_pose(maps["landmarks"], presence, identity_transform(size), size)
    return [] if pose is None else [pose]


DECODER = DecoderType(
    networks=(
        (
            Output("Identity", (1, 2254, 12), role="boxes"),
            Output("Identity_1", (1, 2254, 1), role="scores"),
        ),
        (Output("Identity", (1, 195), role="landmarks"), Output("Identity_1", (1, 1), role="presence")),
    ),
    options=BlazePoseOptions,
    decode=_decode,
    pipeline="posezoo.runtime.blazepose_pipeline:BlazePosePipeline",
    approach="top-down",
)
