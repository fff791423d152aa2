"""AlphaPose's FastSEResNet: a ResNet with channel attention that computes heatmaps of one person in a crop.

Papers: Fang et al. 2017, "RMPE: Regional Multi-person Pose Estimation", arXiv:1612.00137; Hu et al. 2018,
"Squeeze-and-Excitation Networks", arXiv:1709.01507. Upstream: gluoncv/model_zoo/alpha_pose/fast_pose.py.
"""

from __future__ import annotations

from torch import Tensor, nn

from posezoo.networks.blocks import DenseUpsampling
from posezoo.networks.resnet import resnet


class _FullWidthSqueezeExcite(nn.Module):
    """Squeeze and excitation whose hidden layer has as many channels as the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class AlphaPose(nn.Module):
    """Heatmaps of one person, from a ResNet-101.

    Args:
        keypoints: number of heatmaps; COCO has 17 keypoints.
    """

    def __init__(self, *, keypoints: int = 17) -> None:
        super().__init__()
        self.preact = resnet(101, attention=_FullWidthSqueezeExcite)
        self.shuffle1 = nn.PixelShuffle(2)
        self.duc1 = DenseUpsampling(512, 1024)
        self.duc2 = DenseUpsampling(256, 512)
        self.conv_out = nn.Conv2d(128, keypoints, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Heatmaps of a crop.

        Args:
            image: (N, 3, H, W), RGB in 0..1, minus AlphaPose's mean.

        Returns:
            (N, keypoints, 8 * ceil(H / 32), 8 * ceil(W / 32)): H / 4 and W / 4 for multiples of 32.
        """
        return self.conv_out(self.duc2(self.duc1(self.shuffle1(self.preact(image)))))
