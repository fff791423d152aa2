"""A SimCC network, whose outputs depend on every part of the image and on how it was normalized."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fakes.conversion import convert_model, with_camera_input
from fakes.network import downloaded, spec_of
from posezoo.core.declarations.model import ColorOrder, Decoder, Input, ModelSpec, Output, Precision
from posezoo.export.decoded import with_decoding

SIZE = (192, 256)  # width, height
SIMCC = Decoder("simcc")
FRAMES = {"element_type": "u8", "layout": "NHWC"}


@cache
def simcc_network() -> bytes:
    """ONNX: an image [1, 3, 256, 192] is averaged over squares of 32 pixels, and multiplied by a matrix."""
    rng, (width, height) = np.random.default_rng(0), SIZE
    count = 3 * (width // 32) * (height // 32)
    nodes = [
        helper.make_node(
            "AveragePool", ["image"], ["small"], kernel_shape=[32, 32], strides=[32, 32]
        ),
        helper.make_node("Flatten", ["small"], ["flat"]),
    ]
    weights, outputs = [], []
    for axis, bins in (("x", 2 * width), ("y", 2 * height)):
        matrix = rng.normal(size=(count, 17 * bins)) / np.sqrt(count)
        weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"matrix_{axis}"))
        weights.append(numpy_helper.from_array(np.array([1, 17, bins], np.int64), f"shape_{axis}"))
        nodes.append(helper.make_node("MatMul", ["flat", f"matrix_{axis}"], [f"product_{axis}"]))
        nodes.append(
            helper.make_node("Reshape", [f"product_{axis}", f"shape_{axis}"], [f"simcc_{axis}"])
        )
        outputs.append(
            helper.make_tensor_value_info(f"simcc_{axis}", onnx.TensorProto.FLOAT, (1, 17, bins))
        )
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, height, width))
    graph = helper.make_graph(nodes, "simcc", [image], outputs, weights)
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(
        deterministic=True
    )


def simcc_spec(folder: Path, content: bytes, **changes: Any) -> ModelSpec:
    """The model.yml of the network: trained on RGB with ImageNet's mean and scale."""
    width, height = SIZE
    image = Input(
        "image", (1, 3, height, width), "NCHW", color=ColorOrder.RGB, reverse_input_channels=True,
        mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375),
    )  # fmt: skip
    outputs = tuple(
        Output(f"simcc_{axis}", (1, 17, 2 * side), role=f"simcc_{axis}")
        for axis, side in zip("xy", SIZE, strict=True)
    )
    fields = {
        "inputs": (image,),
        "outputs": outputs,
        "decoder": SIMCC,
        "skeleton": "coco-17",
        **changes,
    }
    return spec_of(content, folder, **fields)


def convert_simcc(
    folder: Path, *, decodes: bool = False, camera: Mapping[str, Any] | None = None
) -> Path:
    """The FP32 IR of the network, as --decode and the flags of camera frames make it."""
    content = simcc_network()
    spec = with_camera_input(simcc_spec(folder, content), **(camera or {}))
    spec = with_decoding(spec, SIMCC) if decodes else spec
    layout = downloaded(spec, content, folder)
    return convert_model(spec, layout, precisions=[Precision.FP32], decoder=SIMCC).irs[
        Precision.FP32
    ]
