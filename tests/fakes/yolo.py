"""Frozen TensorFlow graphs that end as those of YOLO 2 and 3 do, with random weights."""

from __future__ import annotations

import numpy as np

from fakes.network import _attribute, _field, _node, _shape

_FLOAT, _INT32 = 1, 3

#: The configuration of the graph with two heads, as Model Optimizer reads it.
CONFIG = {
    "id": "TFYOLOV3",
    "match_kind": "general",
    "custom_attributes": {
        "classes": 2,
        "coords": 4,
        "num": 6,
        "anchors": [10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319],
        "masks": [[3, 4, 5], [0, 1, 2]],
        "entry_points": ["boxes/Reshape", "boxes/Reshape_4"],
    },
}


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.random = np.random.default_rng(0)
        dtype = _attribute("dtype", _field(6, _FLOAT))
        shape = _attribute("shape", _shape((1, 32, 32, 3)))
        self.nodes.append(_node("image", "Placeholder", [], dtype, shape))

    def constant(self, name: str, values: np.ndarray) -> str:
        kind = _INT32 if values.dtype.kind == "i" else _FLOAT
        tensor = _field(1, kind) + _shape(values.shape, number=2) + _field(4, values.tobytes())
        dtype = _attribute("dtype", _field(6, kind))
        self.nodes.append(_node(name, "Const", [], dtype, _attribute("value", _field(8, tensor))))
        return name

    def convolve(self, source: str, name: str, sizes: tuple[int, int], stride: int = 1) -> str:
        """A convolution of 3 x 3 with a bias; the last operation is NAME/BiasAdd."""
        before, after = sizes
        kernel = self.random.normal(size=(3, 3, before, after)) / np.sqrt(9 * before)
        self.constant(f"{name}/kernel", kernel.astype("<f4"))
        self.constant(f"{name}/bias", self.random.normal(size=after).astype("<f4"))
        kind = _attribute("T", _field(6, _FLOAT))
        strides = _attribute("strides", _field(1, _field(3, bytes([1, stride, stride, 1]))))
        padding = _attribute("padding", _field(2, b"SAME"))
        inputs = [source, f"{name}/kernel"]
        self.nodes.append(_node(name, "Conv2D", inputs, kind, strides, padding))
        self.nodes.append(_node(f"{name}/BiasAdd", "BiasAdd", [name, f"{name}/bias"], kind))
        return f"{name}/BiasAdd"

    def reshape(self, source: str, name: str, rows: int) -> None:
        self.constant(f"{name}/shape", np.array([1, rows, 7], "<i4"))
        kind = _attribute("T", _field(6, _FLOAT))
        sizes = _attribute("Tshape", _field(6, _INT32))
        self.nodes.append(_node(name, "Reshape", [source, f"{name}/shape"], kind, sizes))

    def relu(self, source: str, name: str) -> str:
        self.nodes.append(_node(name, "Relu", [source], _attribute("T", _field(6, _FLOAT))))
        return name

    def written(self) -> bytes:
        return b"".join(_field(1, node) for node in self.nodes)


def yolo_v3() -> bytes:
    """Two heads of 8 x 8 and 4 x 4 cells with three boxes of two classes; rows of boxes follow."""
    graph = _Graph()
    near = graph.relu(graph.convolve("image", "stem", (3, 8), 4), "near")
    far = graph.relu(graph.convolve(near, "down", (8, 8), 2), "far")
    graph.reshape(graph.convolve(far, "head", (8, 21)), "boxes/Reshape", 48)
    graph.reshape(graph.convolve(near, "fine", (8, 21)), "boxes/Reshape_4", 192)
    return graph.written()


def yolo_v2() -> bytes:
    """One head of 8 x 8 cells with five boxes of the 20 classes of VOC."""
    graph = _Graph()
    graph.convolve(graph.relu(graph.convolve("image", "stem", (3, 8), 4), "far"), "head", (8, 125))
    return graph.written()
