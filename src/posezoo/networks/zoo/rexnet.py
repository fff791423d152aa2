"""ReXNet: channels that grow by a little in each block.

Paper: Han et al. 2021, "Rethinking Channel Dimensions for Efficient Model Design",
arXiv:2007.00992. The keys are those of rexnetv1.py of its authors.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import pad

from posezoo.networks.blocks import SqueezeExcite, conv_bn_relu, depthwise_bn, projection
from posezoo.networks.layer_tables import LAYER_TABLES

#: The blocks that halve the image.
HALVING = (1, 3, 5, 11)
#: The first block with attention.
ATTENTION = 3

_conv_bn_silu = partial(conv_bn_relu, activation=nn.SiLU)


class ReXNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes): ReXNet of width 1.0."""

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
            self.out.append(_attention(wide))
        self.out.append(nn.ReLU6())
        self.out.extend(projection(wide, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        if self.added is None:
            return self.out(x)
        return self.out(x) + pad(x, (0, 0, 0, 0, 0, self.added))


def _attention(channels: int) -> SqueezeExcite:
    """Squeeze and excitation, with batch normalization."""
    hidden = channels // 12
    layers = nn.Sequential(
        nn.Conv2d(channels, hidden, 1),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, channels, 1),
        nn.Sigmoid(),
    )
    return SqueezeExcite(OrderedDict(fc=layers))
