"""Decoders of MoveNet, whose network itself computes the keypoints of one person, and of MoveNet
MultiPose, whose network computes those of up to six people.

R. Votel and N. Li, Next-Generation Pose Detection with MoveNet and TensorFlow.js, 2021; the layout
of the output is described in its model card, that of MultiPose in tfjs-models
(pose-detection/src/movenet/detector.ts). The crops in videos, and their constants, are those of
crop_utils.ts, constants.ts and detector.ts there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posezoo.core.arrays import Floats
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    MAXIMUM_IS_VISIBLE,
    BottomUpDecoder,
    Corners,
    DecoderOptions,
    Maps,
    Share,
    TopDownDecoder,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import Pose, best_people, create_poses
from posezoo.poses.letterbox import InputSizing, Size
from posezoo.poses.top_down import TopDownOptions

SKELETON = "coco-17"
JOINTS = 17

_SHOULDERS = [5, 6]
_HIPS = [11, 12]
# Keypoints with a lower score say nothing about the crop.
_MIN_SCORE = 0.2
# Half the crop's side, relative to the largest distance, along x or y, of a keypoint from the hips'
# center.
_TORSO_MARGIN = 1.9
_BODY_MARGIN = 1.2
# The weight of the new crop in the crop that is used; the rest is the previous crop's weight.
_NEW_SHARE = 0.9


def decode_movenet(maps: Maps, size: Size, _options: TopDownOptions) -> list[Pose]:
    """The person, with the mean score of the keypoints; an empty list if a value is not finite.

    Args:
        maps: ``keypoints`` (1, 17, 3) float32: y and x as shares of the input's height and width,
            and a score, 0..1.
    """
    keypoints = maps["keypoints"]
    if not np.isfinite(keypoints).all():
        return []
    width, height = size
    points = keypoints[:, :, [1, 0, 2]] * np.array([width, height, 1], np.float32)
    scores = points[:, :, 2].mean(axis=1)
    return create_poses(points, scores, SKELETON, size)


def next_crop(keypoints: Floats, size: Size, crop: Corners | None) -> Corners | None:
    """The square, x0, y0, x1, y1 in image pixels, in which to look for the person of this frame in
    the next one; None if no keypoint is visible.

    Its center is that of the hips, and it may extend outside the image. If no hip, or no shoulder,
    is visible, or if the square would be larger than the image, it is the square around the whole
    image.

    Args:
        keypoints: (17, 3): x, y in image pixels and scores, in this frame.
        size: of the image, in pixels.
        crop: the square of this frame; None if that was the whole image and nothing is known of the
            person.
    """
    scores = keypoints[:, 2]
    if not (scores > _MIN_SCORE).any():
        return None
    center = np.array(size) / 2
    half = max(size) / 2
    if min(scores[_HIPS].max(), scores[_SHOULDERS].max()) > _MIN_SCORE:
        points = keypoints[:, :2].astype(np.float64)
        hips = points[_HIPS].mean(axis=0)
        distances = np.abs(points - hips).max(axis=1)
        torso = distances[_SHOULDERS + _HIPS].max()
        body = distances[scores >= _MIN_SCORE].max()
        wanted = max(_TORSO_MARGIN * torso, _BODY_MARGIN * body)
        farthest = np.maximum(hips, size - hips).max()
        reach = min(wanted, farthest)
        if 1 <= reach <= half:
            center = hips
            half = reach
    square = np.concatenate([center - half, center + half])
    if crop is not None:
        square = _NEW_SHARE * square + (1 - _NEW_SHARE) * np.array(crop)
    return tuple(square.tolist())


@frozen
class MultiPoseOptions(DecoderOptions):
    """Options of MoveNet MultiPose.

    Attributes:
        min_score: the minimum score of a person, 0..1.
    """

    min_score: Share = 0.2


def decode_multipose(maps: Maps, size: Size, options: MultiPoseOptions) -> list[Pose]:
    """The people, highest score first.

    Args:
        maps: ``people`` (6, 56) float32, for each person: 17 times y and x as shares of the input's
            height and width and a score, 0..1; then a box, top, left, bottom and right as shares
            of the same, and the person's score.
    """
    people = maps["people"]
    scores = people[:, 55]
    people = people[best_people(scores, options.min_score, people)]
    points = people[:, : 3 * JOINTS].reshape(-1, JOINTS, 3)[:, :, [1, 0, 2]] * np.array(
        [*size, 1], np.float32
    )
    poses = create_poses(points, people[:, 55], SKELETON, size)
    boxes = people[:, [52, 51, 54, 53]] * np.array([*size, *size], np.float32)
    return [replace(pose, box=tuple(box)) for pose, box in zip(poses, boxes.tolist(), strict=True)]


DECODER = TopDownDecoder(
    networks=(declare_outputs(keypoints=(1, 1, 17, 3)),),
    options=TopDownOptions,
    decode=decode_movenet,
    sizes=lambda facts, _options: {"keypoints": (1, 1, facts.keypoints, 3)},
    skeleton=SKELETON,
    needs="17 keypoints",
    rules=({"keypoints": has_shape(-1, 1, 17, 3)},),
    takes_all_outputs=True,
    next_crop=next_crop,
)

MULTIPOSE = BottomUpDecoder(
    networks=(declare_outputs(people=(1, 6, 56)),),
    options=MultiPoseOptions,
    decode=decode_multipose,
    sizes=lambda facts, _options: {"people": (1, 6, 3 * facts.keypoints + 5)},  # and a box
    skeleton=SKELETON,
    needs="6 people of 56 numbers",
    rules=({"people": has_shape(-1, 6, 56)},),
    visible_score=MAXIMUM_IS_VISIBLE,
    has_own_boxes=True,
    input_sizing=InputSizing(default_target=256, centered=False),
)
