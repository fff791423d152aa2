"""Decoders of RTMDet and other detectors whose networks contain the suppression of overlapping
boxes: those of MMDeploy, and those of Open Model Zoo that have boxes and labels.

C. Lyu et al., RTMDet: An Empirical Study of Designing Real-Time Object Detectors, 2022,
arXiv:2212.07784.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from posezoo.core.arrays import Bools
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Maps,
    Share,
    declare_outputs,
    has_shape,
    require_equal_rows,
)
from posezoo.poses.keypoints import Pose, best_first
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import BoxDecoder, DetectionOptions, create_box_poses
from posezoo.poses.yolox_boxes import TOP_LEFT_ON_GREY

#: The label of people, the first class.
PERSON = 0


@frozen
class RtmdetOptions(DetectionOptions):
    """Options of the decoder rtmdet: those of detection, with the ``min_box_score`` of MMPose's
    demo.
    """

    min_box_score: Share = 0.3


def decode_rtmdet(maps: Maps, size: Size, options: RtmdetOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input.

    Args:
        maps: ``dets`` (N, 5): left, top, right, bottom in pixels of the input, and the score,
            0..1; and ``labels`` (N,). A row of zeros is padding.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the outputs have different numbers of rows.
    """
    require_equal_rows("rtmdet", maps)
    rows = maps["dets"]
    scores = rows[:, 4]
    is_found = (scores >= options.min_box_score) & (scores > 0)
    if not options.all_classes:
        is_found &= maps["labels"] == PERSON
    is_found &= np.isfinite(rows).all(axis=1)
    order = best_first(scores, is_found)
    classes = maps["labels"][order] if options.all_classes else None
    return create_box_poses(rows[order, :4], scores[order], size, classes)


def find_rows(maps: Maps, min_score: float) -> Bools:
    """The rows of ``dets`` (1, N, 5) with higher scores; a row that MMDeploy appends has a lower
    one.
    """
    return maps["dets"][0, :, 4] > min_score


DECODER = BoxDecoder(
    networks=(declare_outputs(dets=(1, -1, 5), labels=(1, -1)),),
    options=RtmdetOptions,
    decode=decode_rtmdet,
    sizes=lambda facts, _options: {"dets": (1, facts.rows, 5), "labels": (1, facts.rows)},
    needs="boxes of 5 numbers, and labels",
    rules=({"dets": has_shape(-1, -1, 5), "labels": has_shape(-1, -1)},),
    find_rows=partial(find_rows, min_score=0.05),
    input_sizing=TOP_LEFT_ON_GREY,
)


#: The form of person-detection-0203 and others: (N, 5) and (N,), of stretched images.
BOXES_LABELS = replace(
    DECODER,
    rules=({"dets": has_shape(-1, 5), "labels": has_shape(-1)},),
    convert_outputs=lambda outputs: {role: rows[None] for role, rows in outputs.items()},
    find_rows=None,
    stretches=True,
)
