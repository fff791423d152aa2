"""MobileNet v1 and v2 as GluonCV builds them: flat sequences of layers, used as backbones of MobilePose.

Papers: Howard et al. 2017, "MobileNets", arXiv:1704.04861; Sandler et al. 2018, "MobileNetV2",
arXiv:1801.04381. Upstream: gluoncv/model_zoo/mobilenet.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from posezoo.networks.blocks import conv2d, conv_bn_relu

#: v1: channels and stride of each depthwise pair.
V1_PAIRS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),), (1024, 2), (1024, 1),
)  # fmt: skip
#: v2: expansion, channels, blocks and stride of each group of blocks (the paper's table 2).
V2_GROUPS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v1() -> nn.Sequential:
    """(N, 3, H, W) to (N, 1024, H / 32, W / 32), sizes rounded up."""
    return nn.Sequential(*_v1_layers())


def _v1_layers() -> Iterator[nn.Module]:
    yield from conv_bn_relu(3, 32, stride=2)
    inputs = 32
    for outputs, stride in V1_PAIRS:
        yield conv2d(inputs, inputs, stride=stride, groups=inputs)
        yield nn.BatchNorm2d(inputs)
        yield nn.ReLU(inplace=True)
        yield from conv_bn_relu(inputs, outputs, 1)
        inputs = outputs


def mobilenet_v2() -> nn.Sequential:
    """(N, 3, H, W) to (N, 1280, H / 32, W / 32), sizes rounded up."""
    return nn.Sequential(*_v2_layers())


def _v2_layers() -> Iterator[nn.Module]:
    yield from _conv_bn_relu6(conv2d(3, 32, stride=2))
    inputs = 32
    for expansion, outputs, blocks, stride in V2_GROUPS:
        for index in range(blocks):
            yield _LinearBottleneck(inputs, outputs, expansion, stride if index == 0 else 1)
            inputs = outputs
    yield from _conv_bn_relu6(conv2d(inputs, 1280, 1))


class _LinearBottleneck(nn.Module):
    """Expansion, depthwise convolution, linear projection; an input of the same shape is added."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        wide = inputs * expansion
        widening = _conv_bn_relu6(conv2d(inputs, wide, 1)) if expansion != 1 else ()
        self.out = nn.Sequential(
            *widening,
            *_conv_bn_relu6(conv2d(wide, wide, stride=stride, groups=wide)),
            conv2d(wide, outputs, 1),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(x) if self.adds else self.out(x)


def _conv_bn_relu6(conv: nn.Conv2d) -> tuple[nn.Module, ...]:
    return conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True)
