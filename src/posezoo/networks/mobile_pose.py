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
from typing import NamedTuple

from torch import Tensor, nn

from posezoo.networks.blocks import conv2d, conv_bn_relu, dense_upsampling, depthwise
from posezoo.networks.resnet_pose import resnet, without_names

#: v1: channels and stride of each depthwise pair.
V1_PAIRS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),), (1024, 2),
    (1024, 1),
)  # fmt: skip
#: v2: expansion, channels, blocks and stride of each group of blocks (the paper's table 2).
V2_GROUPS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class V3Block(NamedTuple):
    """One row of tables 1 and 2 of the paper on MobileNet v3."""

    kernel: int
    expanded: int  # channels of the depthwise convolution
    outputs: int
    attention: bool
    activation: type[nn.Module]
    stride: int


#: v3: the paper's tables 1 and 2 as GluonCV built them.
V3_BLOCKS = {
    "large": (
        V3Block(3, 16, 16, False, nn.ReLU, 1),
        V3Block(3, 64, 24, False, nn.ReLU, 2),
        V3Block(3, 72, 24, False, nn.ReLU, 1),
        V3Block(5, 72, 40, True, nn.ReLU, 2),
        V3Block(5, 120, 40, True, nn.ReLU, 1),
        V3Block(5, 120, 40, True, nn.ReLU, 1),
        V3Block(3, 240, 80, False, nn.Hardswish, 2),
        V3Block(3, 200, 80, False, nn.Hardswish, 1),
        V3Block(3, 184, 80, False, nn.Hardswish, 1),
        V3Block(3, 184, 80, False, nn.Hardswish, 1),
        V3Block(3, 480, 112, True, nn.Hardswish, 1),
        V3Block(3, 672, 112, True, nn.Hardswish, 1),
        V3Block(5, 672, 160, True, nn.Hardswish, 2),
        V3Block(5, 960, 160, True, nn.Hardswish, 1),
        V3Block(5, 960, 160, True, nn.Hardswish, 1),
    ),
    "small": (
        V3Block(3, 16, 16, True, nn.ReLU, 2),
        V3Block(3, 72, 24, False, nn.ReLU, 2),
        V3Block(3, 88, 24, False, nn.ReLU, 1),
        V3Block(5, 96, 40, True, nn.Hardswish, 2),
        V3Block(5, 240, 40, True, nn.Hardswish, 1),
        V3Block(5, 240, 40, True, nn.Hardswish, 1),
        V3Block(5, 120, 48, True, nn.Hardswish, 1),
        V3Block(5, 144, 48, True, nn.Hardswish, 1),
        V3Block(5, 288, 96, True, nn.Hardswish, 2),
        V3Block(5, 576, 96, True, nn.Hardswish, 1),
        V3Block(5, 576, 96, True, nn.Hardswish, 1),
    ),
}


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
    for outputs, stride in V1_PAIRS:
        layers += depthwise(inputs, outputs, stride=stride)
        inputs = outputs
    return nn.Sequential(*layers)


def mobilenet_v2() -> nn.Sequential:
    """(N, 3, H, W) to (N, 1280, H / 32, W / 32), sizes rounded up."""
    layers = [*conv_bn_relu(3, 32, stride=2, activation=nn.ReLU6)]
    inputs = 32
    for expansion, outputs, blocks, stride in V2_GROUPS:
        for index in range(blocks):
            layers.append(
                _LinearBottleneck(inputs, outputs, expansion, stride if index == 0 else 1)
            )
            inputs = outputs
    layers += conv_bn_relu(inputs, 1280, 1, activation=nn.ReLU6)
    return nn.Sequential(*layers)


class _LinearBottleneck(nn.Module):
    """Expansion, depthwise convolution, linear projection; an input of the same shape is added."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        wide = inputs * expansion
        self.out = nn.Sequential(
            *(conv_bn_relu(inputs, wide, 1, activation=nn.ReLU6) if expansion != 1 else ()),
            conv2d(wide, wide, stride=stride, groups=wide),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            conv2d(wide, outputs, 1),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(x) if self.adds else self.out(x)


def mobilenet_v3(size: str) -> nn.Sequential:
    """(N, 3, H, W) to (N, C, H / 32, W / 32), sizes rounded up; C is 960 for large and 576 for
    small.
    """
    layers = [*conv_bn_relu(3, 16, stride=2, activation=nn.Hardswish)]
    inputs = 16
    for block in V3_BLOCKS[size]:
        layers.append(_InvertedResidual(inputs, block))
        inputs = block.outputs
    layers += conv_bn_relu(inputs, V3_BLOCKS[size][-1].expanded, 1, activation=nn.Hardswish)
    return nn.Sequential(*layers)


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, attention, projection; an input of the same shape is
    added.
    """

    def __init__(self, inputs: int, block: V3Block) -> None:
        super().__init__()
        wide = block.expanded
        outputs = block.outputs
        activate = block.activation
        self.adds = block.stride == 1 and inputs == outputs
        self.expand: nn.Module = nn.Identity()
        if wide != outputs:  # like upstream, compares with the outputs, not the inputs
            self.expand = _conv_bn_act(conv2d(inputs, wide, 1), activate(inplace=True))
        deep = conv2d(wide, wide, block.kernel, stride=block.stride, groups=wide)
        self.conv1 = _conv_bn_act(deep, activate(inplace=True))
        self.se = _SqueezeExcite(wide) if block.attention else nn.Identity()
        self.conv2 = _conv_bn_act(conv2d(wide, outputs, 1), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.se(self.conv1(self.expand(x))))
        return x + out if self.adds else out


def _conv_bn_act(conv: nn.Conv2d, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(conv=conv, bn=nn.BatchNorm2d(conv.out_channels), act=activation)
    )


class _SqueezeExcite(nn.Module):
    """Squeeze and excitation: scales each channel by a factor computed from the averages of all
    channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = -(-(channels // 4) // 8) * 8  # a quarter, rounded up to a multiple of 8
        self.conv1 = nn.Conv2d(channels, hidden, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(hidden, channels, 1)
        self.act2 = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * self.act2(self.conv2(self.act1(self.conv1(mean))))


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
