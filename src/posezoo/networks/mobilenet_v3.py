"""MobileNet v3 as GluonCV builds it, used as a backbone of MobilePose.

Paper: Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244, tables 1 and 2.
Upstream: gluoncv/model_zoo/mobilenetv3.py.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from posezoo.networks.blocks import conv2d


class BlockConfig(NamedTuple):
    """One row of the paper's tables."""

    kernel: int
    expanded: int  # channels of the depthwise convolution
    outputs: int
    attention: bool
    hard_swish: bool  # ReLU otherwise
    stride: int


#: The paper's tables 1 and 2 as GluonCV built them.
ROWS = {
    "large": (
        BlockConfig(3, 16, 16, False, False, 1),
        BlockConfig(3, 64, 24, False, False, 2),
        BlockConfig(3, 72, 24, False, False, 1),
        BlockConfig(5, 72, 40, True, False, 2),
        BlockConfig(5, 120, 40, True, False, 1),
        BlockConfig(5, 120, 40, True, False, 1),
        BlockConfig(3, 240, 80, False, True, 2),
        BlockConfig(3, 200, 80, False, True, 1),
        BlockConfig(3, 184, 80, False, True, 1),
        BlockConfig(3, 184, 80, False, True, 1),
        BlockConfig(3, 480, 112, True, True, 1),
        BlockConfig(3, 672, 112, True, True, 1),
        BlockConfig(5, 672, 160, True, True, 2),
        BlockConfig(5, 960, 160, True, True, 1),
        BlockConfig(5, 960, 160, True, True, 1),
    ),
    "small": (
        BlockConfig(3, 16, 16, True, False, 2),
        BlockConfig(3, 72, 24, False, False, 2),
        BlockConfig(3, 88, 24, False, False, 1),
        BlockConfig(5, 96, 40, True, True, 2),
        BlockConfig(5, 240, 40, True, True, 1),
        BlockConfig(5, 240, 40, True, True, 1),
        BlockConfig(5, 120, 48, True, True, 1),
        BlockConfig(5, 144, 48, True, True, 1),
        BlockConfig(5, 288, 96, True, True, 2),
        BlockConfig(5, 576, 96, True, True, 1),
        BlockConfig(5, 576, 96, True, True, 1),
    ),
}


def mobilenet_v3(size: str) -> nn.Sequential:
    """(N, 3, H, W) to (N, C, H / 32, W / 32), sizes rounded up; C is 960 for large and 576 for small."""
    layers: list[nn.Module] = [conv2d(3, 16, stride=2), nn.BatchNorm2d(16), nn.Hardswish(inplace=True)]
    inputs = 16
    for row in ROWS[size]:
        layers.append(_InvertedResidual(inputs, row))
        inputs = row.outputs
    outputs = output_channels(size)
    layers += [conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.Hardswish(inplace=True)]
    return nn.Sequential(*layers)


def output_channels(size: str) -> int:
    """The number of output channels: that of the last block's depthwise convolution."""
    return ROWS[size][-1].expanded


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, attention, projection; an input of the same shape is added."""

    def __init__(self, inputs: int, row: BlockConfig) -> None:
        super().__init__()
        self.adds = row.stride == 1 and inputs == row.outputs
        expands = row.expanded != row.outputs  # like upstream, compares with the outputs, not the inputs
        self.expand = (
            _ConvBnActivation(conv2d(inputs, row.expanded, 1), _activation(row)) if expands else nn.Identity()
        )
        deep = conv2d(row.expanded, row.expanded, row.kernel, stride=row.stride, groups=row.expanded)
        self.conv1 = _ConvBnActivation(deep, _activation(row))
        self.se = _SqueezeExcite(row.expanded) if row.attention else nn.Identity()
        self.conv2 = _ConvBnActivation(conv2d(row.expanded, row.outputs, 1), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.se(self.conv1(self.expand(x))))
        return x + out if self.adds else out


def _activation(row: BlockConfig) -> nn.Module:
    return nn.Hardswish(inplace=True) if row.hard_swish else nn.ReLU(inplace=True)


class _ConvBnActivation(nn.Module):
    def __init__(self, conv: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(conv.out_channels)
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class _SqueezeExcite(nn.Module):
    """Squeeze and excitation: scales each channel by a factor computed from the averages of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = -(-(channels // 4) // 8) * 8  # a quarter, rounded up to a multiple of 8
        self.conv1 = nn.Conv2d(channels, hidden, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(hidden, channels, 1)
        self.act2 = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * self.act2(self.conv2(self.act1(self.conv1(mean))))
