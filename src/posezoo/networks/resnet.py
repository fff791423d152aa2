"""ResNet in GluonCV's variants v1b and v1d, the backbone of its pose networks.

Papers: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385; He et al. 2018,
"Bag of Tricks for Image Classification", arXiv:1812.01187, section 4 (v1d).
Upstream: gluoncv/model_zoo/resnetv1b.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from posezoo.networks.blocks import BasicBlock, Bottleneck, conv2d, conv_bn_relu, projection

#: The number of blocks in each of the four layers, by depth.
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(
    depth: int, *, deep: bool = False, attention: Callable[[int], nn.Module] | None = None
) -> nn.Sequential:
    """The features of an image: (N, 3, H, W) to (N, 512 or 2048, H / 32, W / 32), sizes rounded up.

    Args:
        depth: 18 has basic blocks and 512 output channels; 50, 101 and 152 have bottlenecks and 2048.
        deep: whether this is v1d: three 3x3 convolutions replace the first 7x7, and shortcuts use average
            pooling.
        attention: creates the attention of each layer's first block from its output channels (AlphaPose).

    Returns:
        A sequence of conv1, bn1, relu, maxpool, layer1, layer2, layer3 and layer4.
    """
    shortcut = average_pool_shortcut if deep else projection
    block: type[BasicBlock] | type[Bottleneck] = BasicBlock if depth == 18 else Bottleneck
    layers, inputs = {}, 64
    for index, blocks in enumerate(BLOCKS[depth]):
        planes, stride = 64 << index, 1 if index == 0 else 2
        outputs = planes * block.expansion
        weights = attention(outputs) if attention else None
        resized = shortcut(inputs, outputs, stride) if stride != 1 or inputs != outputs else None
        first: nn.Module
        if weights is not None:
            first = Bottleneck(inputs, planes, stride, resized, weights)
        else:
            first = block(inputs, planes, stride, resized)
        layers[f"layer{index + 1}"] = nn.Sequential(
            first, *(block(outputs, planes) for _ in range(blocks - 1))
        )
        inputs = outputs
    stem: nn.Module = conv2d(3, 64, 7, stride=2)
    if deep:
        stem = nn.Sequential(*conv_bn_relu(3, 32, stride=2), *conv_bn_relu(32, 32), conv2d(32, 64))
    modules = {
        "conv1": stem,
        "bn1": nn.BatchNorm2d(64),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, 2, 1),
        **layers,
    }
    return nn.Sequential(OrderedDict(modules))


def without_names(sequence: nn.Sequential) -> nn.Sequential:
    """The same modules with numbers as names, as in SimplePose and MobilePose."""
    return nn.Sequential(*sequence.children())


def average_pool_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A shortcut with average pooling instead of a stride."""
    return nn.Sequential(
        nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
        conv2d(inputs, outputs, 1),
        nn.BatchNorm2d(outputs),
    )
