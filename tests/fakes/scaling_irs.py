"""Tiny IR whose maps are an eighth of the picture, whatever its size, as those of pose networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fakes.irs import state_images


def write_ir(
    path: Path,
    outputs: Mapping[str, int],
    *,
    size: tuple[int, int] = (64, 48),
    can_be_resized: bool = True,
    said: Mapping[str, str] | None = None,
) -> Path:
    """A network (1, 3, height, width) whose maps, at an eighth of that, are the mean brightness, scaled.

    Args:
        path: of the .xml.
        outputs: channels by name.
        size: width and height of the input.
        can_be_resized: whether the graph goes with other sizes.
        said: what its rt_info holds under ``model_info``.
    """
    import openvino as ov
    from openvino import opset13 as ops

    width, height = size
    image = ops.parameter([1, 3, height, width], np.float32, name="image")
    image.output(0).set_names({"image"})
    small = ops.avg_pool(image, [8, 8], [0, 0], [0, 0], [8, 8], False)
    if not can_be_resized:
        small = ops.reshape(small, np.array([1, 3, height // 8, width // 8]), False)
    results = []
    for name, channels in outputs.items():
        kernel = np.full((channels, 3, 1, 1), 1e-6, np.float32)
        maps = ops.convolution(small, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        maps.output(0).set_names({name})
        results.append(maps)
    model = ov.Model(results, [image], "tiny")
    state_images(model)
    for key, value in (said or {}).items():
        model.set_rt_info(value, ["model_info", key])
    ov.save_model(model, path, compress_to_fp16=False)
    return path
