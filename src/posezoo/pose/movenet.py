"""Decoder of MoveNet, whose network itself computes the keypoints of one person.

R. Votel and N. Li, Next-Generation Pose Detection with MoveNet and TensorFlow.js, 2021; the layout
of the output is described in its model card. The crops in videos, and their constants, are those of
tfjs-models (pose-detection/src/movenet/crop_utils.ts, constants.ts and detector.ts).
"""

from __future__ import annotations

import numpy as np

from posezoo.arrays import Floats
from posezoo.pose.decoder_type import (
    MAXIMUM_IS_VISIBLE,
    TOP_DOWN,
    Corners,
    DecoderGraph,
    DecoderType,
    Maps,
    declare_outputs,
    has_shape,
)
from posezoo.pose.keypoints import Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.top_down import TopDownOptions

SKELETON = "coco-17"

_SHOULDERS = [5, 6]
_HIPS = [11, 12]
# Keypoints with a lower score say nothing about the crop.
_MIN_SCORE = 0.2
# Half the crop's side, relative to the largest distance, along x or y, of a keypoint from the hips'
# center.
_TORSO_MARGIN = 1.9
_BODY_MARGIN = 1.2
# The share of the new crop in the crop that is used; the rest is the crop before.
_NEW_SHARE = 0.9


def decode_movenet(maps: Maps, size: Size, _options: TopDownOptions) -> list[Pose]:
    """The person; an empty list if a value is not finite.

    A pose's score is the mean of its keypoint scores.

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
    return create_poses(points, scores.clip(0, 1), SKELETON, size)


def next_crop(keypoints: Floats, size: Size, crop: Corners | None) -> Corners | None:
    """The square of the next frame of a video in which to look for the person of this frame.

    Its center is the center of the hips. If no hip, or no shoulder, is visible, or if the square
    would be larger than the image, it is the square around the whole image.

    Args:
        keypoints: (17, 3): x, y in image pixels and scores, in this frame.
        size: of the image, in pixels.
        crop: the square of this frame; None if that was the whole image and nothing is known of the
            person.

    Returns:
        x0, y0, x1, y1 in image pixels, which may lie outside the image; None if no keypoint is
        visible.
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
    x0, y0, x1, y1 = square.tolist()
    return x0, y0, x1, y1


DECODER = DecoderType(
    networks=(declare_outputs(keypoints=(1, 1, 17, 3)),),
    options=TopDownOptions,
    decode=decode_movenet,
    pipeline=TOP_DOWN,
    sizes=lambda facts, _options: {"keypoints": (1, 1, facts.keypoints, 3)},
    skeleton=SKELETON,
    needs="17 keypoints",
    rules=({"keypoints": has_shape(-1, 1, 17, 3)},),
    takes_boxes=True,
    visible_score=MAXIMUM_IS_VISIBLE,
    next_crop=next_crop,
    graph=DecoderGraph("posezoo.convert.decoding.movenet_graph:build"),
    approach="top-down",
)
