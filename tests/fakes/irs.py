"""Small IR whose outputs have the shapes and names of pose networks, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.ir.openvino_import import import_openvino


def state_images(model: Any) -> Any:
    """The network with metadata that say: images are BGR, 0..255."""
    model.set_rt_info("False", ["model_info", "reverse_input_channels"])
    return model


def write_ir(
    xml: Path,
    outputs: Mapping[str, tuple[int, ...]],
    *,
    image: tuple[int, ...] = (1, 3, 64, 96),
    info: Mapping[tuple[str, ...], str] | None = None,
    states_images: bool = True,
) -> Path:
    """An IR that takes ``image`` and puts out, in each cell of each output, the mean of the image over 255.

    With -1 as the first side of the image it takes batches: every output has as many rows, and the values
    are multiplied by their number. ``info`` is its rt_info, text by path; it also says that images are BGR, unless it
    does not state them.
    """
    ov = import_openvino()
    from openvino import opset13 as ops

    parameter = ops.parameter(list(image), np.float32, name="image")
    parameter.output(0).set_names({"image"})
    # (N, 1, 1, 1).
    mean = ops.divide(
        ops.reduce_mean(parameter, np.array([1, 2, 3]), True), ops.constant(np.float32(255))
    )
    count = ops.gather(ops.shape_of(parameter), np.array([0]), np.array(0))
    if image[0] == -1:
        mean = ops.multiply(mean, ops.convert(count, np.float32))
    results = []
    for name, shape in outputs.items():
        flat = ops.reshape(mean, np.array([-1, *[1] * (len(shape) - 1)]), False)
        target = ops.concat([count, ops.constant(np.array(shape[1:], np.int64))], 0)
        result = ops.broadcast(flat, target)
        result.output(0).set_names({name})
        results.append(ops.result(result))
    model = ov.Model(results, [parameter], "small")
    if states_images:
        state_images(model)
    for path, text in (info or {}).items():
        model.set_rt_info(text, list(path))
    ov.save_model(model, xml, compress_to_fp16=False)
    return xml
