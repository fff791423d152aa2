"""Decoder of PicoDet, a network that finds people; PaddleDetection exports it without the
suppression of overlapping boxes.

G. Yu et al., PP-PicoDet, 2021, arXiv:2111.00902.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import Maps, Share, declare_outputs, has_shape
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import (
    BoxDecoder,
    OverlapOptions,
    clip_boxes,
    suppress_boxes,
)

#: The row of the scores of people, the first class.
PERSON = 0

#: The numbers of cells of the published inputs, 192x192, 320x320 and 416x416.
_COUNTS = {sum((side // stride) ** 2 for stride in (8, 16, 32, 64)) for side in (192, 320, 416)}


@frozen
class PicoDetOptions(OverlapOptions):
    """Options of the decoder picodet, with the ``nms_threshold`` of its publisher."""

    min_box_score: Share = 0.4
    max_overlap: Share = 0.6


def decode_picodet(maps: Maps, size: Size, options: PicoDetOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input.

    Args:
        maps: ``boxes`` (N, 4): left, top, right, bottom in pixels of the input; and ``scores``
            (classes, N), 0..1.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have different numbers of boxes.
    """
    boxes = maps["boxes"]
    last = None if options.all_classes else PERSON + 1
    rows = maps["scores"][PERSON:last]
    if rows.shape[1] != len(boxes):
        raise InferenceError(f"picodet: {len(boxes)} boxes have {rows.shape[1]} scores")
    scores = rows.max(axis=0)
    inside, has_size = clip_boxes(boxes, size)
    is_found = (scores >= options.min_box_score) & has_size & np.isfinite(boxes).all(axis=1)
    classes = rows.argmax(axis=0)
    return suppress_boxes(inside[is_found], scores[is_found], classes[is_found], size, options)


DECODER = BoxDecoder(
    networks=(declare_outputs(boxes=(1, -1, 4), scores=(1, -1, -1)),),
    options=PicoDetOptions,
    decode=decode_picodet,
    sizes=lambda facts, _options: {
        "boxes": (1, facts.count_cells(8, 16, 32, 64), 4),
        "scores": (1, facts.classes, facts.count_cells(8, 16, 32, 64)),
    },
    needs="boxes of 4 numbers, and their scores",
    rules=({"boxes": has_shape(-1, _COUNTS, 4), "scores": has_shape(-1, -1, _COUNTS)},),
    stretches=True,
)
