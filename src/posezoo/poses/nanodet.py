"""Decoder of NanoDet, a network that finds people and other objects.

Centers, distances and constants are those of RangiLyu/nanodet before NanoDet-Plus, ``gfl_head.py``.
For each distance the network gives a distribution: X. Li et al., Generalized Focal Loss, 2020,
arXiv:2006.04388.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.declarations.model import Output
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Maps,
    NetworkFacts,
    Share,
    Sizes,
    has_shape,
)
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import BoxDecoder, OverlapOptions, suppress_boxes
from posezoo.poses.yolox_boxes import STRIDES, generate_cells

#: The column of the scores of people, which are the first of COCO's 80 classes.
PERSON = 0


@frozen
class NanoDetOptions(OverlapOptions):
    """Options of the decoder nanodet, with the ``min_box_score`` of NanoDet's demo for OpenVINO."""

    min_box_score: Share = 0.4
    max_overlap: Share = 0.6


def decode_nanodet(maps: Maps, size: Size, options: NanoDetOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input.

    Args:
        maps: for each stride S: ``scores_S`` (cells, classes), 0..1, with the cells row by row; and
            ``distances_S`` (cells, 4 n), the logits of n possible distances, 0, S, 2 S ... pixels,
            from the cell's center to the left, upper, right and lower side.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the number of cells or of logits does not fit.
    """
    numbers = maps["distances_8"].shape[1]
    for stride in STRIDES:
        cells = maps[f"scores_{stride}"]
        logits = maps[f"distances_{stride}"]
        count = (size[0] // stride) * (size[1] // stride)
        if {len(cells), len(logits)} != {count} or logits.shape[1] != numbers or numbers % 4:
            raise InferenceError(
                f"nanodet: an input of {size[0]}x{size[1]} has {count} cells with stride"
                f" {stride}; the scores have {len(cells)}, the distances {len(logits)} of"
                f" {logits.shape[1]} logits"
            )
    last = None if options.all_classes else PERSON + 1
    rows = np.concatenate([maps[f"scores_{stride}"][:, PERSON:last] for stride in STRIDES])
    logits = np.concatenate([maps[f"distances_{stride}"] for stride in STRIDES])
    scores = rows.max(axis=1)
    likely = np.flatnonzero(scores >= options.min_box_score)
    is_finite = np.isfinite(scores[likely]) & np.isfinite(logits[likely]).all(axis=1)
    likely = likely[is_finite]
    corners, sides = generate_cells(size)
    bins = logits[likely].reshape(-1, 4, numbers // 4)
    shares = np.exp(bins - bins.max(axis=2, keepdims=True))
    sums = shares @ np.arange(bins.shape[2])
    distances = sides[likely] * sums / shares.sum(axis=2)
    centers = (corners[likely] + 0.5) * sides[likely]
    boxes = np.concatenate([centers - distances[:, :2], centers + distances[:, 2:]], axis=1)
    return suppress_boxes(
        boxes.clip(0, [*size, *size]),
        scores[likely],
        rows[likely].argmax(axis=1),
        size,
        options,
    )


def _count_cells(stride: int) -> set[int]:
    """The cells of NanoDet's inputs of 320x320 and 416x416 pixels."""
    return {(side // stride) ** 2 for side in (320, 416)}


def _find_sizes(facts: NetworkFacts, _options: NanoDetOptions) -> dict[str, Sizes]:
    sizes: dict[str, Sizes] = {}
    for stride in STRIDES:
        cells = facts.count_cells(stride)
        sizes[f"scores_{stride}"] = (1, cells, facts.classes)
        sizes[f"distances_{stride}"] = (1, cells, facts.columns // 4 * 4)
    return sizes


DECODER = BoxDecoder(
    networks=(
        tuple(
            Output("", (1, -1, -1), role=f"{kind}_{stride}")
            for kind in ("scores", "distances")
            for stride in STRIDES
        ),
    ),
    options=NanoDetOptions,
    decode=decode_nanodet,
    sizes=_find_sizes,
    needs="three outputs of 80 scores and three of 32 or 44 logits",
    # Distances have 8 or 11 logits each.
    rules=(
        {
            **{f"scores_{side}": has_shape(-1, _count_cells(side), 80) for side in STRIDES},
            **{
                f"distances_{side}": has_shape(-1, _count_cells(side), (32, 44)) for side in STRIDES
            },
        },
    ),
)
