"""HigherHRNet: heatmaps of all people's keypoints, and embeddings that group them by person.

Paper: Cheng et al. 2020, "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose
Estimation", arXiv:1908.10357. Upstream: lib/models/pose_higher_hrnet.py of
HRNet/HigherHRNet-Human-Pose-Estimation, whose outputs are those of Open Model Zoo's
higher-hrnet-w32-human-pose-estimation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from posezoo.networks.blocks import BasicBlock, deconv_bn_relu
from posezoo.networks.hrnet import BLOCKS, HighResolutionNet

#: The side of the window in which a peak is the maximum, in pixels of the heatmaps.
WINDOW = 5


class HigherHrnet(HighResolutionNet):
    """HRNet with heatmaps and embeddings at a quarter of the size, and finer heatmaps at half of
    it; ``width`` as for ``Hrnet``.
    """

    def __init__(self, *, width: int = 32, keypoints: int = 17) -> None:
        super().__init__(width)
        self.keypoints = keypoints
        self.final_layers = nn.ModuleList(
            [nn.Conv2d(width, 2 * keypoints, 1), nn.Conv2d(width, keypoints, 1)]
        )
        doubled = deconv_bn_relu(width + 2 * keypoints, width)
        blocks = (nn.Sequential(BasicBlock(width, width)) for _ in range(BLOCKS))
        self.deconv_layers = nn.ModuleList([nn.Sequential(doubled, *blocks)])

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse and fine maps that the training's loss uses.

        They are heatmaps followed by embeddings (N, 2 keypoints, H / 4, W / 4), and finer heatmaps
        (N, keypoints, H / 2, W / 2). It raises as ``features`` does.
        """
        features = self.features(image)
        coarse = self.final_layers[0](features)
        fine = self.deconv_layers[0](torch.cat([features, coarse], dim=1))
        return coarse, self.final_layers[1](fine)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to heatmaps and embeddings, both (N, keypoints, H / 2, W / 2); sizes as for
        ``maps``.

        The image is RGB, normalized with ImageNet's mean and standard deviation. The heatmaps are
        the mean of both; negative values are set to 0, then each value that is not the maximum of
        its window is negated.
        """
        coarse, fine = self.maps(image)
        coarse = interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        heatmaps = ((coarse[:, : self.keypoints] + fine) / 2).relu()
        highest = max_pool2d(heatmaps, WINDOW, stride=1, padding=WINDOW // 2)
        is_peak = torch.eq(highest, heatmaps).to(heatmaps.dtype)
        return heatmaps * (2 * is_peak - 1), coarse[:, self.keypoints :]
