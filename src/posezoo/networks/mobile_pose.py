"""MobilePose: a light backbone and dense upsampling that compute heatmaps of one person in a crop.

Paper: none on the whole; the upsampling is that of Wang et al. 2017, arXiv:1702.08502. The
backbones are from Howard et al. 2017, "MobileNets", arXiv:1704.04861; Sandler et al. 2018,
"MobileNetV2", arXiv:1801.04381; and Howard et al. 2019, "Searching for MobileNetV3",
arXiv:1905.02244. Upstream: gluoncv/model_zoo/simple_pose/mobile_pose.py,
gluoncv/model_zoo/mobilenet.py and gluoncv/model_zoo/mobilenetv3.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from posezoo.networks.blocks import (
    LAYER_TABLES,
    ConvNorm,
    SqueezeExcite,
    conv2d,
    conv_bn_relu,
    conv_bn_relu6,
    dense_upsampling,
    depthwise,
    inverted_residuals,
)
from posezoo.networks.resnet_pose import resnet, without_names


class V3Block(NamedTuple):
    """One row of tables 1 and 2 of the paper on MobileNet v3, as GluonCV built them."""

    kernel: int
    expanded: int  # channels of the depthwise convolution
    outputs: int
    attention: bool
    activation: str  # the name of a class of torch.nn
    stride: int


class MobilePose(nn.Module):
    """Heatmaps of the keypoints of one person, from one of the ``TRUNKS``."""

    def __init__(self, *, trunk: str, keypoints: int = 17) -> None:
        super().__init__()
        build, channels = TRUNKS[trunk]
        self.features = build()
        self.upsampling = nn.Sequential(
            conv2d(channels, 256, 1),
            dense_upsampling(256, 512),
            dense_upsampling(128, 256),
            dense_upsampling(64, 128),
            conv2d(32, keypoints, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, keypoints, 8 * ceil(H / 32), 8 * ceil(W / 32)), heatmaps of a crop.

        The image is RGB, normalized with ImageNet's mean and standard deviation.
        """
        return self.upsampling(self.features(image))


def mobilenet_v1() -> nn.Sequential:
    """(N, 3, H, W) to (N, 1024, H / 32, W / 32), sizes rounded up."""
    layers = [*conv_bn_relu(3, 32, stride=2)]
    inputs = 32
    # Channels and stride of each depthwise pair.
    for outputs, stride in LAYER_TABLES["mobilenet_v1"]:
        layers += depthwise(inputs, outputs, stride=stride)
        inputs = outputs
    return nn.Sequential(*layers)


def mobilenet_v2() -> nn.Sequential:
    """(N, 3, H, W) to (N, 1280, H / 32, W / 32), sizes rounded up."""
    layers = conv_bn_relu6(3, 32, stride=2)
    layers.extend(inverted_residuals(key="out"))
    return layers.extend(conv_bn_relu6(320, 1280, 1))


def mobilenet_v3(size: str) -> nn.Sequential:
    """(N, 3, H, W) to (N, C, H / 32, W / 32), sizes rounded up; C is 960 for large and 576 for
    small.
    """
    layers = [*conv_bn_relu(3, 16, stride=2, activation=nn.Hardswish)]
    inputs = 16
    blocks = [V3Block(*row) for row in LAYER_TABLES[f"mobilenet_v3_{size}"]]
    for block in blocks:
        layers.append(_InvertedResidual(inputs, block))
        inputs = block.outputs
    layers += conv_bn_relu(inputs, blocks[-1].expanded, 1, activation=nn.Hardswish)
    return nn.Sequential(*layers)


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, attention, projection; an input of the same shape is
    added.
    """

    def __init__(self, inputs: int, block: V3Block) -> None:
        super().__init__()
        wide = block.expanded
        outputs = block.outputs
        activate = partial(getattr(nn, block.activation), inplace=True)
        self.adds = block.stride == 1 and inputs == outputs
        self.expand: nn.Module = nn.Identity()
        if wide != outputs:  # like upstream, compares with the outputs, not the inputs
            self.expand = ConvNorm(inputs, wide, activation=activate)
        kernel = (block.kernel, block.kernel)
        self.conv1 = ConvNorm(wide, wide, kernel, block.stride, groups=wide, activation=activate)
        self.se: nn.Module = nn.Identity()
        if block.attention:
            hidden = -(-(wide // 4) // 8) * 8  # a quarter, rounded up to a multiple of 8
            self.se = SqueezeExcite(
                OrderedDict(
                    conv1=nn.Conv2d(wide, hidden, 1),
                    act1=nn.ReLU(inplace=True),
                    conv2=nn.Conv2d(hidden, wide, 1),
                    act2=nn.Hardsigmoid(inplace=True),
                )
            )
        self.conv2 = ConvNorm(wide, outputs, activation=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.expand(x))
        out = self.conv2(self.se(out))
        return x + out if self.adds else out


#: The trunks by name, each with its output channels. The keys of a MobileNet have one more level:
#: features.0.0.weight.
TRUNKS: dict[str, tuple[Callable[[], nn.Sequential], int]] = {
    "resnet18_v1b": (lambda: without_names(resnet(18)), 512),
    "resnet50_v1b": (lambda: without_names(resnet(50)), 2048),
    "mobilenet1.0": (lambda: nn.Sequential(mobilenet_v1()), 1024),
    "mobilenetv2_1.0": (lambda: nn.Sequential(mobilenet_v2()), 1280),
    "mobilenetv3_small": (lambda: nn.Sequential(mobilenet_v3("small")), 576),
    "mobilenetv3_large": (lambda: nn.Sequential(mobilenet_v3("large")), 960),
}
