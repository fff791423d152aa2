"""Classifiers with the shape of a ResNet, or with similar blocks, and a reader of words.

Papers: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385;
Radosavovic et al. 2020, "Designing Network Design Spaces" (RegNet), arXiv:2003.13678; Zhang et al.
2020, "ResNeSt: Split-Attention Networks", arXiv:2004.08955. The keys are those of
torchvision/models/resnet.py, of pycls/models/anynet.py and of resnest/torch/resnet.py.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import (
    LAYER_TABLES,
    BasicBlock,
    ConvNorm,
    ImageMean,
    conv_bn,
    conv_bn_relu,
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
        self.f.a, self.f.a_bn, self.f.a_relu = conv_bn_relu(inputs, outputs, 1)
        grouped = conv_bn_relu(outputs, outputs, stride=stride, groups=groups)
        self.f.b, self.f.b_bn, self.f.b_relu = grouped
        self.f.c, self.f.c_bn = projection(outputs, outputs, 1)
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
        self.conv1, self.bn1 = conv_bn(inputs, planes, 1)
        self.conv2 = _SplitAttention(planes)
        self.pool = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        self.conv3, self.bn3 = conv_bn(planes, outputs, 1)
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
        self.conv, self.bn0 = conv_bn(channels, 2 * channels, groups=2)
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


class DLA34(nn.Sequential):
    """DLA-34, whose layers are joined as a tree: (N, 3, H, W) to (N, classes).

    Paper: Yu et al. 2017, "Deep Layer Aggregation", arXiv:1707.06484. The keys are those of dla.py
    of its authors, without two projections that no output depends on.
    """

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.base_layer = conv_bn_relu(3, 16, 7)
        self.level0 = conv_bn_relu(16, 16)
        self.level1 = conv_bn_relu(16, 32, stride=2)
        self.level2 = _DLAPair(32, 64)
        self.level3 = _DLATree(64, 128)
        self.level4 = _DLATree(128, 256)
        self.level5 = _DLAPair(256, 512, passes_input=True)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(512, classes, 1)
        self.flatten = nn.Flatten()


class _DLAPair(nn.Module):
    """Two blocks, and the root that joins their outputs.

    Args:
        joined: channels of further tensors that the root joins.
        passes_input: whether the input, in the output's size, is one of them.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 2,
        *,
        joined: int = 0,
        passes_input: bool = False,
    ) -> None:
        super().__init__()
        self.passes_input = passes_input
        self.downsample = nn.MaxPool2d(stride)
        self.project = resize_input(inputs, outputs, 1)
        self.tree1 = BasicBlock(inputs, outputs, stride, nn.Identity)
        self.tree2 = BasicBlock(outputs, outputs)
        passed = inputs if passes_input else 0
        self.root = ConvNorm(2 * outputs + joined + passed, outputs)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        bottom = self.downsample(x)
        block = self.tree1
        hidden = block.relu(block.bn1(block.conv1(x)))
        first = block.relu(block.bn2(block.conv2(hidden)) + self.project(bottom))
        if self.passes_input:
            others = (*others, bottom)
        return self.root(torch.cat((self.tree2(first), first, *others), 1))


class _DLATree(nn.Module):
    """Two pairs; the root of the second one joins the input, and the output of the first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.downsample = nn.MaxPool2d(2)
        self.tree1 = _DLAPair(inputs, outputs)
        self.tree2 = _DLAPair(outputs, outputs, 1, joined=inputs + outputs)

    def forward(self, x: Tensor) -> Tensor:
        first = self.tree1(x)
        return self.tree2(first, self.downsample(x), first)


class RepVGG(nn.Sequential):
    """RepVGG, whose branches are a row of 3x3 convolutions: (N, 3, H, W) to (N, classes).

    Paper: Ding et al. 2021, "RepVGG", arXiv:2101.03697. The keys are those that repvgg.py of its
    authors has after ``switch_to_deploy``: published checkpoints have three branches for each
    convolution, which ``published_networks.fuse_branches`` adds up.
    """

    def __init__(self, *, variant: str, classes: int) -> None:
        rows = LAYER_TABLES[f"repvgg_{variant}"]  # blocks and channels of each stage
        _, channels = rows[0]
        inputs = min(64, channels)
        super().__init__(OrderedDict(stage0=_rep_vgg_block(3, inputs, 2)))
        for number, (count, outputs) in enumerate(rows, 1):
            blocks = stage(_rep_vgg_block, inputs, outputs, count, 2)
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
            inputs = outputs
        self.mean = ImageMean()
        self.linear = nn.Linear(inputs, classes)


def _rep_vgg_block(inputs: int, outputs: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
    return nn.Sequential(OrderedDict(rbr_reparam=convolution, relu=nn.ReLU(inplace=True)))


_SQUARE = (3, 3)
#: Of the longest word, and its end.
CHARACTERS = 26
#: Digits, letters, and the end of the word.
SYMBOLS = 37


class ResNetFC(nn.Sequential):
    """Text recognition: a ResNet, and a linear layer that reads all characters of a word at once.

    (N, 1, 32, 100), a grey image, to (N, 26, 37), the scores of the symbols by character. The keys
    are those of vedastr's configs/resnet_fc.py, without the names of its containers.
    """

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(ConvNorm(1, 64, _SQUARE), ConvNorm(64, 128, _SQUARE))
        second = _text_stage(128, 256, 1)
        third = _text_stage(256, 512, 2)
        fourth = nn.Sequential(nn.MaxPool2d(2, (2, 1), (0, 1)), _text_blocks(512, 1024, 5))
        fourth.append(ConvNorm(1024, 1024, _SQUARE))
        fourth.append(_text_blocks(1024, 1024, 3))
        fifth = nn.Sequential(ConvNorm(1024, 1024, (2, 2), (2, 1), padding=(0, 1)))
        fifth.append(ConvNorm(1024, 1024, (2, 2), 1, padding=(0, 0)))
        self.layers = nn.Sequential(first, second, third, fourth, fifth)
        self.mean = ImageMean()
        self.fc = nn.Linear(1024, CHARACTERS * SYMBOLS)
        self.symbols = nn.Unflatten(1, (CHARACTERS, SYMBOLS))


def _text_stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    layers = nn.Sequential(nn.MaxPool2d(2, 2), _text_blocks(inputs, outputs, blocks))
    return layers.append(ConvNorm(outputs, outputs, _SQUARE))


def _text_blocks(inputs: int, outputs: int, count: int) -> nn.Sequential:
    return nn.Sequential(*stage(BasicBlock, inputs, outputs, count, 1))
