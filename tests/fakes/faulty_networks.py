"""Small networks of several forms, each built right or with one fault: what a device with that fault runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
from openvino import Model, Node, opset1
from openvino import opset13 as ops

Fault = tuple[str, str]

SIDE = 32


class Builder:
    """Builds a network with at most one fault: the name of an operation, and what is wrong with it.

    ``faults`` lists what can be wrong, once the network is built.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.faults: list[Fault] = []

    def _has(self, name: str, kind: str) -> bool:
        self.faults.append((name, kind))
        return self.fault == (name, kind)

    def _weights(self, name: str, shape: tuple[int, ...], axis: int) -> Any:
        """Drawn for a gain of 1; ``axis`` is that of the outputs."""
        rng = np.random.default_rng(crc32(name.encode()))
        fan = np.prod(shape) / shape[axis]
        values = rng.normal(size=shape) * np.sqrt(2 / fan)
        if self._has(name, "one value"):
            values.flat[values.argmin()] *= -6  # an activation does not hide it
        if shape[axis] > 1 and self._has(name, "order of channels"):
            values = np.roll(values, 1, axis)
        return ops.constant(values.astype(np.float32))

    def convolution(
        self, x: Node, name: str, channels: int, side: int = 3, stride: int = 1
    ) -> Node:
        weights = self._weights(name, (channels, x.shape[1], side, side), 0)
        border = side // 2
        begin, end = border, border
        if border and self._has(name, "padding"):
            begin, end = 0, 2 * border
        return ops.convolution(x, weights, [stride] * 2, [begin] * 2, [end] * 2, [1, 1], name=name)

    def per_channel(self, x: Node, name: str) -> Node:
        channels = x.shape[1]
        weights = self._weights(name, (channels, 1, 1, 3, 3), 0)
        return ops.group_convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=name)

    def linear(self, x: Node, name: str, size: int) -> Node:
        weights = self._weights(name, (x.shape[-1], size), 1)
        return ops.matmul(x, weights, False, False, name=name)

    def relu(self, x: Node, name: str) -> Node:
        if self._has(name, "saturation"):
            return ops.clamp(x, 0.0, 0.4, name=name)
        return ops.relu(x, name=name)

    def add(self, x: Node, y: Node, name: str) -> Node:
        if self._has(name, "sign"):
            return ops.subtract(x, y, name=name)
        return ops.add(x, y, name=name)

    def transpose(self, x: Node, name: str, *order: int) -> Node:
        if self._has(name, "transposed sides"):  # of equal length
            order = tuple({1: 2, 2: 1}.get(axis, axis) for axis in order)
        return ops.transpose(x, np.array(order), name=name)

    def softmax(self, x: Node, name: str) -> Node:
        axis = -2 if self._has(name, "axis") else -1
        return ops.softmax(x, axis % len(x.shape), name=name)

    def pool(self, x: Node, name: str) -> Node:
        if self._has(name, "kind of pooling"):
            return ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], False, name=name)
        return opset1.max_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], name=name)

    def enlarge(self, x: Node, name: str) -> Node:
        mode = "nearest" if self._has(name, "interpolation") else "linear_onnx"
        scales = np.array([2, 2], np.float32)
        return ops.interpolate(
            x, scales, mode, "scales", axes=np.array([2, 3]), name=name,
            coordinate_transformation_mode="half_pixel",
        )  # fmt: skip

    def image(self) -> tuple[Node, Node]:
        """The input, bytes of a picture as posezoo's networks take them, and the picture in floats."""
        image = ops.parameter([1, SIDE, SIDE, 3], np.uint8, name="image")
        image.output(0).set_names({"image"})
        floats = ops.convert(image, np.float32, name="floats")
        scaled = ops.divide(floats, ops.constant(np.float32(128)), name="scaled")
        return image, self.transpose(scaled, "planes", 0, 3, 1, 2)


def _model(image: Node, **outputs: Node) -> Model:
    for name, node in outputs.items():
        node.output(0).set_names({name})
    return Model([ops.result(node) for node in outputs.values()], [image])


def residual(build: Builder) -> Model:
    """Blocks with a shortcut, as in ResNet."""
    image, x = build.image()
    x = build.relu(build.convolution(x, "stem", 8, stride=2), "stem relu")
    for block in "abc":
        y = build.relu(build.convolution(x, f"{block} first", 8), f"{block} relu")
        x = build.add(x, build.convolution(y, f"{block} second", 8), f"{block} sum")
    return _model(image, heatmaps=build.convolution(x, "head", 5, side=1))


def mobile(build: Builder) -> Model:
    """Convolutions by channel and of single pixels, as in MobileNet, with two heads."""
    image, x = build.image()
    x = build.pool(build.relu(build.convolution(x, "stem", 12), "stem relu"), "pool")
    for block in "ab":
        x = build.relu(build.per_channel(x, f"{block} channels"), f"{block} relu")
        x = build.convolution(x, f"{block} pixels", 12, side=1)
    heads = {name: build.convolution(x, name, 4, side=1) for name in ("scores", "offsets")}
    return _model(image, **heads)


def pyramid(build: Builder) -> Model:
    """Two resolutions that are joined again, as in HRNet and YOLO."""
    image, x = build.image()
    high = build.relu(build.convolution(x, "high", 8), "high relu")
    low = build.relu(build.convolution(build.pool(high, "pool"), "low", 16), "low relu")
    low = build.enlarge(build.convolution(low, "narrow", 8, side=1), "enlarged")
    joined = ops.concat([high, low], 1)
    joined.set_friendly_name("joined")
    return _model(image, maps=build.convolution(joined, "maps", 6))


def attention(build: Builder) -> Model:
    """A layer of a transformer on patches, as in ViTPose."""
    image, x = build.image()
    x = ops.reshape(
        build.convolution(x, "patches", 16, stride=4), np.array([1, 16, 64]), False, name="flat"
    )
    x = ops.transpose(x, np.array([0, 2, 1]), name="tokens")
    query, key, value = (build.linear(x, name, 16) for name in ("query", "key", "value"))
    scores = ops.matmul(query, key, False, True, name="scores")
    mixed = ops.matmul(build.softmax(scores, "weights"), value, False, False, name="mixed")
    x = build.add(x, mixed, "sum")
    mean = ops.reduce_mean(x, np.array([2]), True, name="mean")
    x = build.relu(build.linear(ops.subtract(x, mean, name="centred"), "wide", 32), "wide relu")
    return _model(image, coordinates=build.linear(x, "head", 2))


def decoded(build: Builder) -> Model:
    """A network that finds the best places itself, as MoveNet does: whole numbers lead to its output."""
    image, x = build.image()
    x = build.relu(build.convolution(x, "stem", 8, stride=2), "stem relu")
    heatmap = build.convolution(x, "heatmap", 1)
    offsets = build.convolution(
        build.relu(build.convolution(x, "wide", 8), "wide relu"), "offsets", 2
    )
    flat = ops.reshape(heatmap, np.array([256]), False, name="scores")
    best = ops.topk(flat, np.array(16), 0, "max", "value", index_element_type="i64", name="best")
    rows = ops.reshape(offsets, np.array([2, 256]), False, name="rows")
    places = ops.gather(rows, best.output(1), np.array(1), name="places")
    return _model(image, scores=heatmap, places=places)


FORMS: dict[str, Callable[[Builder], Model]] = {
    form.__name__: form for form in (residual, mobile, pyramid, attention, decoded)
}


def faults_of(form: str) -> list[Fault]:
    """All faults that a network can have, in its order."""
    build = Builder()
    FORMS[form](build)
    return build.faults
