"""Networks whose files state how images get into them, as Geti and Ultralytics export them: with constant results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fakes import graphs
from posezoo.core.ir.openvino_import import import_openvino

KEYPOINTS = "head tail left right middle"
GETI = {
    "mean_values": "123.675 116.28 103.53",
    "scale_values": "58.395 57.12 57.375",
    "pad_value": "114",
    "reverse_input_channels": "True",
}
GETI_KEYPOINTS = {
    **GETI,
    "model_type": "keypoint_detection",
    "labels": KEYPOINTS,
    "apply_softmax": "False",
}
GETI_BOXES = {**GETI, "model_type": "ssd", "labels": "cat dog", "confidence_threshold": "0.3"}


def bins(size: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
    """The outputs of a keypoint detector: five keypoints on the diagonal of the input."""
    outputs = {}
    for name, side in zip(("pred_x", "pred_y"), size, strict=True):
        outputs[name] = np.zeros((1, 5, 2 * side), np.float32)
        for number in range(5):
            outputs[name][0, number, int(2 * side * (0.1 + 0.15 * number))] = 0.5
    return outputs


def boxes(size: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """The outputs of a detector: a cat in the middle, and with a lower score a dog."""
    width, height = size
    found = np.zeros((1, 20, 5), np.float32)
    found[0, 0] = width * 0.25, height * 0.25, width * 0.75, height * 0.75, 0.5
    found[0, 1] = width * 0.1, height * 0.1, width * 0.2, height * 0.3, 0.2
    labels = np.zeros((1, 20), np.int64)
    labels[0, 1] = 1
    return {"boxes": found, "labels": labels}


def write_stated(
    xml: Path,
    size: tuple[int, int],
    outputs: Mapping[str, NDArray[Any]],
    info: Mapping[str, str],
    *,
    layout: str = "NCHW",
    element_type: Any = np.float32,
) -> Path:
    """An IR with these outputs and this ``model_info``; 1/1000 of the mean of its first channel is added to the
    first output where it is above 0.
    """
    ov = import_openvino()
    from openvino import opset13 as ops

    width, height = size
    shape = [1, 3, height, width] if layout == "NCHW" else [1, height, width, 3]
    image = ops.parameter(shape, element_type, name="image")
    image.set_layout(ov.Layout(layout))
    channels = ops.convert(image, "f32")
    first = ops.gather(channels, ops.constant([0]), ops.constant(layout.index("C")))
    mean = ops.reduce_mean(first, ops.constant([0, 1, 2, 3]), False)
    results = []
    for number, (name, values) in enumerate(outputs.items()):
        share = np.float32(0.001 if number == 0 else 0)
        is_score = (values > 0) & (values <= 0.5)
        added = ops.multiply(mean, ops.constant(share * is_score.astype(np.float32)))
        kind = "i64" if values.dtype == np.int64 else "f32"
        result = ops.add(ops.constant(values), ops.convert(added, kind))
        result.output(0).set_names({name})
        results.append(result)
    model = ov.Model(results, [image], "stated")
    model.inputs[0].set_names({"image"})
    for key, text in info.items():
        model.set_rt_info(text, ["model_info", key])
    ov.save_model(model, xml, compress_to_fp16=False)
    return xml


#: As Ultralytics writes it to ONNX.
ULTRALYTICS = {
    "author": "Ultralytics",
    "task": "pose",
    "stride": "32",
    "imgsz": "[640, 640]",
    "names": "{0: 'person'}",
    "kpt_shape": "[17, 3]",
}


def write_whole_input(
    path: Path,
    metadata: Mapping[str, str],
    size: tuple[int, int] | None = None,
    *,
    keypoints: int = 17,
) -> Path:
    """A pose network of Ultralytics, dynamic or of this width and height, whose one person is the whole input: each
    keypoint is in its lower right corner.
    """
    values = 5 + 3 * keypoints
    constants = {
        "axis_h": np.array([2]),
        "axis_w": np.array([3]),
        "zero": np.array(0, np.float32),
        "half": np.array(0.5, np.float32),
        "score": np.array([0.9], np.float32),
        "count": np.array([keypoints]),
        "column": np.array([1, values, 1]),
        "pads": np.array([0, 0, 0, 0, 0, 99]),
    }
    steps = [
        ("Shape", ["images"], "shape", {}),
        ("Cast", ["shape"], "sides", {"to": TensorProto.FLOAT}),
        ("Gather", ["sides", "axis_h"], "height", {}),
        ("Gather", ["sides", "axis_w"], "width", {}),
        ("ReduceMean", ["images"], "mean", {"keepdims": 0}),
        ("Mul", ["mean", "zero"], "nothing", {}),
        ("Mul", ["width", "half"], "x", {}),
        ("Mul", ["height", "half"], "y", {}),
        ("Concat", ["x", "y", "width", "height", "score"], "box", {"axis": 0}),
        ("Concat", ["width", "height", "score"], "corner", {"axis": 0}),
        ("Tile", ["corner", "count"], "corners", {}),
        ("Concat", ["box", "corners"], "person", {"axis": 0}),
        ("Add", ["person", "nothing"], "found", {}),
        ("Reshape", ["found", "column"], "first", {}),
        ("Pad", ["first", "pads"], "output0", {}),
    ]
    nodes = [helper.make_node(kind, taken, [made], **more) for kind, taken, made, more in steps]
    sides = ["height", "width"] if size is None else [size[1], size[0]]
    image = ("images", TensorProto.FLOAT, ["batch", 3, *sides])
    output = ("output0", TensorProto.FLOAT, ["batch", values, "anchors"])
    content = graphs.written("whole", nodes, [image], [output], constants, opset=17)
    model = onnx.load_from_string(content)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path
