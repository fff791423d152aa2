"""A network that finds the brightest spot of a picture, as IR, and pictures with such a spot.

    image [1, 64, 64, 3] ── conv 3x3, ReLU ── conv 1x1, ReLU ── keypoints around it [1, 1, 17, 3]

Quantizing it moves the spot by a fraction of a pixel. Where it is ``loud`` it moves it anywhere: what goes
into the second convolution has three channels more, a million times as large as the others; it takes nothing
of them, but one range for all drowns the others.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from fakes.irs import state_images

SIDE = 64
NAME = "seeker"


def network(*, loud: bool = False) -> ov.Model:
    rng = np.random.default_rng(5)
    image = ops.parameter([1, SIDE, SIDE, 3], ov.Type.f32, name="image")
    image.output(0).set_names({"image"})
    stem, head = rng.uniform(0.5, 1, (8, 3, 3, 3)) / 2000, rng.uniform(0.5, 1, (17, 8, 1, 1))
    picture = ops.transpose(image, [0, 3, 1, 2])
    features = ops.relu(_convolution(picture, stem, "stem", padding=1))
    if loud:
        features = ops.concat([features, ops.multiply(picture, np.float32(1e6))], axis=1)
        head = np.concatenate([head, np.zeros((17, 3, 1, 1))], axis=1)
    heatmaps = ops.relu(_convolution(features, head, "head", padding=0))
    weights = ops.power(heatmaps, np.float32(6))
    total = ops.add(ops.reduce_sum(weights, [2, 3], keep_dims=False), np.float32(1e-6))
    centres = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    y, x = (
        ops.divide(ops.reduce_sum(ops.multiply(weights, grid), [2, 3], keep_dims=False), total)
        for grid in (centres.reshape(1, 1, SIDE, 1), centres.reshape(1, 1, 1, SIDE))
    )
    around = rng.uniform(-0.2, 0.2, (2, 1, 17)).astype(np.float32)  # a person has an extent
    y, x = (ops.add(centre, offsets) for centre, offsets in zip((y, x), around, strict=True))
    score = ops.add(ops.multiply(x, np.float32(0)), np.float32(0.9))
    parts = [ops.reshape(each, [1, 1, 17, 1], special_zero=False) for each in (y, x, score)]
    keypoints = ops.concat(parts, axis=3)
    keypoints.output(0).set_names({"keypoints"})
    return ov.Model([ops.result(keypoints)], [image], NAME)


def _convolution(source, kernel: np.ndarray, name: str, *, padding: int):
    kernel = ops.constant(kernel.astype(np.float32))
    return ops.convolution(source, kernel, [1, 1], [padding] * 2, [padding] * 2, [1, 1], name=name)


def write_ir(folder: Path, *, loud: bool = False) -> Path:
    """Its FP32 IR."""
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(state_images(network(loud=loud)), folder / f"{NAME}.xml", compress_to_fp16=False)
    return folder / f"{NAME}.xml"


def write_photos(folder: Path, number: int = 9, *, seed: int = 0) -> Path:
    """Pictures, each with one bright spot on a dim ground."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(number):
        image = rng.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
        x, y = rng.integers(12, SIDE - 12, 2)
        cv2.circle(image, (int(x), int(y)), 5, (250, 250, 250), -1)
        cv2.imwrite(str(folder / f"{index:02}.png"), image)
    return folder


def model_yml(ir: Path, **changes: object) -> dict[str, object]:
    """Its model.yml: published as FP32 IR."""
    from fakes.zoo import declared_file
    from fakes.zoo import model_yml as usual

    return usual(
        framework="dldt",
        files=[
            declared_file(ir.with_suffix(each), name=f"FP32/{ir.stem}{each}")
            for each in (".xml", ".bin")
        ],
        inputs=[{"name": "image", "shape": [1, SIDE, SIDE, 3], "layout": "NHWC", "color": "BGR"}],
        outputs=[{"name": "keypoints", "shape": [1, 1, 17, 3], "role": "keypoints"}],
        decoder={"name": "movenet"},
        people={"photo": "the whole image", "video": "tracking"},
        skeleton="coco-17",
        **changes,
    )
