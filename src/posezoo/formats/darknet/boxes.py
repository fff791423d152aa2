"""Darknet's layers of boxes, [yolo] and [region], as OpenCV 4 computes them.

Source: region_layer.cpp and darknet_io.cpp of OpenCV 4, whose rows programs read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from openvino import Output
from openvino import opset14 as ops

from posezoo.core.arrays import Array
from posezoo.formats.darknet.files import Section


def decode_boxes(layer: Section, maps: Output, image_sizes: Sequence[int]) -> Output:
    """A row for each box, by row and column of the map and by anchor: x and y of the center, width
    and height, as shares of the image; whether there is an object, 0 to 1; and the score of each
    class, 0 if it is not above the layer's ``thresh``.

    OpenCV also removes overlapping boxes in [region]; that is left to the program here.

    Args:
        layer: the section of the .cfg.
        maps: the output of the layer before, (1, channels, rows, columns).
        image_sizes: height and width of the network's input.

    Raises:
        ConversionError: the values of the layer do not fit the maps, or are not supported.
    """
    is_yolo = layer.kind == "yolo"
    classes = layer.integer("classes")
    anchors = _read_anchors(layer)
    _, channels, height, width = maps.get_shape()
    if channels != len(anchors) * (5 + classes):
        raise layer.make_error(
            f"{len(anchors)} anchors of {classes} classes do not fit {channels} channels", "classes"
        )
    if not is_yolo and layer.integer("softmax", "0", least=0) != 1:
        raise layer.make_error("[region] without softmax is not supported")
    # Anchors of [yolo] are in pixels of the image, those of [region] in cells of the map.
    anchors = anchors / (image_sizes[::-1] if is_yolo else (width, height))
    rows = ops.reshape(ops.transpose(maps, [0, 2, 3, 1]), [-1, 5 + classes], False)
    centers, sizes, objects, scores = ops.variadic_split(rows, 1, [2, 2, 1, classes]).outputs()
    if layer.integer("new_coords", "0", least=0):  # of YOLOv4 scaled, whose maps are logistic
        sizes = ops.multiply(ops.multiply(sizes, sizes), np.float32(4))
    else:
        centers = ops.sigmoid(centers)
        sizes = ops.exp(sizes)
        objects = ops.sigmoid(objects)
        scores = ops.sigmoid(scores) if is_yolo else ops.softmax(scores, 1)
    (stretch,) = layer.numbers("scale_x_y", "1")
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    corners = np.repeat(cells.reshape(-1, 2), len(anchors), 0) + 0.5 - stretch / 2
    grid = np.array([width, height])
    centers = ops.add(
        ops.multiply(centers, np.float32(stretch / grid)), (corners / grid).astype(np.float32)
    )
    all_anchors = np.tile(anchors, (height * width, 1)).astype(np.float32)
    sizes = ops.multiply(sizes, all_anchors)
    scores = ops.multiply(scores, objects)
    (threshold,) = layer.numbers("thresh", "0.2" if is_yolo else "0.001")
    is_above = ops.greater(scores, np.float32(threshold))
    scores = ops.select(is_above, scores, np.float32(0))
    return ops.concat([centers, sizes, objects, scores], 1).output(0)


def _read_anchors(layer: Section) -> Array:
    """Width and height of each anchor that the layer uses."""
    anchors = layer.numbers("anchors")
    if len(anchors) != 2 * layer.integer("num"):
        raise layer.make_error(
            f"has {len(anchors)} numbers for {layer.integer('num')} anchors", "anchors"
        )
    pairs = np.array(anchors).reshape(-1, 2)
    if layer.kind == "region":
        return pairs
    mask = layer.integers("mask")
    if not all(0 <= number < len(pairs) for number in mask):
        raise layer.make_error(f"there are only {len(pairs)} anchors", "mask")
    return pairs[mask]
