"""Lightweight OpenPose with a third head: the 3D position of each keypoint relative to the person's root.

Paper: Mehta et al. 2018, "Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB", arXiv:1712.03453,
on the network of arXiv:1811.12004.
Upstream: models/with_mobilenet.py of Daniil-Osokin/lightweight-human-pose-estimation-3d-demo.pytorch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posezoo.networks.lightweight_openpose import (
    CHANNELS,
    ConvolutionalPoseMachine,
    OpenPoseStage,
    RefinementBlock,
    StagedNetwork,
    conv_block,
    openpose_stages,
)

_MAPS = {"heatmaps": 19, "pafs": 38}


class _ResidualBlock(nn.Module):
    """Convolutions 1x1, 3x3 and 1x1; the first two have half the channels. There is no ReLU after the sum."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        half = inputs // 2
        self.bottleneck = nn.Sequential(
            conv_block(inputs, half, 1), conv_block(half, half), conv_block(half, CHANNELS, 1)
        )
        self.align = conv_block(inputs, CHANNELS, 1) if inputs != CHANNELS else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.align(x) + self.bottleneck(x)


class _Pose3D(nn.Module):
    """Three location maps for each of 19 keypoints, from the image's features and the 2D maps."""

    def __init__(self) -> None:
        super().__init__()
        inputs = CHANNELS + sum(_MAPS.values())
        self.stem = nn.Sequential(*(_ResidualBlock(inputs if index == 0 else CHANNELS) for index in range(5)))
        self.prediction = OpenPoseStage((RefinementBlock(CHANNELS) for _ in range(2)), {"feature_maps": 57})

    def forward(self, x: Tensor) -> Tensor:
        return self.prediction(self.stem(x))[0]


class HumanPose3D(StagedNetwork):
    """2D heatmaps, part affinity fields and 3D location maps of every person.

    Args:
        refinement_stages: number of stages; the published checkpoint has 1.
        convertible: whether the checkpoint has two more convolutions, ``fake_conv_heatmaps`` and
            ``fake_conv_pafs``, whose outputs are added to the 2D maps. Upstream added them, with zero
            weights, for an old Model Optimizer (``is_convertible_by_mo``).
    """

    def __init__(self, *, refinement_stages: int = 1, convertible: bool = False) -> None:
        super().__init__(ConvolutionalPoseMachine(), *openpose_stages(refinement_stages, _MAPS))
        self.Pose3D = _Pose3D()
        self.convertible = convertible
        if convertible:
            self.fake_conv_heatmaps = nn.Conv2d(19, 19, 1, bias=False)
            self.fake_conv_pafs = nn.Conv2d(38, 38, 1, bias=False)
            nn.init.zeros_(self.fake_conv_heatmaps.weight)
            nn.init.zeros_(self.fake_conv_pafs.weight)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) to location maps (N, 57, H / 8, W / 8), heatmaps (N, 19, ...) and pafs (N, 38, ...).

        Sizes are rounded up. The image is BGR, (value - 128) / 255 for values from 0 to 255.
        """
        features = self.features(image)
        heatmaps, pafs = self.refine(features)[-1]
        locations = self.Pose3D(torch.cat([features, heatmaps, pafs], dim=1))
        if self.convertible:
            heatmaps = heatmaps + self.fake_conv_heatmaps(heatmaps)
            pafs = pafs + self.fake_conv_pafs(pafs)
        return locations, heatmaps, pafs
