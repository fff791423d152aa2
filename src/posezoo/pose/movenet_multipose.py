"""Decoder of MoveNet MultiPose, whose network itself computes the keypoints of up to six people.

The layout of the output is that of tfjs-models (pose-detection/src/movenet/detector.ts).
"""

from __future__ import annotations

import numpy as np

from posezoo.pose.decoder_type import (
    BOTTOM_UP,
    MAXIMUM_IS_VISIBLE,
    DecoderGraph,
    DecoderType,
    Maps,
    check_shares,
    declare_outputs,
    has_shape,
)
from posezoo.pose.keypoints import Pose, best_first, create_poses
from posezoo.pose.letterbox import InputSizing, Size
from posezoo.values import frozen

SKELETON = "coco-17"
JOINTS = 17


@frozen
class MultiPoseOptions:
    """Options of MoveNet MultiPose.

    Attributes:
        min_score: the minimum score of a person, 0..1.
    """

    min_score: float = 0.2

    def __post_init__(self) -> None:
        check_shares(self, "min_score")


def decode_multipose(maps: Maps, size: Size, options: MultiPoseOptions) -> list[Pose]:
    """The people, highest score first.

    Args:
        maps: ``people`` (6, 56) float32, for each person: 17 times y and x as shares of the input's
            height and width and a score, 0..1; then a box, which is not used, and the person's
            score.
    """
    people = maps["people"]
    scores = people[:, 55]
    is_person = np.isfinite(people).all(axis=1) & (scores > 0) & (scores >= options.min_score)
    people = people[best_first(scores, is_person)]
    points = people[:, : 3 * JOINTS].reshape(-1, JOINTS, 3)[:, :, [1, 0, 2]] * np.array(
        [*size, 1], np.float32
    )
    return create_poses(points, people[:, 55].clip(0, 1), SKELETON, size)


DECODER = DecoderType(
    networks=(declare_outputs(people=(1, 6, 56)),),
    options=MultiPoseOptions,
    person_score="min_score",
    decode=decode_multipose,
    pipeline=BOTTOM_UP,
    sizes=lambda facts, _options: {"people": (1, 6, 3 * facts.keypoints + 5)},  # and a box
    skeleton=SKELETON,
    needs="6 people of 56 numbers",
    rules=({"people": has_shape(-1, 6, 56)},),
    visible_score=MAXIMUM_IS_VISIBLE,
    input_sizing=InputSizing(default_target=256, centered=False),
    graph=DecoderGraph("posezoo.convert.decoding.movenet_graph:build_multipose", "min_score"),
    approach="bottom-up",
)
