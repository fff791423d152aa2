"""RetinaFace: faces and five landmarks of each.

Paper: Deng et al. 2019, "RetinaFace", arXiv:1905.00641. The keys are those of models/retinaface.py
in biubug6/Pytorch_Retinaface.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from posezoo.networks.blocks import conv_bn, conv_bn_relu
from posezoo.networks.resnet_pose import resnet

CHANNELS = 256
#: Anchors of each cell.
ANCHORS = 2


class RetinaFace(nn.Module):
    """(N, 3, H, W) to boxes (N, A, 4), scores (N, A, 2) and landmarks (N, A, 10) of the anchors.

    Boxes and landmarks are relative to the anchors; scores are those of no face and of a face.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = resnet(50)
        self.fpn = _FaceFeaturePyramid()
        self.ssh1 = _Context()
        self.ssh2 = _Context()
        self.ssh3 = _Context()
        self.BboxHead = _heads(4)
        self.ClassHead = _heads(2)
        self.LandmarkHead = _heads(10)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores, landmarks."""
        *stem, layer1, layer2, layer3, layer4 = self.body
        x = image
        for layer in (*stem, layer1):
            x = layer(x)
        stride8 = layer2(x)
        stride16 = layer3(stride8)
        low, middle, high = self.fpn(stride8, stride16, layer4(stride16))
        features = (self.ssh1(low), self.ssh2(middle), self.ssh3(high))
        return (
            _rows(self.BboxHead, features, 4),
            _rows(self.ClassHead, features, 2).softmax(dim=-1),
            _rows(self.LandmarkHead, features, 10),
        )


class _FaceFeaturePyramid(nn.Module):
    """The features of three strides, in the same number of channels; each is added to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.output1 = conv_bn_relu(512, CHANNELS, 1)
        self.output2 = conv_bn_relu(1024, CHANNELS, 1)
        self.output3 = conv_bn_relu(2048, CHANNELS, 1)
        self.merge1 = conv_bn_relu(CHANNELS, CHANNELS)
        self.merge2 = conv_bn_relu(CHANNELS, CHANNELS)

    def forward(self, low: Tensor, middle: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        high = self.output3(high)
        middle = self.output2(middle)
        middle = self.merge2(middle + interpolate(high, size=middle.shape[2:]))
        low = self.output1(low)
        low = self.merge1(low + interpolate(middle, size=low.shape[2:]))
        return low, middle, high


class _Context(nn.Module):
    """Convolutions that see 3x3, 5x5 and 7x7 pixels, side by side."""

    def __init__(self) -> None:
        super().__init__()
        part = CHANNELS // 4
        self.conv3X3 = conv_bn(CHANNELS, 2 * part)
        self.conv5X5_1 = conv_bn_relu(CHANNELS, part)
        self.conv5X5_2 = conv_bn(part, part)
        self.conv7X7_2 = conv_bn_relu(part, part)
        self.conv7x7_3 = conv_bn(part, part)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv5X5_1(x)
        parts = (self.conv3X3(x), self.conv5X5_2(hidden), self.conv7x7_3(self.conv7X7_2(hidden)))
        return torch.cat(parts, 1).relu()


def _heads(values: int) -> nn.ModuleList:
    heads = nn.ModuleList()
    for _ in range(3):
        convolution = nn.Conv2d(CHANNELS, ANCHORS * values, 1)
        heads.append(nn.ModuleDict({"conv1x1": convolution}))
    return heads


def _rows(heads: nn.ModuleList, features: Sequence[Tensor], values: int) -> Tensor:
    """The values of all anchors, from the lowest stride to the highest."""
    rows = []
    for head, feature in zip(heads, features, strict=True):
        row = head.get_submodule("conv1x1")(feature).permute(0, 2, 3, 1)
        rows.append(row.reshape(row.shape[0], -1, values))
    return torch.cat(rows, 1)
