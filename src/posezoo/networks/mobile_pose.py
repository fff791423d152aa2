"""MobilePose: a light backbone and dense upsampling that compute heatmaps of one person in a crop.

Paper: none; the upsampling is that of Wang et al. 2017, arXiv:1702.08502.
Upstream: gluoncv/model_zoo/simple_pose/mobile_pose.py.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from posezoo.networks.blocks import DenseUpsampling, conv2d
from posezoo.networks.mobilenet_v1_v2 import mobilenet_v1, mobilenet_v2
from posezoo.networks.mobilenet_v3 import mobilenet_v3, output_channels
from posezoo.networks.resnet import resnet, without_names

#: The trunks by name, each with its output channels. The keys of a MobileNet have one more level:
#: features.0.0.weight.
TRUNKS: dict[str, tuple[Callable[[], nn.Sequential], int]] = {
    "resnet18_v1b": (lambda: without_names(resnet(18)), 512),
    "resnet50_v1b": (lambda: without_names(resnet(50)), 2048),
    "mobilenet1.0": (lambda: nn.Sequential(mobilenet_v1()), 1024),
    "mobilenetv2_1.0": (lambda: nn.Sequential(mobilenet_v2()), 1280),
    "mobilenetv3_small": (lambda: nn.Sequential(mobilenet_v3("small")), output_channels("small")),
    "mobilenetv3_large": (lambda: nn.Sequential(mobilenet_v3("large")), output_channels("large")),
}


class MobilePose(nn.Module):
    """Heatmaps of one person.

    Args:
        trunk: a name in ``TRUNKS``.
        keypoints: number of heatmaps; COCO has 17 keypoints.
    """

    def __init__(self, *, trunk: str, keypoints: int = 17) -> None:
        super().__init__()
        build, channels = TRUNKS[trunk]
        self.features = build()
        self.upsampling = nn.Sequential(
            conv2d(channels, 256, 1),
            DenseUpsampling(256, 512),
            DenseUpsampling(128, 256),
            DenseUpsampling(64, 128),
            conv2d(32, keypoints, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Heatmaps of a crop.

        Args:
            image: (N, 3, H, W), RGB, normalized with ImageNet's mean and standard deviation.

        Returns:
            (N, keypoints, 8 * ceil(H / 32), 8 * ceil(W / 32)): H / 4 and W / 4 for multiples of 32.
        """
        return self.upsampling(self.features(image))
