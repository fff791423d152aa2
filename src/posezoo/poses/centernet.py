"""Decoder of CenterNet, a network that finds the centers of people and other objects.

X. Zhou et al., Objects as Points, 2019, arXiv:1904.07850; the outputs are those of Open Model Zoo's
ctdet_coco_dlav0_512, whose images are letterboxed in the middle, on black.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.values import frozen
from posezoo.poses.blazeface import sigmoid
from posezoo.poses.decoder_type import Maps, Share, declare_outputs, has_shape
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.poses.peaks import find_peaks
from posezoo.poses.ssd_detection import (
    MAX_BOXES,
    BoxDecoder,
    DetectionOptions,
    box_corners,
    create_box_poses,
)


@frozen
class CenterNetOptions(DetectionOptions):
    """Options of the decoder centernet, with the ``min_box_score`` of CenterNet's demo."""

    min_box_score: Share = 0.3


def decode_centernet(maps: Maps, size: Size, options: CenterNetOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input.

    Args:
        maps: ``centers`` (80, H, W), the logits of a center in a cell; ``sizes`` (2, H, W),
            width and height of the box, and ``offsets`` (2, H, W), x and y of its center from the
            cell's, in cells.
        size: width and height of the input, in pixels.
    """
    logits = maps["centers"] if options.all_classes else maps["centers"][:1]
    heatmaps = sigmoid(logits)
    peaks = find_peaks(heatmaps, threshold=options.min_box_score, radius=1, limit=MAX_BOXES)
    cells = np.stack([peaks.columns, peaks.rows])
    offsets = maps["offsets"][:, peaks.rows, peaks.columns]
    sides = maps["sizes"][:, peaks.rows, peaks.columns]
    boxes = box_corners((cells + offsets).T, sides.T / 2)
    boxes *= np.tile(np.divide(size, logits.shape[:0:-1]), 2)
    best = np.argsort(-peaks.scores, kind="stable")[:MAX_BOXES]
    best = best[np.isfinite(boxes[best]).all(axis=1)]
    classes = peaks.maps[best] if options.all_classes else None
    return create_box_poses(boxes[best], peaks.scores[best], size, classes)


DECODER = BoxDecoder(
    networks=(
        declare_outputs(centers=(1, 80, -1, -1), sizes=(1, 2, -1, -1), offsets=(1, 2, -1, -1)),
    ),
    options=CenterNetOptions,
    decode=decode_centernet,
    sizes=lambda facts, _options: {
        "centers": facts.maps(facts.classes),
        "sizes": facts.maps(2),
        "offsets": facts.maps(2),
    },
    needs="maps of centers, sizes and offsets",
    rules=(
        {
            "centers": has_shape(1, 80, -1, -1),
            "sizes": has_shape(-1, -1, -1, -1, word="width_height"),
            "offsets": has_shape(-1, -1, -1, -1, word="regression"),
        },
    ),
    needs_task=True,
)
