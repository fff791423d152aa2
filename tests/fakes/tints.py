"""A classifier of the tint of a picture, as an IR that says nothing about itself, and such pictures.

image [1, 3, 32, 32], RGB, less its mean ── conv 1x1 ── conv 1x1 ── mean of each channel [1, 3]
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from openvino import opset13 as ops

CLASSES = ("blue", "green", "red")
#: In RGB: pictures are warm, as photos are.
MEAN = (150.0, 120.0, 90.0)
SIDE = 32


def write_ir(folder: Path, *, adds_large: bool = False) -> Path:
    """Its FP32 IR; the classes are those of ``CLASSES``, in this order.

    With ``adds_large``, 1000 times the image is added and subtracted again: 256 levels of the sum lose the rest.
    """
    image = ops.parameter([1, 3, SIDE, SIDE], ov.Type.f32, name="image")
    image.output(0).set_names({"image"})
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(3, 3))
    first = _convolve(image, mixed, "first")
    second = _convolve(first, np.eye(3)[::-1] @ np.linalg.inv(mixed), "second")
    if adds_large:
        large = ops.multiply(image, np.float32(1000))
        second = ops.add(ops.add(second, large), ops.multiply(large, np.float32(-1)))
    scores = ops.reduce_mean(second, [2, 3], keep_dims=False)
    scores.output(0).set_names({"scores"})
    folder.mkdir(parents=True, exist_ok=True)
    model = ov.Model([ops.result(scores)], [image], "tints")
    ov.save_model(model, folder / "tints.xml", compress_to_fp16=False)
    return folder / "tints.xml"


def _convolve(source, weights: np.ndarray, name: str):
    kernel = ops.constant(weights.astype(np.float32)[:, :, None, None])
    return ops.convolution(source, kernel, [1, 1], [0, 0], [0, 0], [1, 1], name=name)


def write_pictures(folder: Path) -> Path:
    """18 pictures in a folder for each class."""
    rng = np.random.default_rng(4)
    for index in range(18):
        name = CLASSES[index % 3]
        color = np.array(MEAN[::-1])
        color[index % 3] += 20
        picture = rng.normal(color, 12, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        path = folder / name / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    return folder
