"""ONNX networks with the depth and size of known networks, and weights of a fixed seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Node = str
Shape = tuple[int, ...]


class Drawing:
    """A network that is being built: each method adds layers after a tensor and returns their
    output.

    Normalization is folded into the convolutions, as exporters leave it.
    """

    def __init__(self, seed: int) -> None:
        self.shape: Shape = ()
        self.outputs: Mapping[Node, Shape] = {}
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, operation: str, *inputs: Node, **attributes: object) -> Node:
        """A node with one output."""
        name = f"/{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(inputs), [name], name, **attributes))
        return name

    def weight(self, *shape: int, fan_in: int) -> Node:
        """Random weights that preserve the scale of the values."""
        values = self._rng.standard_normal(shape, np.float32) * math.sqrt(1 / fan_in)
        return self.constant(values.astype(np.float32))

    def constant(self, values: npt.NDArray[np.float32]) -> Node:
        """Numbers in the file."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(
        self,
        x: Node,
        into: int,
        channels: int,
        size: int = 3,
        stride: int = 1,
        *,
        relu: bool = True,
    ) -> Node:
        """A convolution with its bias, and mostly a ReLU."""
        kernel = self.weight(channels, into, size, size, fan_in=into * size * size)
        bias = self.weight(channels, fan_in=100)
        pads = [size // 2] * 4
        y = self.add(
            "Conv", x, kernel, bias, kernel_shape=[size] * 2, strides=[stride] * 2, pads=pads
        )
        return self.add("Relu", y) if relu else y

    def basic(self, x: Node, channels: int) -> Node:
        """ResNet's block of two convolutions."""
        y = self.conv(self.conv(x, channels, channels), channels, channels, relu=False)
        return self.add("Relu", self.add("Add", y, x))

    def bottleneck(self, x: Node, into: int, channels: int, stride: int = 1) -> Node:
        """ResNet's block of three convolutions: it has four times ``channels`` outputs."""
        out = 4 * channels
        y = self.conv(self.conv(x, into, channels, 1), channels, channels, 3, stride)
        y = self.conv(y, channels, out, 1, relu=False)
        short = x if into == out and stride == 1 else self.conv(x, into, out, 1, stride, relu=False)
        return self.add("Relu", self.add("Add", y, short))

    def upsample(self, x: Node, factor: int) -> Node:
        """The nearest pixel, ``factor`` times."""
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        return self.add(
            "Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric"
        )

    def finish(self, shape: Shape, outputs: Mapping[Node, Shape]) -> bytes:
        """The ONNX file of the network; its input is called image."""
        self.shape, self.outputs = shape, outputs
        image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
            for name, sizes in outputs.items()
        ]
        graph = helper.make_graph(self._nodes, "benchmark", [image], ends, self._weights)
        opsets = [helper.make_opsetid("", 13)]
        return bytes(
            helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        )


def resnet50() -> tuple[Drawing, bytes]:
    """ResNet-50 (He and others, arXiv 1512.03385) for 1000 classes at 224x224."""
    net = Drawing(50)
    x = net.add("Flatten", net.add("GlobalAveragePool", _resnet50(net)))
    x = net.add(
        "Gemm", x, net.weight(1000, 2048, fan_in=2048), net.weight(1000, fan_in=100), transB=1
    )
    return net, net.finish((1, 3, 224, 224), {x: (1, 1000)})


def _resnet50(net: Drawing) -> Node:
    """The layers before the pooling: 2048 channels, each side a 32nd of the image's."""
    x = net.conv("image", 3, 64, 7, 2)
    x = net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    into = 64
    for channels, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            x = net.bottleneck(x, into, channels, first_stride if block == 0 else 1)
            into = 4 * channels
    return x


def hrnet_w32() -> tuple[Drawing, bytes]:
    """HRNet-W32 (Sun and others, arXiv 1902.09212) for one person at 256x192."""
    net = Drawing(32)
    heatmaps = net.conv(_hrnet_w32(net), 32, 17, 1, relu=False)
    return net, net.finish((1, 3, 256, 192), {heatmaps: (1, 17, 64, 48)})


def higher_hrnet_w32() -> tuple[Drawing, bytes]:
    """HigherHRNet-W32 (Cheng and others, arXiv 1908.10357) for several people at 512x512."""
    net = Drawing(32)
    x = _hrnet_w32(net)
    low = net.conv(x, 32, 34, 1, relu=False)
    kernel = net.weight(66, 32, 4, 4, fan_in=66 * 4)
    high = net.add("Concat", x, low, axis=1)
    high = net.add(
        "ConvTranspose", high, kernel, kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1]
    )
    high = net.add("Relu", high)
    for _ in range(4):
        high = net.basic(high, 32)
    heatmaps = net.conv(high, 32, 17, 1, relu=False)
    return net, net.finish((1, 3, 512, 512), {low: (1, 34, 128, 128), heatmaps: (1, 17, 256, 256)})


def many_pixels() -> tuple[Drawing, bytes]:
    """Ten convolutions that keep the size of an image of 768x768: 1.2 MB of weights."""
    net = Drawing(10)
    x = net.conv("image", 3, 64)
    for _ in range(8):
        x = net.conv(x, 64, 64)
    heatmaps = net.conv(x, 64, 17, 1, relu=False)
    return net, net.finish((1, 3, 768, 768), {heatmaps: (1, 17, 768, 768)})


def small() -> tuple[Drawing, bytes]:
    """Twelve layers at 64 x 64: 2 MB of weights."""
    net = Drawing(3)
    x = net.conv("image", 3, 64, stride=2)
    for _ in range(5):
        x = net.basic(x, 64)
    end = net.conv(x, 64, 17, 1, relu=False)
    return net, net.finish((1, 3, 64, 64), {end: (1, 17, 32, 32)})


def _hrnet_w32(net: Drawing) -> Node:
    """Four stages, each with one branch more than the one before; returns the finest branch."""
    x = net.conv(net.conv("image", 3, 64, 3, 2), 64, 64, 3, 2)
    for block in range(4):
        x = net.bottleneck(x, 256 if block else 64, 64)
    widths = [32, 64, 128, 256]
    branches = [net.conv(x, 256, 32), net.conv(x, 256, 64, 3, 2)]
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        if stage > 2:
            branches.append(net.conv(branches[-1], widths[stage - 2], widths[stage - 1], 3, 2))
        for module in range(modules):
            is_last = stage == 4 and module == modules - 1
            branches = _exchange(net, branches, widths, outputs=1 if is_last else stage)
    return branches[0]


def _exchange(net: Drawing, branches: list[Node], widths: list[int], *, outputs: int) -> list[Node]:
    """Four blocks on each branch, then the sum of all branches, each resized to the other's
    size.
    """
    for number in range(len(branches)):
        for _ in range(4):
            branches[number] = net.basic(branches[number], widths[number])
    return [
        net.add(
            "Relu",
            _sum(net, [_brought(net, x, widths, source, to) for source, x in enumerate(branches)]),
        )
        for to in range(outputs)
    ]


def _brought(net: Drawing, x: Node, widths: list[int], source: int, to: int) -> Node:
    if source > to:
        return net.upsample(
            net.conv(x, widths[source], widths[to], 1, relu=False), 2 ** (source - to)
        )
    for step in range(source, to):
        is_last = step == to - 1
        x = net.conv(
            x, widths[source], widths[to] if is_last else widths[source], 3, 2, relu=not is_last
        )
    return x


def _sum(net: Drawing, terms: list[Node]) -> Node:
    total = terms[0]
    for term in terms[1:]:
        total = net.add("Add", total, term)
    return total


#: By name: 28.5, 25.5, 28.6 and 0.3 million parameters.
NETWORKS: dict[str, Callable[[], tuple[Drawing, bytes]]] = {
    "hrnet-sized": hrnet_w32,
    "resnet50-sized": resnet50,
    "higher-hrnet-sized": higher_hrnet_w32,
    "many-pixels": many_pixels,
}
