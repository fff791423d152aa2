"""Networks with a ResNet that compute heatmaps of one person in a crop: SimplePose and AlphaPose.

Papers: Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking",
arXiv:1804.06208; Fang et al. 2017, "RMPE: Regional Multi-person Pose Estimation", arXiv:1612.00137,
with the attention of Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507
(AlphaPose's FastSEResNet); He et al. 2015, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385 (GluonCV's v1b); He et al. 2018, "Bag of Tricks for Image Classification",
arXiv:1812.01187, section 4 (v1d). Upstream: gluoncv/model_zoo/simple_pose/simple_pose_resnet.py,
gluoncv/model_zoo/alpha_pose/fast_pose.py and gluoncv/model_zoo/resnetv1b.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from posezoo.networks.blocks import (
    LAYER_TABLES,
    BasicBlock,
    Bottleneck,
    conv2d,
    conv_bn_relu,
    deconv_bn_relu,
    dense_upsampling,
    projection,
    stage,
)

#: Channels after each deconvolution of SimplePose.
CHANNELS = 256


def first_layers(*, deep: bool) -> OrderedDict[str, nn.Module]:
    """The layers before the blocks, by their keys: (N, 3, H, W) to (N, 64, H / 4, W / 4), sizes
    rounded up; ``deep``: three 3x3 convolutions replace the first 7x7.
    """
    stem: nn.Module = conv2d(3, 64, 7, stride=2)
    if deep:
        stem = nn.Sequential(*conv_bn_relu(3, 32, stride=2), *conv_bn_relu(32, 32), conv2d(32, 64))
    return OrderedDict(
        conv1=stem,
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )


def resnet(
    depth: int, *, deep: bool = False, attention: Callable[[int], nn.Module] | None = None
) -> nn.Sequential:
    """The features of an image: (N, 3, H, W) to (N, 512 or 2048, H / 32, W / 32), sizes rounded up.

    Args:
        depth: 18 and 34 have basic blocks and 512 output channels; 50, 101 and 152 have bottlenecks
            and 2048.
        deep: whether this is v1d: three 3x3 convolutions replace the first 7x7, and shortcuts use
            average pooling.
        attention: creates the attention of each layer's first block from its output channels
            (AlphaPose).
    """
    shortcut = average_pool_shortcut if deep else projection
    is_basic = depth < 50
    width = 64 if is_basic else 256
    block = partial(BasicBlock if is_basic else Bottleneck, shortcut=shortcut)
    first = block if attention is None else partial(block, attention=attention)
    layers = first_layers(deep=deep)
    inputs = 64
    # The number of blocks in each of the four layers.
    for index, count in enumerate(LAYER_TABLES[f"resnet_{depth}"]):
        outputs = width << index
        blocks = nn.Sequential(first(inputs, outputs, 2 if index else 1))
        layers[f"layer{index + 1}"] = blocks.extend(stage(block, outputs, outputs, count - 1, 1))
        inputs = outputs
    return nn.Sequential(layers)


def average_pool_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A shortcut whose stride is that of a pooling of the average."""
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, *projection(inputs, outputs, 1))


def without_names(sequence: nn.Sequential) -> nn.Sequential:
    """The same modules with numbers as names, as in SimplePose and MobilePose."""
    return nn.Sequential(*sequence.children())


class SimplePose(nn.Module):
    """Heatmaps of one person, from a ResNet and three deconvolutions.

    Args:
        depth: 18, 50, 101 or 152 layers of the ResNet.
        deep: whether the ResNet is v1d, rather than v1b.
        keypoints: COCO has 17.
    """

    def __init__(self, *, depth: int, deep: bool = False, keypoints: int = 17) -> None:
        super().__init__()
        self.resnet = without_names(resnet(depth, deep=deep))
        self.deconv_layers = deconv_bn_relu(512 if depth == 18 else 2048, CHANNELS)
        for _ in range(2):
            self.deconv_layers.extend(deconv_bn_relu(CHANNELS, CHANNELS))
        self.final_layer = nn.Conv2d(CHANNELS, keypoints, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, keypoints, 8 * ceil(H / 32), 8 * ceil(W / 32)), heatmaps of a crop.

        The image is RGB, normalized with ImageNet's mean and standard deviation.
        """
        return self.final_layer(self.deconv_layers(self.resnet(image)))


class AlphaPose(nn.Module):
    """Heatmaps of one person, from a ResNet-101 with channel attention, and dense upsampling."""

    def __init__(self, *, keypoints: int = 17) -> None:
        super().__init__()
        self.preact = resnet(101, attention=_FullWidthSqueezeExcite)
        self.shuffle1 = nn.PixelShuffle(2)
        self.duc1 = dense_upsampling(512, 1024)
        self.duc2 = dense_upsampling(256, 512)
        self.conv_out = nn.Conv2d(128, keypoints, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """As ``SimplePose``, but the image is RGB in 0..1, minus AlphaPose's mean."""
        features = self.shuffle1(self.preact(image))
        return self.conv_out(self.duc2(self.duc1(features)))


class _FullWidthSqueezeExcite(nn.Module):
    """Squeeze and excitation whose hidden layer has as many channels as the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        factors = self.fc(x.mean(dim=(2, 3)))
        return x * factors[:, :, None, None]
