"""Decoder of YOLO 1 to 4, whose boxes start from anchors in the cells of one to three maps.

J. Redmon and A. Farhadi, YOLO9000, 2016, arXiv:1612.08242, and YOLOv3, 2018, arXiv:1804.02767; A.
Bochkovskiy et al., YOLOv4, 2020, arXiv:2004.10934.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.blazeface import sigmoid
from posezoo.poses.decoder_type import Maps, OutputRule, Shape, declare_outputs
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import (
    BoxDecoder,
    OverlapOptions,
    box_corners,
    suppress_boxes,
)
from posezoo.poses.yolox_boxes import OBJECT, PERSON, generate_cells

#: The pixels of the input for one cell of the maps, in each direction.
STRIDES = (32, 16, 8)

#: The sides of the coarsest map, of inputs from 256 to 640 pixels.
_SIDES = range(8, 21)


@frozen
class YoloAnchorsOptions(OverlapOptions):
    """Options of the decoder yolo_anchors, with the ``min_box_score`` of Open Model Zoo's demos.

    Attributes:
        anchors: width and height of each anchor, those of the map with the largest cells first,
            with commas: in pixels of the input for several maps (YOLO 3 and 4), in cells for one.
            The default is YOLO 3's.
        has_logits: whether the network leaves the logistic function to the decoder, for all but
            the boxes' widths and heights.
    """

    anchors: str = "116,90,156,198,373,326,30,61,62,45,59,119,10,13,16,30,33,23"
    has_logits: bool = False


def decode_yolo_anchors(maps: Maps, size: Size, options: YoloAnchorsOptions) -> list[Pose]:
    """The people or objects, highest score first: poses without keypoints, whose boxes are inside
    the input and have the best of their classes.

    Args:
        maps: ``maps_32``, and for several maps ``maps_16`` and ``maps_8``, (anchors, 5 + classes,
            rows, columns) in this order, of any shape: x and y of the box's center from the cell's
            corner, in cells; the logarithms of its width and height, in anchors; and shares,
            whether there is an object, and of which class.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: the anchors are not numbers, or do not fit the maps.
    """
    anchors = _read_anchors(options.anchors, len(maps))
    is_in_cells = len(maps) == 1
    all_rows = []
    all_boxes = []
    for stride, own_anchors in zip(STRIDES, anchors, strict=False):
        cells, _ = generate_cells(size, [stride])
        values = maps[f"maps_{stride}"]
        columns, rest = divmod(values.size, max(1, len(own_anchors) * len(cells)))
        if rest or columns <= PERSON:
            raise InferenceError(
                f"yolo_anchors: {len(cells)} cells with {len(own_anchors)} anchors of {PERSON + 1}"
                f" or more numbers do not fit {values.size} numbers of maps_{stride}"
            )
        rows = values.reshape(len(own_anchors), columns, len(cells)).transpose(0, 2, 1)
        if options.has_logits:
            # All but the logarithms of sizes.
            probabilities = sigmoid(rows)
            probabilities[..., 2:4] = rows[..., 2:4]
            rows = probabilities
        centers = (rows[..., :2] + cells) * stride
        unit = stride if is_in_cells else 1
        with np.errstate(over="ignore", invalid="ignore"):
            halves = np.exp(rows[..., 2:4]) * own_anchors[:, None] * unit / 2
            all_boxes.append(box_corners(centers.reshape(-1, 2), halves.reshape(-1, 2)))
        all_rows.append(rows.reshape(-1, columns))
    boxes = np.concatenate(all_boxes)
    rows = np.concatenate(all_rows)
    shares = rows[:, PERSON : None if options.all_classes else PERSON + 1]
    scores = rows[:, OBJECT] * shares.max(axis=1)
    # A comparison with a score that is not finite is false.
    is_found = (scores >= options.min_box_score) & np.isfinite(boxes).all(axis=1)
    return suppress_boxes(
        boxes[is_found],
        scores[is_found],
        shares[is_found].argmax(axis=1),
        size,
        options,
    )


def _read_anchors(text: str, maps: int) -> Array:
    try:
        return np.array(text.split(","), np.float32).reshape(maps, -1, 2)
    except ValueError as error:
        raise InferenceError(
            f"decoder option anchors: expected width and height of as many anchors for each of"
            f" {maps} maps, got {text!r}",
            hint="declare them in model.yml: the .cfg or the card of the model has them",
        ) from error


def _flatten(outputs: Maps) -> Maps:
    """Maps as flat outputs, (1, N), of NCHW; those of TensorFlow are NHWC, and square."""
    flat = {}
    for role, values in outputs.items():
        is_nhwc = values.ndim == 4 and values.shape[1] == values.shape[2] != values.shape[3]
        ordered = values.transpose(0, 3, 1, 2) if is_nhwc else values
        flat[role] = ordered.reshape(1, -1)
    return flat


def _are_maps(side: int) -> OutputRule:
    return lambda _name, shape: len(shape) == 4 and (side, side) in (shape[1:3], shape[2:])


def _is_flat_map(_name: str, shape: Shape) -> bool:
    """Of five anchors with a class or more, as YOLO 2 has."""
    cells = [side * side for side in _SIDES]
    return len(shape) == 2 and any(
        shape[1] % count == 0 and shape[1] >= 30 * count for count in cells
    )


_FORMS = tuple(
    {f"maps_{stride}": _are_maps(side * 32 // stride) for stride in STRIDES[:count]}
    for count in (3, 2, 1)
    for side in _SIDES
)

DECODER = BoxDecoder(
    networks=(declare_outputs(maps_32=(1, -1)),),
    optional=declare_outputs(maps_16=(1, -1), maps_8=(1, -1)),
    options=YoloAnchorsOptions,
    decode=decode_yolo_anchors,
    needs="one to three maps of boxes",
    rules=(*_FORMS, {"maps_32": _is_flat_map}),
    convert_outputs=_flatten,
    stretches=True,
    needs_task=True,
)
