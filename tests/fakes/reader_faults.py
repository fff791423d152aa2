"""Faults of a reader of TensorFlow.js: each file is changed so that a correct reader reads what a wrong one would."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Fault = Callable[[dict[str, Any], bytearray], None]


def _encode(word: str) -> str:
    return base64.b64encode(word.encode()).decode()


def _replace_relu6(other: str) -> Fault:
    def change(model: dict[str, Any], _weights: bytearray) -> None:
        found = 0
        for node in model["modelTopology"]["node"]:
            fused = node.get("attr", {}).get("fused_ops", {}).get("list", {}).get("s", [])
            found += fused.count(_encode("Relu6")) + (node["op"] == "Relu6")
            fused[:] = [_encode(other) if word == _encode("Relu6") else word for word in fused]
            if node["op"] == "Relu6":
                node["op"] = other
        assert found

    return change


def _drop_bias(model: dict[str, Any], _weights: bytearray) -> None:
    fused = [node for node in model["modelTopology"]["node"] if "fused_ops" in node.get("attr", {})]
    middle = [
        node for node in fused if node["attr"]["fused_ops"]["list"]["s"][0] == _encode("BiasAdd")
    ]
    node = middle[len(middle) // 2]
    del node["attr"]["fused_ops"]["list"]["s"][0]
    del node["input"][2]


def _change_kernels(
    change: Callable[[np.ndarray], np.ndarray], *, all_of_them: bool = False
) -> Fault:
    def apply(model: dict[str, Any], weights: bytearray) -> None:
        start, kernels = 0, []
        for entry in model["weightsManifest"][0]["weights"]:
            dtype = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
            count = math.prod(entry["shape"])
            if len(entry["shape"]) == 4 and entry["shape"][0] == entry["shape"][1] == 3:
                kernels.append((start, count, dtype, entry["shape"]))
            start += count * dtype.itemsize
        middle = len(kernels) // 2
        for start, count, dtype, shape in kernels if all_of_them else kernels[middle : middle + 1]:
            values = np.frombuffer(weights, dtype, count, start).reshape(shape)
            weights[start : start + count * dtype.itemsize] = change(values).astype(dtype).tobytes()

    return apply


FAULTS: dict[str, Fault] = {
    "Relu6 becomes Relu": _replace_relu6("Relu"),
    "Relu6 becomes Elu": _replace_relu6("Elu"),
    "a bias is dropped": _drop_bias,
    "a kernel is multiplied by 1.01": _change_kernels(
        lambda values: values.astype(np.float64) * 1.01
    ),
    "kernels are transposed": _change_kernels(
        lambda values: values.transpose(1, 0, 2, 3), all_of_them=True
    ),
}


def read_wrongly(model: dict[str, Any], weights: bytes, fault: str) -> tuple[dict[str, Any], bytes]:
    """A model.json and its weights, as a reader with a fault understands them."""
    model = json.loads(json.dumps(model))
    content = bytearray(weights)
    FAULTS[fault](model, content)
    return model, bytes(content)
