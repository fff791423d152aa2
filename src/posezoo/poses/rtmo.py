"""Decoder of RTMO, whose network itself computes the keypoints of all people.

P. Lu et al., RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation,
2023, arXiv:2312.07526. MMDeploy appends one row after the suppression of overlapping boxes: in ONNX
Runtime the last anchor, in OpenVINO zeros.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    BottomUpDecoder,
    Maps,
    Share,
    SkeletonOptions,
    declare_outputs,
    has_shape,
    require_equal_rows,
)
from posezoo.poses.keypoints import Pose, best_people, create_poses
from posezoo.poses.letterbox import InputSizing, Size
from posezoo.poses.rtmdet import find_rows

SKELETON = "coco-17"
JOINTS = 17

#: The score that the suppression in the published networks requires: rows with lower ones are
#: padding.
NMS_SCORE = 0.15


@frozen
class RtmoOptions(SkeletonOptions):
    """Options of the decoder rtmo.

    Attributes:
        min_score: the minimum score of a person, 0..1. The default is the usual one of MMPose's
            demo, ``--bbox-thr`` of inferencer_demo.py; its configs test RTMO with 0.1, and rtmlib
            takes 0.7. Below 0.15, what the network appends may count as a person.
    """

    min_score: Share = 0.3


def decode_rtmo(maps: Maps, size: Size, options: RtmoOptions) -> list[Pose]:
    """The people, highest score first.

    Args:
        maps: ``dets`` (N, 5), a box, x0, y0, x1, y1 in pixels of the input, and the person's
            score, 0..1; and ``keypoints`` (N, K, 3): x, y in pixels of the input, and the
            visibility, 0..1, of any number of keypoints, K.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have different numbers of rows.
    """
    require_equal_rows("rtmo", maps)
    scores = maps["dets"][:, 4]
    keypoints = maps["keypoints"]
    rows = best_people(scores, options.min_score, keypoints, maps["dets"])
    # If the last anchor is a person, ONNX Runtime appends that person again.
    is_new = np.ones(len(rows), bool)
    differs = keypoints[rows[1:]] != keypoints[rows[:-1]]
    is_new[1:] = differs.any(axis=(1, 2))
    rows = rows[is_new]
    poses = create_poses(keypoints[rows], scores[rows], options.skeleton, size)
    boxes = maps["dets"][rows, :4].tolist()
    return [replace(pose, box=tuple(box)) for pose, box in zip(poses, boxes, strict=True)]


DECODER = BottomUpDecoder(
    networks=(declare_outputs(dets=(1, -1, 5), keypoints=(1, -1, JOINTS, 3)),),
    options=RtmoOptions,
    decode=decode_rtmo,
    sizes=lambda facts, _options: {
        "dets": (1, facts.rows, 5),
        "keypoints": (1, facts.rows, facts.keypoints, 3),
    },
    skeleton=SKELETON,
    needs="boxes of 5 numbers, and 17 keypoints of 3",
    rules=({"dets": has_shape(-1, -1, 5), "keypoints": has_shape(-1, -1, JOINTS, 3)},),
    find_rows=partial(find_rows, min_score=NMS_SCORE),
    has_own_boxes=True,
    visible_score=0.3,  # as rtmlib draws them
    input_sizing=InputSizing(default_target=640, padding=114),
)
