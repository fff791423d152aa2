"""Classifiers with the shape of a ResNet.

Papers: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385;
Radosavovic et al. 2020, "Designing Network Design Spaces" (RegNet), arXiv:2003.13678; Zhang et al.
2020, "ResNeSt: Split-Attention Networks", arXiv:2004.08955. The keys are those of
torchvision/models/resnet.py, of pycls/models/anynet.py and of resnest/torch/resnet.py.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from posezoo.networks.blocks import (
    LAYER_TABLES,
    ConvNorm,
    ImageMean,
    conv2d,
    projection,
    resize_input,
    stage,
)
from posezoo.networks.resnet_pose import average_pool_shortcut, first_layers, resnet

#: Channels of each group of RegNetX's convolutions.
REGNET_GROUP = 48


class ResNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes): a ResNet of 18, 34 or 50 layers."""

    def __init__(self, *, depth: int, classes: int) -> None:
        layers = OrderedDict(resnet(depth).named_children())
        channels = 512 if depth < 50 else 2048
        super().__init__(OrderedDict(**layers, mean=ImageMean(), fc=nn.Linear(channels, classes)))


class RegNetX(nn.Sequential):
    """(N, 3, H, W) to (N, classes): RegNetX of 3.2 GFLOPs."""

    def __init__(self, *, classes: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=ConvNorm(3, 32, (3, 3), 2))
        inputs = 32
        # Output channels and number of blocks of each stage.
        for number, (outputs, count) in enumerate(LAYER_TABLES["regnetx_3.2gf"], 1):
            blocks = stage(_RegNetBlock, inputs, outputs, count, 2)
            named = {f"b{block}": module for block, module in enumerate(blocks, 1)}
            layers[f"s{number}"] = nn.Sequential(OrderedDict(named))
            inputs = outputs
        head = OrderedDict(mean=ImageMean(), fc=nn.Linear(inputs, classes))
        super().__init__(OrderedDict(**layers, head=nn.Sequential(head)))


class _RegNetBlock(nn.Module):
    """Convolutions 1x1, 3x3 in groups, 1x1, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        self.bn: nn.Module = nn.Identity()
        if inputs != outputs or stride > 1:
            self.proj, self.bn = projection(inputs, outputs, stride)
        groups = outputs // REGNET_GROUP
        self.f = nn.Sequential()
        self.f.a = conv2d(inputs, outputs, 1)
        self.f.a_bn = nn.BatchNorm2d(outputs)
        self.f.a_relu = nn.ReLU(inplace=True)
        self.f.b = conv2d(outputs, outputs, stride=stride, groups=groups)
        self.f.b_bn = nn.BatchNorm2d(outputs)
        self.f.b_relu = nn.ReLU(inplace=True)
        self.f.c = conv2d(outputs, outputs, 1)
        self.f.c_bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.proj(x)) + self.f(x))


class ResNeSt50(nn.Sequential):
    """(N, 3, H, W) to (N, classes): a ResNet-50 with split attention."""

    def __init__(self, *, classes: int) -> None:
        layers = first_layers(deep=True)
        inputs = 64
        for number, count in enumerate(LAYER_TABLES["resnet_50"], 1):
            outputs = 128 << number
            stride = 1 if number == 1 else 2
            layers[f"layer{number}"] = nn.Sequential(
                *stage(_SplitAttentionBlock, inputs, outputs, count, stride)
            )
            inputs = outputs
        super().__init__(OrderedDict(**layers, mean=ImageMean(), fc=nn.Linear(inputs, classes)))


class _SplitAttentionBlock(nn.Module):
    """A bottleneck with split attention; its strides are in poolings of the average."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        planes = outputs // 4
        self.conv1 = conv2d(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _SplitAttention(planes)
        self.pool = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        self.conv3 = conv2d(planes, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = resize_input(inputs, outputs, stride, average_pool_shortcut)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pool(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class _SplitAttention(nn.Module):
    """A 3x3 convolution to two sets of channels, and their sum with weights that add up to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 32)
        self.conv = conv2d(channels, 2 * channels, groups=2)
        self.bn0 = nn.BatchNorm2d(2 * channels)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, 2 * channels, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.relu(self.bn0(self.conv(x))).unflatten(1, (2, -1))
        mean = splits.sum(dim=1).mean(dim=(2, 3), keepdim=True)
        scores = self.fc2(self.relu(self.bn1(self.fc1(mean))))
        weights = scores.unflatten(1, (2, -1)).softmax(dim=1)
        return (splits * weights).sum(dim=1)
