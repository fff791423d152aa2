"""YOLOX: detection without anchors.

Paper: Ge et al. 2021, "YOLOX", arXiv:2107.08430. The keys are those of yolox/models of its authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import ConvNorm

#: The tiny variant: channels after the stem; each of the four stages has twice as many as the one
#: before.
CHANNELS = 24

_SQUARE = (3, 3)
_Convolution = partial(ConvNorm, eps=1e-3, activation=nn.SiLU)


class YoloX(nn.Module):
    """(N, 3, H, W) to (N, H W / 64 + H W / 256 + H W / 1024, 5 + classes), the tiny variant.

    Each row is of one cell, of strides 8, 16 and 32: the centre's offset and the logarithm of the
    size, in strides; the score of an object; the scores of the classes.
    """

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.backbone = _FeaturePyramid()
        self.head = _Head(4 * CHANNELS, classes)

    def forward(self, image: Tensor) -> Tensor:
        """The rows of all cells."""
        return self.head(self.backbone(image))


class _FeaturePyramid(nn.Module):
    """The features of strides 8, 16 and 32, each of which has seen the others."""

    def __init__(self) -> None:
        super().__init__()
        low = 4 * CHANNELS
        middle = 8 * CHANNELS
        high = 16 * CHANNELS
        self.backbone = _Darknet()
        self.upsample = nn.Upsample(scale_factor=2)
        self.lateral_conv0 = _Convolution(high, middle)
        self.C3_p4 = _CrossStage(2 * middle, middle, adds=False)
        self.reduce_conv1 = _Convolution(middle, low)
        self.C3_p3 = _CrossStage(2 * low, low, adds=False)
        self.bu_conv2 = _Convolution(low, low, _SQUARE, 2)
        self.C3_n3 = _CrossStage(2 * low, middle, adds=False)
        self.bu_conv1 = _Convolution(middle, middle, _SQUARE, 2)
        self.C3_n4 = _CrossStage(2 * middle, high, adds=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stride8, stride16, stride32 = self.backbone(image)
        top = self.lateral_conv0(stride32)
        down = self.C3_p4(torch.cat((self.upsample(top), stride16), 1))
        down = self.reduce_conv1(down)
        low = self.C3_p3(torch.cat((self.upsample(down), stride8), 1))
        middle = self.C3_n3(torch.cat((self.bu_conv2(low), down), 1))
        high = self.C3_n4(torch.cat((self.bu_conv1(middle), top), 1))
        return low, middle, high


class _Darknet(nn.Module):
    """The features of strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        base = CHANNELS
        self.stem = nn.Sequential()
        self.stem.conv = _Convolution(12, base, _SQUARE)
        self.dark2 = _stage(base, 1)
        self.dark3 = _stage(2 * base, 3)
        self.dark4 = _stage(4 * base, 3)
        self.dark5 = nn.Sequential(
            _Convolution(8 * base, 16 * base, _SQUARE, 2),
            _PyramidPooling(16 * base),
            _CrossStage(16 * base, 16 * base, adds=False),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        quarters = [image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        stride8 = self.dark3(self.dark2(self.stem(torch.cat(quarters, 1))))
        stride16 = self.dark4(stride8)
        return stride8, stride16, self.dark5(stride16)


def _stage(inputs: int, count: int) -> nn.Sequential:
    outputs = 2 * inputs
    return nn.Sequential(
        _Convolution(inputs, outputs, _SQUARE, 2), _CrossStage(outputs, outputs, count)
    )


class _CrossStage(nn.Module):
    """Two branches that are joined; one of them has bottlenecks."""

    def __init__(self, inputs: int, outputs: int, count: int = 1, *, adds: bool = True) -> None:
        super().__init__()
        hidden = outputs // 2
        self.conv1 = _Convolution(inputs, hidden)
        self.conv2 = _Convolution(inputs, hidden)
        self.conv3 = _Convolution(2 * hidden, outputs)
        self.m = nn.Sequential(*(_Bottleneck(hidden, adds=adds) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat((self.m(self.conv1(x)), self.conv2(x)), 1))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, *, adds: bool) -> None:
        super().__init__()
        self.conv1 = _Convolution(channels, channels)
        self.conv2 = _Convolution(channels, channels, _SQUARE)
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.adds else y


class _PyramidPooling(nn.Module):
    """Each pixel with the maxima of the 5x5, 9x9 and 13x13 pixels around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(channels, channels // 2)
        self.conv2 = _Convolution(2 * channels, channels)
        # The maximum of 5x5 maxima of 5x5 pixels is that of 9x9 pixels.
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.conv1(x)]
        for _ in range(3):
            features.append(self.pool(features[-1]))
        return self.conv2(torch.cat(features, 1))


class _Head(nn.Module):
    """The rows of all cells, from features of three strides."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        features = (channels, 2 * channels, 4 * channels)
        self.stems = nn.ModuleList(_Convolution(inputs, channels) for inputs in features)
        self.cls_convs = nn.ModuleList(_two_convolutions(channels) for _ in features)
        self.reg_convs = nn.ModuleList(_two_convolutions(channels) for _ in features)
        self.cls_preds = nn.ModuleList(nn.Conv2d(channels, classes, 1) for _ in features)
        self.reg_preds = nn.ModuleList(nn.Conv2d(channels, 4, 1) for _ in features)
        self.obj_preds = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in features)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        rows = []
        for level, feature in enumerate(features):
            x = self.stems[level](feature)
            scores = self.cls_preds[level](self.cls_convs[level](x)).sigmoid()
            x = self.reg_convs[level](x)
            box = self.reg_preds[level](x)
            objectness = self.obj_preds[level](x).sigmoid()
            rows.append(torch.cat((box, objectness, scores), 1).flatten(2))
        return torch.cat(rows, 2).transpose(1, 2)


def _two_convolutions(channels: int) -> nn.Sequential:
    return nn.Sequential(
        _Convolution(channels, channels, _SQUARE), _Convolution(channels, channels, _SQUARE)
    )
