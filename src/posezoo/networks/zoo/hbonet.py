"""HBONet: blocks that halve the image inside.

Paper: Li et al. 2019, "HBONet", arXiv:1908.03888. The keys are those of models/imagenet/hbonet.py
of its authors.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import (
    ImageMean,
    InvertedResidual,
    MakeBlock,
    conv_bn_relu6,
    depthwise_bn,
    projection,
    stage,
)
from posezoo.networks.layer_tables import LAYER_TABLES


class HBONet(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, width: str, classes: int) -> None:
        super().__init__()
        # The output channels of the stem and of each row of STAGES.
        inputs, *channels = LAYER_TABLES[f"hbonet_{width}"]
        self.features = nn.Sequential(conv_bn_relu6(3, inputs, stride=2))
        for (block, count, stride), outputs in zip(STAGES, channels, strict=True):
            self.features.extend(stage(block, inputs, outputs, count, stride))
            inputs = outputs
        self.conv = conv_bn_relu6(inputs, 1600, 1)
        self.mean = ImageMean()
        self.classifier = nn.Linear(1600, classes)


class _HarmoniousBlock(nn.Module):
    """Half of the channels pass; the others are computed on an image of half the size."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.computed = outputs // 2
        self.passed = outputs - self.computed
        wide = 2 * inputs
        self.conv = depthwise_bn(inputs, 2, 5)
        self.conv.extend(conv_bn_relu6(inputs, wide, 1))
        self.conv.extend(conv_bn_relu6(wide, wide, groups=wide))
        self.conv.extend(projection(wide, self.computed, 1))
        self.halve = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.upsample = nn.Upsample(scale_factor=2)
        self.upconv = depthwise_bn(self.computed, 1, 5) if stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.upconv is not None:
            y = self.upconv(x[:, : self.computed] + self.upsample(y))
        passed = self.halve(x[:, -self.passed :])
        return torch.cat((passed, y), 1)


#: Block, number of blocks, and stride of the first one.
STAGES: tuple[tuple[MakeBlock, int, int], ...] = (
    (partial(InvertedResidual, 1), 1, 1),
    (_HarmoniousBlock, 1, 1),
    (_HarmoniousBlock, 3, 2),
    (_HarmoniousBlock, 4, 2),
    (_HarmoniousBlock, 4, 2),
    (_HarmoniousBlock, 1, 1),
    (projection, 1, 1),
    (partial(InvertedResidual, 6), 2, 2),
    (partial(InvertedResidual, 6), 1, 1),
)
