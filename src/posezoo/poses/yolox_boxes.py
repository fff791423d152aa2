"""Decoder of YOLOX, a network that finds people and other objects.

Z. Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv:2107.08430; the outputs are those of the
publisher's ONNX files, which leave out the grid (``demo_postprocess`` in its repository).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import Count, Maps, Share, declare_outputs, has_shape
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import InputSizing, Size
from posezoo.poses.ssd_detection import (
    BoxDecoder,
    OverlapOptions,
    box_corners,
    clip_boxes,
    suppress_boxes,
)

STRIDES = (8, 16, 32)

#: The columns of a row: the box, whether there is an object, and people, the first of the classes.
OBJECT = 4
PERSON = 5

#: Images are in the upper left corner of the input, on grey, and their sides are truncated
#: (``preproc`` in YOLOX's repository, ``YOLOX`` and ``RTMDet`` in rtmlib).
TOP_LEFT_ON_GREY = InputSizing(padding=114, centered=False, truncates=True)


@frozen
class YoloxOptions(OverlapOptions):
    """Options of the decoder yolox, with the ``min_box_score`` of DWPose.

    Attributes:
        max_people: the maximum number of people, or of objects.
    """

    min_box_score: Share = 0.3
    max_overlap: Share = 0.45
    max_people: Count = 300


def decode_yolox(maps: Maps, size: Size, options: YoloxOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input.

    Args:
        maps: ``predictions`` (cells, 5 + classes), the cells of strides 8, 16 and 32, row by row:
            x and y of the box's center from the cell's corner, in cells; the logarithms of its
            width and height in cells; and shares, whether there is an object, and of which class.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the number of cells or of columns does not fit, or boxes are in pixels.
    """
    rows = maps["predictions"]
    corners, strides = generate_cells(size)
    if len(rows) != len(corners) or rows.shape[1] <= PERSON:
        raise InferenceError(
            f"yolox: an input of {size[0]}x{size[1]} has {len(corners)} cells of {PERSON + 1} or"
            f" more numbers; the predictions have {len(rows)} of {rows.shape[1]}"
        )
    last = None if options.all_classes else PERSON + 1
    shares = rows[:, PERSON:last]
    classes = shares.argmax(axis=1)
    scores = rows[:, OBJECT] * shares.max(axis=1)
    best = scores.argmax()
    # A side of exp(12) cells is larger than any image.
    if scores[best] >= options.min_box_score and rows[best, 2:4].min() > 12:
        raise InferenceError(
            f"yolox: the boxes are in pixels, such as {rows[best, :4].tolist()}",
            hint="export it without --decode_in_inference: posezoo adds the grid",
        )
    centers = (rows[:, :2] + corners) * strides
    with np.errstate(over="ignore"):
        halves = np.exp(rows[:, 2:4]) * strides / 2
    boxes = box_corners(centers, halves)
    # A box outside the image must not remove others, nor count as one of the most boxes.
    _, has_size = clip_boxes(boxes, size)
    is_finite = np.isfinite(boxes).all(axis=1)
    # A comparison with a score that is not finite is false.
    is_found = (scores >= options.min_box_score) & is_finite & has_size
    return suppress_boxes(
        boxes[is_found],
        scores[is_found],
        classes[is_found],
        size,
        options,
        options.max_people,
    )


def generate_cells(size: Size, strides: Sequence[int] = STRIDES) -> tuple[Array, Array]:
    """The column and row of each cell of these grids, (N, 2), and its side in pixels, (N, 1)."""
    cells = []
    sides = []
    for stride in strides:
        columns = size[0] // stride
        rows = size[1] // stride
        number = np.arange(columns * rows)
        cells.append(np.stack([number % columns, number // columns], axis=1))
        sides.append(np.full((len(number), 1), stride))
    positions = np.concatenate(cells).astype(np.float32)
    return positions, np.concatenate(sides).astype(np.float32)


#: The numbers of cells of the published inputs, 416x416 and 640x640.
_COUNTS = {sum((side // stride) ** 2 for stride in STRIDES) for side in (416, 640)}


DECODER = BoxDecoder(
    networks=(declare_outputs(predictions=(1, -1, -1)),),
    options=YoloxOptions,
    decode=decode_yolox,
    sizes=lambda facts, _options: {
        "predictions": (1, facts.count_cells(*STRIDES), PERSON + facts.classes)
    },
    needs="rows of 85 numbers",
    rules=({"predictions": has_shape(-1, _COUNTS, PERSON + 80)},),
    input_sizing=TOP_LEFT_ON_GREY,
)
