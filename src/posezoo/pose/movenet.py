"""Decoder of MoveNet, whose network itself computes the keypoints of one person.

R. Votel and N. Li, Next-Generation Pose Detection with MoveNet and TensorFlow.js, 2021; the layout of the
output is described in its model card.
"""

from __future__ import annotations

import numpy as np

from posezoo.pose.decoder_type import MAXIMUM_IS_VISIBLE, TOP_DOWN, DecoderType, Maps
from posezoo.pose.keypoints import Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.top_down import TopDownOptions
from posezoo.spec.model import Output

SKELETON = "coco-17"


def decode_movenet(maps: Maps, size: Size, _options: TopDownOptions) -> list[Pose]:
    """The person; an empty list if a value is not finite.

    A pose's score is the mean of its keypoint scores.

    Args:
        maps: ``keypoints`` (1, 17, 3) float32: y and x as shares of the input's height and width, and a
            score, 0..1.
    """
    keypoints = maps["keypoints"]
    if not np.isfinite(keypoints).all():
        return []
    width, height = size
    points = keypoints[:, :, [1, 0, 2]] * np.array([width, height, 1], np.float32)
    return create_poses(points, points[:, :, 2].mean(axis=1).clip(0, 1), SKELETON, size)


DECODER = DecoderType(
    networks=((Output("", (1, 1, 17, 3), role="keypoints"),),),
    options=TopDownOptions,
    decode=decode_movenet,
    pipeline=TOP_DOWN,
    needs="17 keypoints",
    rules=({"keypoints": lambda _name, shape: shape[1:] == (1, 17, 3)},),
    detector="possible",
    visible_score=MAXIMUM_IS_VISIBLE,
    approach="top-down",
)
