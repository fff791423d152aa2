"""Small classifiers for phones.

Papers: Sandler et al. 2018, "MobileNetV2", arXiv:1801.04381; Ma et al. 2018, "ShuffleNet V2",
arXiv:1807.11164. The keys are those of torchvision/models/mobilenetv2.py and shufflenetv2.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import (
    ImageMean,
    conv_bn_relu,
    conv_bn_relu6,
    depthwise_bn,
    inverted_residuals,
    stage,
)
from posezoo.networks.layer_tables import LAYER_TABLES


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
