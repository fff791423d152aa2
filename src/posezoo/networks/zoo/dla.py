"""DLA-34: layers that are joined as a tree.

Paper: Yu et al. 2017, "Deep Layer Aggregation", arXiv:1707.06484. The keys are those of dla.py of
its authors, without two projections that no output depends on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import BasicBlock, ConvNorm, conv_bn_relu, resize_input


class DLA34(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.base_layer = conv_bn_relu(3, 16, 7)
        self.level0 = conv_bn_relu(16, 16)
        self.level1 = conv_bn_relu(16, 32, stride=2)
        self.level2 = _Pair(32, 64)
        self.level3 = _Tree(64, 128)
        self.level4 = _Tree(128, 256)
        self.level5 = _Pair(256, 512, passes_input=True)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(512, classes, 1)
        self.flatten = nn.Flatten()


class _Pair(nn.Module):
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


class _Tree(nn.Module):
    """Two pairs; the root of the second one joins the input, and the output of the first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.downsample = nn.MaxPool2d(2)
        self.tree1 = _Pair(inputs, outputs)
        self.tree2 = _Pair(outputs, outputs, 1, joined=inputs + outputs)

    def forward(self, x: Tensor) -> Tensor:
        first = self.tree1(x)
        return self.tree2(first, self.downsample(x), first)
