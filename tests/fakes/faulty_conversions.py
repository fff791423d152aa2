"""Small ONNX networks of several forms, each written right or with one fault in a ReLU: what a faulty conversion reads.

In a weak form, a branch is multiplied by 0.00001 before it is added, so that the outputs do not show it.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Fault = tuple[str, str]

SIDE = 32
WEAKNESS = 1e-5


class Writer:
    """Writes a network with at most one fault: the name of a node, and what is wrong with it."""

    def __init__(self, fault: Fault | None = None, *, is_weak: bool = False) -> None:
        self.fault = fault
        self._factor = WEAKNESS if is_weak else 1.0
        self._nodes: list[object] = []
        self._constants: list[object] = []

    def node(self, kind: str, name: str, *inputs: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weights(self, name: str, shape: tuple[int, ...], *, axis: int = 0) -> str:
        """Drawn for a gain of 1; ``axis`` is that of the outputs."""
        rng = np.random.default_rng(crc32(name.encode()))
        values = rng.normal(size=shape) * np.sqrt(2 * shape[axis] / np.prod(shape))
        return self.constant(f"{name}/weights", values)

    def bias(self, name: str, channels: int) -> str:
        rng = np.random.default_rng(crc32(f"{name} bias".encode()))
        return self.constant(f"{name}/bias", rng.normal(0.0, 0.1, channels))

    def convolution(
        self, x: str, name: str, inputs: int, channels: int, *, side: int = 3, stride: int = 1,
        groups: int = 1,
    ) -> str:  # fmt: skip
        weights = self.weights(name, (channels, inputs // groups, side, side))
        return self.node(
            "Conv", name, x, weights, self.bias(name, channels), strides=[stride] * 2, group=groups,
            pads=[side // 2] * 4,
        )  # fmt: skip

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        weights = self.weights(name, (inputs, outputs), axis=1)
        return self.node("MatMul", name, x, weights)

    def relu(self, x: str, name: str) -> str:
        if self.fault == (name, "dropped"):
            return self.node("Identity", name, x)
        if self.fault == (name, "saturation"):
            limits = [self.constant(f"{name}/{end}", value) for end, value in (("0", 0), ("1", 1))]
            return self.node("Clip", name, x, *limits)
        return self.node("Relu", name, x)

    def add(self, x: str, branch: str, name: str) -> str:
        """A sum, with less of the branch if the form is weak."""
        factor = self.constant(f"{name}/factor", [self._factor])
        branch = self.node("Mul", f"{name}/branch", branch, factor)
        return self.node("Add", name, x, branch)

    def softmax(self, x: str, name: str) -> str:
        return self.node("Softmax", name, x, axis=-1)

    def pool(self, x: str, name: str) -> str:
        return self.node("MaxPool", name, x, kernel_shape=[2, 2], strides=[2, 2])

    def enlarge(self, x: str, name: str) -> str:
        scales = self.constant(f"{name}/scales", [1, 1, 2, 2])
        return self.node(
            "Resize",
            name,
            x,
            "",
            scales,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def finish(self, shapes: dict[str, tuple[int, ...]]) -> bytes:
        """The file; its input is ``image``."""
        ports = [("image", (1, 3, SIDE, SIDE)), *shapes.items()]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, to) for name, to in ports]
        graph = helper.make_graph(self._nodes, "network", ends[:1], ends[1:], self._constants)
        opsets = [helper.make_opsetid("", 13)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return model.SerializeToString(deterministic=True)


def residual(write: Writer) -> bytes:
    """Blocks with a shortcut, as in the second ResNet."""
    x = write.convolution("image", "stem", 3, 8, stride=2)
    for block in "abc":
        y = write.convolution(write.relu(x, f"{block} start"), f"{block} first", 8, 8)
        y = write.convolution(write.relu(y, f"{block} relu"), f"{block} second", 8, 8)
        x = write.add(x, y, f"{block} sum")
    heatmaps = write.convolution(x, "heatmaps", 8, 5, side=1)
    return write.finish({heatmaps: (1, 5, 16, 16)})


def mobile(write: Writer) -> bytes:
    """Convolutions by channel and of single pixels, as in MobileNetV2, with two heads."""
    x = write.pool(write.relu(write.convolution("image", "stem", 3, 8), "stem relu"), "pool")
    for block in "ab":
        y = write.relu(write.convolution(x, f"{block} wide", 8, 16, side=1), f"{block} relu")
        y = write.relu(
            write.convolution(y, f"{block} channels", 16, 16, groups=16), f"{block} channels relu"
        )
        y = write.convolution(y, f"{block} narrow", 16, 8, side=1)
        x = write.add(x, y, f"{block} sum")
    heads = [write.convolution(x, name, 8, 4, side=1) for name in ("scores", "offsets")]
    return write.finish(dict.fromkeys(heads, (1, 4, 16, 16)))


def pyramid(write: Writer) -> bytes:
    """Two resolutions that are joined again, as in HRNet."""
    high = write.relu(write.convolution("image", "high", 3, 8), "high relu")
    low = write.relu(write.convolution(write.pool(high, "pool"), "low", 8, 16), "low relu")
    low = write.enlarge(write.convolution(low, "narrow", 16, 8, side=1), "enlarged")
    joined = write.add(high, low, "joined")
    return write.finish({write.convolution(joined, "maps", 8, 6): (1, 6, SIDE, SIDE)})


def attention(write: Writer) -> bytes:
    """A layer of a transformer on patches, as in ViTPose."""
    x = write.convolution("image", "patches", 3, 16, side=1, stride=4)
    shape = write.constant("flat/shape", [1, 16, 64], np.int64)
    x = write.node("Transpose", "tokens", write.node("Reshape", "flat", x, shape), perm=[0, 2, 1])
    query, key, value = (write.linear(x, name, 16, 16) for name in ("query", "key", "value"))
    key = write.node("Transpose", "key columns", key, perm=[0, 2, 1])
    scores = write.softmax(write.node("MatMul", "scores", query, key), "attention")
    x = write.add(x, write.node("MatMul", "mixed", scores, value), "sum")
    y = write.relu(write.linear(x, "wide", 16, 32), "wide relu")
    x = write.add(x, write.linear(y, "narrow", 32, 16), "end")
    return write.finish({write.linear(x, "coordinates", 16, 2): (1, 64, 2)})


FORMS: dict[str, Callable[[Writer], bytes]] = {
    form.__name__: form for form in (residual, mobile, pyramid, attention)
}
