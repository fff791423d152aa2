"""ConvNeXt.

Paper: Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545. The keys are those of its
authors' models/convnext.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posezoo.networks.blocks import LAYER_TABLES


class ConvNeXt(nn.Module):
    """(N, 3, H, W) to (N, classes): ConvNeXt tiny."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList()
        self.stages = nn.ModuleList()
        inputs = 3
        # Channels and blocks of the four stages.
        for channels, count in LAYER_TABLES["convnext_tiny"]:
            if inputs == 3:
                reduction = nn.Sequential(nn.Conv2d(3, channels, 4, 4), _ChannelNorm(channels))
            else:
                reduction = nn.Sequential(_ChannelNorm(inputs), nn.Conv2d(inputs, channels, 2, 2))
            self.downsample_layers.append(reduction)
            self.stages.append(nn.Sequential(*(_ConvNeXtBlock(channels) for _ in range(count))))
            inputs = channels
        self.norm = nn.LayerNorm(inputs, eps=1e-6)
        self.head = nn.Linear(inputs, classes)

    def forward(self, image: Tensor) -> Tensor:
        """The scores of the classes."""
        x = image
        for reduction, blocks in zip(self.downsample_layers, self.stages, strict=True):
            x = blocks(reduction(x))
        return self.head(self.norm(x.mean(dim=(2, 3))))


class _ChannelNorm(nn.LayerNorm):
    """Normalizes the channels of each pixel of (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvNeXtBlock(nn.Module):
    """A depthwise 7x7 convolution and two linear layers for each pixel, which are added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)
