"""Decoders of transformers with a row for each query: RF-DETR Keypoint, DETRPose and ECPose.

Roboflow, rfdetr 1.11.2 (``PostProcess``); I. Robinson et al., RF-DETR, 2025, arXiv:2511.09554. The
network also gives the covariance of each keypoint, by the factor L of its inverse L L^T: people
whose keypoints are uncertain get a lower score.

S. Janampa, M. Pattichis, DETRPose, 2025, arXiv:2506.13027 (``PostProcess``, ``onnx_inf.py``), whose
decoder L. Liu et al., EdgeCrafter, 2026, arXiv:2603.18739, use for ECPose.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np

from posezoo.core.arrays import Doubles, Floats
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
from posezoo.poses.keypoints import SCORES_OF_THE_POSE, Pose, best_people, create_poses
from posezoo.poses.letterbox import Size

#: The class of people, the first one.
PERSON = 0

#: The columns of a keypoint: x and y as shares of the sides, whether it can be found (a logit), and
#: the three numbers of L: the logarithm of the first, the second, the logarithm of the third. The
#: others, whether it is visible and of its class, are not used.
PLACE = slice(2)
FINDABLE = 2
FIRST = 4
SECOND = 5
THIRD = 6
VALUES = 8

#: The power of the mean variance by which a score is divided.
EXPONENT = 0.2


@frozen
class RfDetrOptions(SkeletonOptions):
    """Options of the decoders rf_detr and detrpose.

    Attributes:
        min_score: the minimum score of a person, 0..1; 0.5 is the default of rfdetr and DETRPose.
    """

    min_score: Share = 0.5


def decode_rf_detr(maps: Maps, size: Size, options: RfDetrOptions) -> list[Pose]:
    """The people, highest score first.

    Args:
        maps: ``labels`` (N, classes), logits, of which the first is of a person; ``keypoints``
            (N, K, 8), with any number of keypoints, K; and ``dets`` (N, 4), their boxes: the
            center, width and height as shares of the input.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have different numbers of rows.
    """
    require_equal_rows("rf_detr", maps)
    rows = maps["keypoints"]
    with np.errstate(over="ignore", invalid="ignore"):
        visibility = _sigmoid(rows[:, :, FINDABLE])
        precision = _mean_variance(rows, visibility) ** -EXPONENT
        strength = _sigmoid(maps["labels"][:, PERSON]) * precision
        scores = 1 - 1 / (1 + strength)
    people = best_people(scores, options.min_score, rows, maps["dets"])
    keypoints = np.empty((len(people), rows.shape[1], 3), np.float32)
    keypoints[:, :, :2] = rows[people][:, :, PLACE] * size
    keypoints[:, :, 2] = visibility[people]
    poses = create_poses(keypoints, scores[people], options.skeleton, size)
    middles, sides = np.split(maps["dets"][people].reshape(-1, 2, 2), 2, axis=1)
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1) * size
    corners = boxes.reshape(-1, 4).tolist()
    return [
        replace(pose, box=(x0, y0, x1, y1))
        for pose, (x0, y0, x1, y1) in zip(poses, corners, strict=True)
    ]


def decode_detrpose(maps: Maps, size: Size, options: RfDetrOptions) -> list[Pose]:
    """The people, highest score first. Their keypoints have no scores: each gets its person's.

    Args:
        maps: ``scores`` (N,), 0..1; ``labels`` (N,), which are not used, as by its publishers,
            unless they are not finite; and ``keypoints`` (N, K, 2), x and y in pixels of the input,
            of any number of keypoints, K.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have different numbers of rows.
    """
    require_equal_rows("detrpose", maps)
    scores = maps["scores"]
    points = maps["keypoints"]
    people = best_people(scores, options.min_score, points, maps["labels"])
    shared = np.broadcast_to(scores[people, None, None], (*points[people].shape[:2], 1))
    keypoints = np.concatenate([points[people], shared], axis=2)
    poses = create_poses(keypoints, scores[people], options.skeleton, size)
    return [replace(pose, keypoint_scores=SCORES_OF_THE_POSE) for pose in poses]


def _mean_variance(rows: Floats, weights: Doubles) -> Doubles:
    """(N,): the mean of the traces of the keypoints' covariances."""
    first, second, third = (rows[:, :, place].astype(float) for place in (FIRST, SECOND, THIRD))
    variance = np.exp(-2 * first) + np.exp(-2 * third)
    variance += second**2 * np.exp(-2 * first - 2 * third)
    total = (weights * variance).sum(axis=1)
    mean: Doubles = total / weights.sum(axis=1)
    return mean


def _sigmoid(logits: Floats) -> Doubles:
    shares: Doubles = 1 / (1 + np.exp(-logits.astype(float)))
    return shares


DECODER = BottomUpDecoder(
    networks=(declare_outputs(dets=(1, -1, 4), labels=(1, -1, -1), keypoints=(1, -1, -1, VALUES)),),
    options=RfDetrOptions,
    decode=decode_rf_detr,
    pipeline="network",
    sizes=lambda facts, _options: {
        "dets": (1, facts.rows, 4),
        "labels": (1, facts.rows, nan),
        "keypoints": (1, facts.rows, facts.keypoints, VALUES),
    },
    needs="boxes of 4 numbers, labels, and keypoints of 8",
    rules=(
        {
            "dets": has_shape(-1, -1, 4),
            "labels": lambda _name, shape: len(shape) == 3 and shape[2] != 4,
            "keypoints": has_shape(-1, -1, -1, VALUES),
        },
    ),
    visible_score=0.5,
    has_own_boxes=True,
    stretches=True,
)

DETRPOSE = BottomUpDecoder(
    networks=(declare_outputs(scores=(1, -1), labels=(1, -1), keypoints=(1, -1, -1, 2)),),
    options=RfDetrOptions,
    decode=decode_detrpose,
    pipeline=DECODER.pipeline,
    sizes=lambda facts, _options: {
        "scores": (1, facts.rows),
        "labels": (1, facts.rows),
        "keypoints": (1, facts.rows, facts.keypoints, 2),
    },
    needs="scores, labels, and keypoints of 2",
    rules=(
        {
            "scores": has_shape(-1, -1, word="score"),
            "labels": has_shape(-1, -1, word="label"),
            "keypoints": has_shape(-1, -1, -1, 2),
        },
    ),
    stretches=True,
)
