"""Decoder of MediaPipe Selfie Segmentation (0.10.21, ``modules/selfie_segmentation``): the
probability of each pixel to show a person.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    DecoderOptions,
    DecoderType,
    Maps,
    Share,
    declare_outputs,
    has_shape,
)
from posezoo.poses.keypoints import NO_KEYPOINTS, Pose
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import SKELETON


@frozen
class SegmentationOptions(DecoderOptions):
    """Options of the decoder segmentation.

    Attributes:
        min_score: an image whose likeliest pixel has a lower probability shows no person, 0..1.
        segmentation: whether the pose has its ``mask``; otherwise only the box around it.
    """

    min_score: Share = 0.5
    segmentation: bool = True


def decode_mask(maps: Maps, _size: Size, options: SegmentationOptions) -> list[Pose]:
    """All people in an image as one: a box without keypoints around the pixels above 0.5, and their
    mask, in pixels of the input.

    Args:
        maps: ``person_mask`` (height, width, 1): the probability of each pixel, 0..1.
    """
    mask = maps["person_mask"][..., 0]
    score = float(mask.max())
    if not (np.isfinite(mask).all() and score >= options.min_score):
        return []
    rows, columns = np.nonzero(mask > 0.5)
    box = (0.0, 0.0, 0.0, 0.0)
    if len(rows):
        x0, y0, x1, y1 = map(float, (columns.min(), rows.min(), columns.max(), rows.max()))
        box = (x0, y0, x1 + 1, y1 + 1)
    kept = mask if options.segmentation else None
    return [Pose(NO_KEYPOINTS, SKELETON, min(score, 1.0), box, mask=kept)]


DECODER = DecoderType(
    networks=(declare_outputs(person_mask=(1, -1, -1, 1)),),
    options=SegmentationOptions,
    decode=decode_mask,
    pipeline="mask",
    sizes=lambda facts, _options: {"person_mask": (1, 1, facts.height, facts.width)},
    skeleton=SKELETON,
    needs="a map of probabilities, as large as the input",
    rules=({"person_mask": has_shape(1, (256, 144), 256, 1)},),
    person_score="min_score",
    finds_masks=True,
    stretches=True,
    needs_task=True,
    printed=("pose.mask", "the probability of each pixel to show a person"),
)
