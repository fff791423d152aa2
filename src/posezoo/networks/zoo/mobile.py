"""Small classifiers for phones.

Papers: Sandler et al. 2018, "MobileNetV2", arXiv:1801.04381; Ma et al. 2018, "ShuffleNet V2",
arXiv:1807.11164; Li et al. 2019, "HBONet", arXiv:1908.03888; Han et al. 2021, "Rethinking Channel
Dimensions for Efficient Model Design" (ReXNet), arXiv:2007.00992. The keys are those of
torchvision/models/mobilenetv2.py and shufflenetv2.py, and of their authors'
models/imagenet/hbonet.py and rexnetv1.py.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from posezoo.networks.blocks import (
    LAYER_TABLES,
    ImageMean,
    InvertedResidual,
    MakeBlock,
    SqueezeExcite,
    conv_bn_relu,
    conv_bn_relu6,
    depthwise_bn,
    inverted_residuals,
    projection,
    stage,
)


class MobileNetV2(nn.Sequential):
    """(N, 3, H, W) to (N, classes): MobileNet V2 of width 1.0."""

    def __init__(self, *, classes: int) -> None:
        layers: list[nn.Module] = [conv_bn_relu6(3, 32, stride=2)]
        layers += inverted_residuals(nests=True)
        layers.append(conv_bn_relu6(320, 1280, 1))
        classifier = nn.Sequential(nn.Dropout(), nn.Linear(1280, classes))
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.mean = ImageMean()
        self.classifier = classifier


class ShuffleNetV2(nn.Module):
    """(N, 3, H, W) to (N, classes): ShuffleNet V2 of width 1.0."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(3, 24, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        inputs = 24
        # Output channels and number of blocks of stages 2, 3 and 4.
        for outputs, count in LAYER_TABLES["shufflenet_v2_1.0"]:
            stages.append(nn.Sequential(*stage(_ShuffleUnit, inputs, outputs, count, 2)))
            inputs = outputs
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = conv_bn_relu(inputs, 1024, 1)
        self.fc = nn.Linear(1024, classes)

    def forward(self, image: Tensor) -> Tensor:
        """The scores of the classes."""
        x = self.maxpool(self.conv1(image))
        x = self.stage4(self.stage3(self.stage2(x)))
        return self.fc(self.conv5(x).mean(dim=(2, 3)))


class _ShuffleUnit(nn.Module):
    """Two branches whose channels are then interleaved; with stride 1, the first is empty."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.splits = stride == 1
        entered = half if self.splits else inputs
        self.branch1 = nn.Sequential()
        if not self.splits:
            self.branch1.extend(depthwise_bn(inputs, stride))
            self.branch1.extend(conv_bn_relu(inputs, half, 1))
        self.branch2 = conv_bn_relu(entered, half, 1)
        self.branch2.extend(depthwise_bn(half, stride))
        self.branch2.extend(conv_bn_relu(half, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1) if self.splits else (x, x)
        joined = torch.cat((self.branch1(first), self.branch2(second)), 1)
        # torch.channel_shuffle cannot be exported to ONNX.
        return torch.unflatten(joined, 1, (2, -1)).transpose(1, 2).flatten(1, 2)


class HBONet(nn.Sequential):
    """(N, 3, H, W) to (N, classes): HBONet, whose blocks halve the image inside."""

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


#: The blocks that halve the image.
HALVING = (1, 3, 5, 11)
#: The first block with attention.
ATTENTION = 3

_conv_bn_silu = partial(conv_bn_relu, activation=nn.SiLU)


class ReXNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes): ReXNet of width 1.0, whose channels grow by a little in each
    block.
    """

    def __init__(self, *, classes: int) -> None:
        layers = [*_conv_bn_silu(3, 32, stride=2)]
        inputs = 32
        # Output channels of the blocks, from 16 in equal steps.
        for index, outputs in enumerate(LAYER_TABLES["rexnet_1.0"]):
            layers.append(_ReXNetBlock(index, inputs, outputs))
            inputs = outputs
        layers += _conv_bn_silu(inputs, 1280, 1)
        output = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(1280, classes, 1), nn.Flatten())
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.output = output


class _ReXNetBlock(nn.Module):
    """Expansion, depthwise convolution, attention, linear projection.

    If the size stays, the input is added to the first of the output's channels.
    """

    def __init__(self, index: int, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 2 if index in HALVING else 1
        self.added = outputs - inputs if stride == 1 and inputs <= outputs else None
        wide = inputs * 6 if index else inputs
        self.out = nn.Sequential()
        if index:
            self.out.extend(_conv_bn_silu(inputs, wide, 1))
        self.out.extend(depthwise_bn(wide, stride))
        if index >= ATTENTION:
            hidden = wide // 12
            layers = nn.Sequential(
                nn.Conv2d(wide, hidden, 1),
                nn.BatchNorm2d(hidden),
                nn.ReLU(inplace=True),
                nn.Conv2d(hidden, wide, 1),
                nn.Sigmoid(),
            )
            self.out.append(SqueezeExcite(OrderedDict(fc=layers)))
        self.out.append(nn.ReLU6())
        self.out.extend(projection(wide, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        if self.added is None:
            return self.out(x)
        return self.out(x) + pad(x, (0, 0, 0, 0, 0, self.added))
