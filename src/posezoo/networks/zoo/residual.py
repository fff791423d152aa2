"""Classifiers with the shape of a ResNet.

Papers: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385. The keys
are those of torchvision/models/resnet.py.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from posezoo.networks.blocks import ImageMean
from posezoo.networks.resnet_pose import resnet


class ResNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes): a ResNet of 18, 34 or 50 layers."""

    def __init__(self, *, depth: int, classes: int) -> None:
        layers = OrderedDict(resnet(depth).named_children())
        channels = 512 if depth < 50 else 2048
        super().__init__(OrderedDict(**layers, mean=ImageMean(), fc=nn.Linear(channels, classes)))
