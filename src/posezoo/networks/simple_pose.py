"""SimplePose: a ResNet and three deconvolutions that compute the heatmaps of one person in a crop.

Paper: Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking", arXiv:1804.06208.
Upstream: gluoncv/model_zoo/simple_pose/simple_pose_resnet.py.
"""

from __future__ import annotations

from torch import Tensor, nn

from posezoo.networks.resnet import resnet, without_names

#: Channels after each deconvolution.
CHANNELS = 256


class SimplePose(nn.Module):
    """Heatmaps of one person.

    Args:
        depth: number of layers of the ResNet: 18, 50, 101 or 152.
        deep: whether the ResNet is v1d, with three convolutions in its stem, rather than v1b.
        keypoints: number of heatmaps; COCO has 17 keypoints.
    """

    def __init__(self, *, depth: int, deep: bool = False, keypoints: int = 17) -> None:
        super().__init__()
        self.resnet = without_names(resnet(depth, deep=deep))
        deconvolutions: list[nn.Module] = []
        for channels in (512 if depth == 18 else 2048, CHANNELS, CHANNELS):
            deconvolutions += [
                nn.ConvTranspose2d(channels, CHANNELS, 4, 2, 1, bias=False),
                nn.BatchNorm2d(CHANNELS),
                nn.ReLU(inplace=True),
            ]
        self.deconv_layers = nn.Sequential(*deconvolutions)
        self.final_layer = nn.Conv2d(CHANNELS, keypoints, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Heatmaps of a crop.

        Args:
            image: (N, 3, H, W), RGB, normalized with ImageNet's mean and standard deviation.

        Returns:
            (N, keypoints, 8 * ceil(H / 32), 8 * ceil(W / 32)): H / 4 and W / 4 for multiples of 32.
        """
        return self.final_layer(self.deconv_layers(self.resnet(image)))
