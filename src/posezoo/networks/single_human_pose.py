"""SingleHumanPose: heatmaps of one person in a crop; each refinement stage contains a small U-net.

Paper: there is none on this network. Its authors describe the stages in Osokin 2018, arXiv:1811.12004.
Upstream: models/single_person_pose_with_mobilenet.py of OpenVINO Training Extensions' human_pose_estimation
(2020), distributed by Open Model Zoo with single-human-pose-estimation-0001.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from posezoo.networks.lightweight_openpose import (
    CHANNELS,
    OpenPoseStage,
    RefinementBlock,
    StagedNetwork,
    conv_block,
)


class _UNetStage(nn.Module):
    """Two steps down and two steps up; each upsampled map is concatenated with the map of its size."""

    def __init__(self, channels: int, interpolation: str) -> None:
        super().__init__()
        self.interpolation = interpolation
        wide = 2 * channels
        self.encoder1 = nn.Sequential(conv_block(channels, wide, stride=2), conv_block(wide, wide))
        self.encoder2 = nn.Sequential(conv_block(wide, wide, stride=2), conv_block(wide, wide))
        self.decoder2 = nn.Sequential(conv_block(wide + wide, wide), conv_block(wide, wide))
        self.decoder1 = nn.Sequential(conv_block(channels + wide, wide), conv_block(wide, channels))

    def forward(self, x: Tensor) -> Tensor:
        half = self.encoder1(x)
        quarter = self.encoder2(half)
        half = self.decoder2(torch.cat([half, self._upsample(quarter, half)], dim=1))
        return self.decoder1(torch.cat([x, self._upsample(half, x)], dim=1))

    def _upsample(self, x: Tensor, to: Tensor) -> Tensor:
        align = False if self.interpolation == "bilinear" else None
        return interpolate(x, size=to.shape[2:], mode=self.interpolation, align_corners=align)


class SingleHumanPose(StagedNetwork):
    """MobileNet v1, an initial stage, and ``refinement_stages`` that refine its maps.

    Args:
        refinement_stages: their number. Open Model Zoo's archive has 5, but its card states metrics of 4.
        interpolation: how each stage upsamples: ``bilinear`` or ``nearest``. A checkpoint does not contain
            it: upstream's class uses bilinear, upstream's example of an export uses nearest.
        keypoints: number of heatmaps; COCO has 17 keypoints.
    """

    def __init__(
        self, *, refinement_stages: int = 5, interpolation: str = "bilinear", keypoints: int = 17
    ) -> None:
        maps = {"heatmaps": keypoints}
        inputs = CHANNELS + keypoints
        super().__init__(
            cpm=nn.Sequential(conv_block(512, 256), conv_block(256, CHANNELS)),
            initial=OpenPoseStage((conv_block(CHANNELS, CHANNELS) for _ in range(3)), maps, hidden=512),
            refinements=(
                OpenPoseStage(
                    (
                        _UNetStage(inputs, interpolation),
                        *(RefinementBlock(channels) for channels in (inputs, CHANNELS, CHANNELS)),
                    ),
                    maps,
                )
                for _ in range(refinement_stages)
            ),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, keypoints, H / 8, W / 8), the last stage's heatmaps; sizes are rounded up.

        The image is RGB, normalized with ImageNet's mean and standard deviation.
        """
        return self.stages(image)[-1][0]
