"""Networks whose answers are known functions of what they are shown, and pictures for them.

``dots_network`` puts out a heatmap for each of 17 colours: how like the colour a place is, smoothed, and read at
every fourth pixel, as the maps that top-down networks are trained on. ``boxes_network`` and ``deaf_network`` put out
the same whatever they see.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from fakes.irs import state_images

SIZE, STRIDE, SIGMA = (192, 256), 4, 8.0

#: BGR: strong ones, so that what fades into black is like none of the others.
COLORS = np.array(
    [each for each in product((0, 128, 255), repeat=3) if max(each) == 255][:17], np.float32
)

_TOLERANCE = 60.0  # summed over the channels


def dots_network(folder: Path, *, aligned: bool = False, colors: np.ndarray = COLORS) -> Path:
    """An IR from (1, 3, 256, 192) BGR to ``heatmaps`` (1, 17, 64, 48), whose highest is 1 where a dot is large.

    Args:
        folder: where it goes.
        aligned: cells lie from the first pixel to the last, as UDP has them, not at every fourth one.
        colors: (17, 3).
    """
    image = ops.parameter([1, 3, SIZE[1], SIZE[0]], np.float32, name="data")
    picks = np.tile(np.eye(3, dtype=np.float32), (17, 1))[:, :, None, None]
    apart = ops.abs(
        _convolved(image, picks) - ops.constant(colors.reshape(1, 51, 1, 1).astype(np.float32))
    )
    sums = np.kron(np.eye(17), np.ones(3)).astype(np.float32)[:, :, None, None]
    like = ops.relu(ops.constant(np.float32(1)) - _convolved(apart, sums / _TOLERANCE))
    reach = np.arange(-24, 25)
    bell = np.exp(-(reach**2) / (2 * SIGMA**2)).astype(np.float32)
    down, across = (
        np.tile((bell / np.float32(60**0.5)).reshape(1, 1, 1, *shape), (17, 1, 1, 1, 1))
        for shape in ((-1, 1), (1, -1))
    )
    step = 1 if aligned else STRIDE
    # One axis after the other: both at once take 25 times as long.
    columns = ops.group_convolution(
        like, ops.constant(down), [step, 1], [24, 0], [24, 0], [1, 1], name="columns"
    )
    maps = ops.group_convolution(
        columns, ops.constant(across), [1, step], [0, 24], [0, 24], [1, 1], name="maps"
    )
    if aligned:
        sizes = ops.constant(np.array([SIZE[1] // STRIDE, SIZE[0] // STRIDE], np.int64))
        maps = ops.interpolate(
            maps,
            sizes,
            "linear_onnx",
            "sizes",
            coordinate_transformation_mode="align_corners",
            axes=ops.constant(np.array([2, 3], np.int64)),
        )
    maps.output(0).set_names({"heatmaps"})
    return _saved(
        ov.Model([maps], [image], "dots"), folder / ("aligned.xml" if aligned else "dots.xml")
    )


def brightness_network(folder: Path) -> Path:
    """An IR from (1, 3, 64, 64) to ``keypoints`` (1, 1, 17, 3), as MoveNet has them: they are in the middle of the
    input, a quarter of its sides apart at most, and the score of each is how bright the input is, 0..1.
    """
    image = ops.parameter([1, 3, 64, 64], np.float32, name="data")
    axes = ops.constant(np.array([1, 2, 3], np.int64))
    shares = ops.divide(image, ops.constant(np.float32(255)))
    brightness = ops.reduce_mean(shares, axes, keep_dims=True)
    score = ops.unsqueeze(ops.squeeze(brightness, np.array([1, 2])), np.array([1, 2]))
    steps = np.linspace(0.375, 0.625, 17, dtype=np.float32)
    places = np.zeros((1, 1, 17, 3), np.float32)
    places[0, 0, :, 0], places[0, 0, :, 1] = steps, steps[::-1]
    only_score = np.array([0, 0, 1], np.float32)
    keypoints = ops.add(ops.constant(places), ops.multiply(score, ops.constant(only_score)))
    keypoints.output(0).set_names({"keypoints"})
    return _saved(ov.Model([keypoints], [image], "brightness"), folder / "brightness.xml")


def boxes_network(folder: Path, *boxes: tuple[float, float, float, float, float]) -> Path:
    """An IR from (1, 3, 32, 48) to ``detections`` (1, 1, 200, 7): x0, y0, x1, y1 as shares, and a score, each."""
    rows = np.zeros((1, 1, 200, 7), np.float32)
    rows[0, 0, :, 0] = -1
    for row, (x0, y0, x1, y1, score) in zip(rows[0, 0], boxes, strict=False):
        row[:] = 0, 1, score, x0, y0, x1, y1
    return deaf_network(folder / "boxes.xml", (48, 32), {"detections": rows})


def deaf_network(xml: Path, size: tuple[int, int], outputs: dict[str, np.ndarray]) -> Path:
    """An IR that puts out the same for every picture of this width and height."""
    image = ops.parameter([1, 3, size[1], size[0]], np.float32, name="data")
    nothing = ops.multiply(
        ops.reduce_sum(image, ops.constant(np.array([0, 1, 2, 3]))), ops.constant(np.float32(0))
    )
    results = []
    for name, values in outputs.items():
        results.append(ops.add(ops.constant(values), nothing))
        results[-1].output(0).set_names({name})
    return _saved(ov.Model(results, [image], xml.stem), xml)


def dotted(
    size: tuple[int, int], places: np.ndarray, radius: float, colors: np.ndarray = COLORS
) -> np.ndarray:
    """A black picture with a round dot of each colour, edges smoothed, at places (x, y) between its pixels."""
    image = np.zeros((size[1], size[0], 3))
    for (x, y), color in zip(places, colors, strict=True):
        left, top = (max(0, int(start - radius - 1)) for start in (x, y))
        part = image[top : int(y + radius + 2), left : int(x + radius + 2)]
        rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]] + 0.5
        inside = (radius + 0.5 - np.hypot(columns - x, rows - y)).clip(0, 1)[..., None]
        part[:] = part * (1 - inside) + color * inside
    return np.rint(image).astype(np.uint8)


def _convolved(node: ov.Node, kernel: np.ndarray) -> ov.Node:
    return ops.convolution(
        node, ops.constant(kernel.astype(np.float32)), [1, 1], [0, 0], [0, 0], [1, 1]
    )


def _saved(model: ov.Model, xml: Path) -> Path:
    ov.save_model(state_images(model), xml, compress_to_fp16=False)
    return xml
