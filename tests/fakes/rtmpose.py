"""RTMPose as a module with the parameter names of the published checkpoints, and its ONNX with random weights.

CSPNeXt: C. Lyu et al., RTMDet, arXiv:2212.07784; the head: T. Jiang et al., RTMPose, arXiv:2303.07399.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from fakes.rtmo import write_onnx

#: How deep and how wide the backbone of each size is.
SIZES = {"t": (0.167, 0.375), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1, 1), "x": (1.33, 1.25)}
#: Channels before and after a stage, its blocks, and whether a block is added to its input.
STAGES = ((64, 128, 3, True), (128, 256, 6, True), (256, 512, 6, True), (512, 1024, 3, False))


class ConvModule(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(x)))


class DepthwiseConv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvModule(channels, channels, 5, groups=channels)
        self.pointwise_conv = ConvModule(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


def wide_conv(inputs: int, outputs: int, stride: int = 1, *, is_nano: bool = False) -> nn.Module:
    """A convolution of 3x3, which in the nano size is depthwise, and then pointwise."""
    if is_nano:
        depthwise = ConvModule(inputs, inputs, 3, stride, groups=inputs)
        return nn.Sequential(depthwise, ConvModule(inputs, outputs))
    return ConvModule(inputs, outputs, 3, stride)


class Block(nn.Module):
    def __init__(self, channels: int, *, adds: bool, is_nano: bool = False) -> None:
        super().__init__()
        self.conv1 = wide_conv(channels, channels, is_nano=is_nano)
        self.conv2 = DepthwiseConv(channels)
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.adds else y


class ChannelAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * functional.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CSPLayer(nn.Module):
    """Half of the channels go through blocks; all may be weighted at the end."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        blocks: Iterable[nn.Module],
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.main_conv = ConvModule(inputs, outputs // 2)
        self.short_conv = ConvModule(inputs, outputs // 2)
        self.final_conv = ConvModule(outputs, outputs)
        self.blocks = nn.Sequential(*blocks)
        self.attention = attention or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((self.blocks(self.main_conv(x)), self.short_conv(x)), 1)
        return self.final_conv(self.attention(both))


class SPPBottleneck(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvModule(channels, channels // 2)
        self.conv2 = ConvModule(2 * channels, channels)
        self.poolings = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.poolings)], 1))


class CSPNeXt(nn.Module):
    """Returns its features at 1/8, 1/16 and 1/32 of the image."""

    def __init__(self, deepen: float, widen: float, *, is_nano: bool = False) -> None:
        super().__init__()
        first = int(64 * widen)
        self.stem = nn.Sequential(
            ConvModule(3, first // 2, 3, 2),
            ConvModule(first // 2, first // 2, 3),
            ConvModule(first // 2, first, 3),
        )
        for number, (inputs, outputs, blocks, adds) in enumerate(STAGES, 1):
            channels = int(outputs * widen)
            layers = [wide_conv(int(inputs * widen), channels, 2, is_nano=is_nano)]
            if number == len(STAGES):
                layers.append(SPPBottleneck(channels))
            inner = (
                Block(channels // 2, adds=adds, is_nano=is_nano)
                for _ in range(max(round(blocks * deepen), 1))
            )
            layers.append(CSPLayer(channels, channels, inner, ChannelAttention(channels)))
            self.add_module(f"stage{number}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for layer in self.children():
            x = layer(x)
            features.append(x)
        return features[2:]


class ScaleNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.scale = size**-0.5

    def forward(self, x: Tensor) -> Tensor:
        norm = x.norm(dim=-1, keepdim=True) * self.scale
        return x / norm.clamp(min=1e-5) * self.g


class Scale(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedAttention(nn.Module):
    """RTMCCBlock: of the numbers for each keypoint 128 are compared, and twice as many gate.

    ``keypoints`` have places if their number is given.
    """

    def __init__(self, size: int = 256, keypoints: int = 0) -> None:
        super().__init__()
        compared, gates = 128, 2 * size
        self.places = nn.Parameter(torch.rand(keypoints, 1, compared)) if keypoints else None
        self.gamma = nn.Parameter(torch.rand(2, compared))
        self.beta = nn.Parameter(torch.rand(2, compared))
        self.o = nn.Linear(gates, size, bias=False)
        self.uv = nn.Linear(size, 2 * gates + compared, bias=False)
        self.ln = ScaleNorm(size)
        self.res_scale = Scale(size)
        self.parts = [gates, gates, compared]

    def forward(self, x: Tensor) -> Tensor:
        u, v, base = functional.silu(self.uv(self.ln(x))).split(self.parts, -1)
        both = base.unsqueeze(-2) * self.gamma + self.beta
        if self.places is not None:
            both = both + self.places
        query, key = both[..., 0, :], both[..., 1, :]
        weights = torch.relu(query @ key.transpose(-1, -2) / math.sqrt(self.parts[2])) ** 2
        return self.res_scale(x) + self.o(u * (weights @ v))


class Head(nn.Module):
    def __init__(self, channels: int, keypoints: int, height: int, width: int) -> None:
        super().__init__()
        cells = width * height // 1024
        self.final_layer = nn.Conv2d(channels, keypoints, 7, 1, 3)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, 256, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(256, 2 * width, bias=False)
        self.cls_y = nn.Linear(256, 2 * height, bias=False)
        #: RTMW3D also has ``cls_z``.
        self.layers = [self.cls_x, self.cls_y]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.gau(self.mlp(self.final_layer(x).flatten(2)))
        return tuple(layer(x) for layer in self.layers)


class RTMPose(nn.Module):
    def __init__(self, size: str, keypoints: int = 17, height: int = 256, width: int = 192) -> None:
        super().__init__()
        deepen, widen = SIZES[size]
        self.backbone = CSPNeXt(deepen, widen)
        self.head = Head(int(1024 * widen), keypoints, height, width)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.head(self.backbone(image)[-1])


def rtmpose_onnx(
    folder: Path,
    size: str,
    keypoints: int,
    height: int,
    width: int,
    outputs: Sequence[str] = ("simcc_x", "simcc_y"),
) -> bytes:
    """The network with random weights, as MMDeploy exports it: opset 11, any batch.

    With a third output it is RTMW3D, which has as many bins for the depth as for x.
    """
    torch.manual_seed(0)
    network = RTMPose(size, keypoints, height, width).eval()
    if len(outputs) == 3:
        network.head.cls_z = nn.Linear(256, 2 * width, bias=False)
        network.head.layers.append(network.head.cls_z)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    names = ["simcc_x", "simcc_y", "simcc_z"][: len(outputs)]
    content = write_onnx(folder, network, (height, width), ["input", *names])
    return content if names == [*outputs] else _rename(content, outputs)


def _rename(content: bytes, outputs: Sequence[str]) -> bytes:
    """The ONNX with other names of its outputs, also numbers, which PyTorch does not write."""
    model = onnx.load_from_string(content)
    names = {port.name: name for port, name in zip(model.graph.output, outputs, strict=True)}
    for port in model.graph.output:
        port.name = names[port.name]
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    return model.SerializeToString()


def drawn_scene() -> np.ndarray:
    """An image of noise."""
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
