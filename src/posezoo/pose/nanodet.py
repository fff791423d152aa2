"""Decoder of NanoDet, a network that finds people and other objects.

Centers, distances and constants are those of RangiLyu/nanodet before NanoDet-Plus, ``gfl_head.py``.
For each distance the network gives a distribution: X. Li et al., Generalized Focal Loss, 2020,
arXiv:2006.04388.
"""

from __future__ import annotations

from math import nan

import numpy as np

from posezoo.errors import InferenceError
from posezoo.pose.decoder_type import (
    Maps,
    NetworkFacts,
    OutputRule,
    Sizes,
    check_shares,
)
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Size
from posezoo.pose.ssd_detection import MAX_BOXES, BoxDecoder, suppress_boxes
from posezoo.spec.model import Output
from posezoo.values import frozen

STRIDES = (8, 16, 32)

#: The column of the scores of people, which are the first of COCO's 80 classes.
PERSON = 0


@frozen
class NanoDetOptions:
    """Options of the decoder nanodet.

    Attributes:
        min_box_score: boxes with lower scores are left out, 0..1. NanoDet's demo for OpenVINO uses
            0.4.
        max_overlap: of boxes with a larger intersection over union, only the best is kept, 0..1.
        all_classes: whether objects of all classes are found, not only people.
    """

    min_box_score: float = 0.4
    max_overlap: float = 0.6
    all_classes: bool = False

    def __post_init__(self) -> None:
        check_shares(self, "min_box_score", "max_overlap")


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
    boxes = []
    scores = []
    classes = []
    last = None if options.all_classes else PERSON + 1
    for stride in STRIDES:
        cells = maps[f"scores_{stride}"]
        logits = maps[f"distances_{stride}"]
        columns = size[0] // stride
        count = columns * (size[1] // stride)
        if len(cells) != count or len(logits) != count or logits.shape[1] % 4:
            raise InferenceError(
                f"nanodet: an input of {size[0]}x{size[1]} has {count} cells with stride"
                f" {stride}; the scores have {len(cells)}, the distances {len(logits)} of"
                f" {logits.shape[1]} logits"
            )
        cell_classes = cells[:, PERSON:last].argmax(axis=1)
        cell_scores = cells[:, PERSON:last].max(axis=1)
        cells_above = np.flatnonzero(cell_scores >= options.min_box_score)
        is_finite = np.isfinite(cell_scores[cells_above])
        is_finite &= np.isfinite(logits[cells_above]).all(axis=1)
        cells_above = cells_above[is_finite]
        positions = np.stack([cells_above % columns, cells_above // columns], axis=1)
        centers = (positions + 0.5) * stride
        bins = logits[cells_above].reshape(-1, 4, logits.shape[1] // 4)
        shares = np.exp(bins - bins.max(axis=2, keepdims=True))
        sums = shares @ np.arange(bins.shape[2])
        distances = stride * sums / shares.sum(axis=2)
        low = centers - distances[:, :2]
        high = centers + distances[:, 2:]
        boxes.append(np.concatenate([low, high], axis=1))
        scores.append(cell_scores[cells_above])
        classes.append(cell_classes[cells_above])
    return suppress_boxes(
        np.concatenate(boxes).clip(0, [*size, *size]),
        np.concatenate(scores),
        size,
        options.max_overlap,
        MAX_BOXES,
        np.concatenate(classes) if options.all_classes else None,
    )


def _is_output(stride: int, *channels: int) -> OutputRule:
    """The rule for an output with this stride, for NanoDet's inputs of 320x320 and 416x416
    pixels.
    """
    cells = {(side // stride) ** 2 for side in (320, 416)}
    return lambda _name, shape: len(shape) == 3 and shape[1] in cells and shape[2] in channels


def _find_sizes(facts: NetworkFacts, _options: NanoDetOptions) -> dict[str, Sizes]:
    sizes: dict[str, Sizes] = {}
    for stride in STRIDES:
        cells = facts.count_cells(stride)
        sizes[f"scores_{stride}"] = (1, cells, facts.classes)
        sizes[f"distances_{stride}"] = (1, cells, nan)
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
    pipeline="posezoo.runtime.network_pipeline:LetterboxDetectorPipeline",
    sizes=_find_sizes,
    needs="three outputs of 80 scores and three of 32 or 44 logits",
    # Distances have 8 or 11 logits each.
    rules=(
        {
            **{f"scores_{stride}": _is_output(stride, 80) for stride in STRIDES},
            **{f"distances_{stride}": _is_output(stride, 32, 44) for stride in STRIDES},
        },
    ),
)
