"""Inception v3.

Paper: Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision",
arXiv:1512.00567. The keys are those of torchvision/models/inception.py, without its auxiliary
classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import LAYER_TABLES, ConvNorm, ImageMean

#: The convolutions of a branch: output channels, and the kernel's height and width.
Branch = Sequence[tuple[int, int, int]]

_POINT = (1, 1)
_SQUARE = (3, 3)
_UNPADDED = (0, 0)

_Convolution = partial(ConvNorm, eps=1e-3)


class InceptionV3(nn.Sequential):
    """(N, 3, H, W) to (N, classes); the published size is 299x299."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, _SQUARE, 2, _UNPADDED)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, _SQUARE, 1, _UNPADDED)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, _SQUARE)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, _POINT)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, _SQUARE, 1, _UNPADDED)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        for key, inputs, stride, branches in LAYER_TABLES["inception_v3"]:
            self.add_module(key, _Mixed(inputs, stride, branches))
        self.Mixed_7b = _WideBlock(1280)
        self.Mixed_7c = _WideBlock(2048)
        self.mean = ImageMean()
        self.fc = nn.Linear(2048, classes)


class _Mixed(nn.Module):
    """Branches side by side, each a row of convolutions, and one of pooling.

    Args:
        inputs: input channels.
        stride: of each branch's last layer. With 2, no padding is added there, and the last branch
            is a maximum alone.
        branches: the convolutions by the branch's key. The branch ``branch_pool`` gets the average
            of 3x3 pixels.
    """

    def __init__(self, inputs: int, stride: int, branches: Mapping[str, Branch]) -> None:
        super().__init__()
        self.branch_keys = []
        for branch, convolutions in branches.items():
            keys = []
            channels = inputs
            for number, (outputs, height, width) in enumerate(convolutions, 1):
                key = f"{branch}_{number}" if len(convolutions) > 1 else branch
                reduces = stride > 1 and number == len(convolutions)
                sliding = (stride, _UNPADDED) if reduces else ()
                self.add_module(key, _Convolution(channels, outputs, (height, width), *sliding))
                keys.append(key)
                channels = outputs
            self.branch_keys.append(keys)
        self.average = nn.AvgPool2d(3, 1, 1)
        self.maximum = nn.MaxPool2d(3, 2) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        results = []
        for keys in self.branch_keys:
            branch = self.average(x) if keys == ["branch_pool"] else x
            for key in keys:
                branch = self.get_submodule(key)(branch)
            results.append(branch)
        if self.maximum is not None:
            results.append(self.maximum(x))
        return torch.cat(results, 1)


class _WideBlock(nn.Module):
    """Four branches, two of which end in a horizontal and a vertical convolution side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch1x1 = _Convolution(inputs, 320, _POINT)
        self.branch3x3_1 = _Convolution(inputs, 384, _POINT)
        self.branch3x3_2a = _Convolution(384, 384, (1, 3))
        self.branch3x3_2b = _Convolution(384, 384, (3, 1))
        self.branch3x3dbl_1 = _Convolution(inputs, 448, _POINT)
        self.branch3x3dbl_2 = _Convolution(448, 384, _SQUARE)
        self.branch3x3dbl_3a = _Convolution(384, 384, (1, 3))
        self.branch3x3dbl_3b = _Convolution(384, 384, (3, 1))
        self.average = nn.AvgPool2d(3, 1, 1)
        self.branch_pool = _Convolution(inputs, 192, _POINT)

    def forward(self, x: Tensor) -> Tensor:
        short = self.branch3x3_1(x)
        long = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        results = (
            self.branch1x1(x),
            self.branch3x3_2a(short),
            self.branch3x3_2b(short),
            self.branch3x3dbl_3a(long),
            self.branch3x3dbl_3b(long),
            self.branch_pool(self.average(x)),
        )
        return torch.cat(results, 1)
