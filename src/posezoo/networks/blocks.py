"""Building blocks that several networks share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import ClassVar

from torch import Tensor, nn


def conv2d(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution without bias, padded so that only its stride changes height and width."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch normalization, ReLU or another activation."""
    conv = conv2d(inputs, outputs, kernel, stride=stride, groups=groups)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), activation(inplace=True))


conv_bn_relu6 = partial(conv_bn_relu, activation=nn.ReLU6)


def depthwise(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A depthwise 3x3 and a 1x1 convolution, each with batch normalization and ReLU, as in
    MobileNet.
    """
    return nn.Sequential(
        conv2d(inputs, inputs, stride=stride, dilation=dilation, groups=inputs),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        *conv_bn_relu(inputs, outputs, 1),
    )


def deconv_bn_relu(inputs: int, outputs: int) -> nn.Sequential:
    """A 4x4 deconvolution without bias that doubles height and width, batch normalization, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The usual shortcut: a 1x1 convolution with the block's stride, and batch normalization."""
    return nn.Sequential(conv2d(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))


def depthwise_bn(channels: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """A depthwise convolution and batch normalization."""
    conv = conv2d(channels, channels, kernel, stride=stride, groups=channels)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class InvertedResidual(nn.Sequential):
    """Expansion, depthwise convolution, linear projection; an input of the same shape is added
    (Sandler et al. 2018, arXiv:1801.04381).

    Args:
        expansion: the number of channels inside, relative to ``inputs``.
        inputs, outputs: channels.
        stride: of the depthwise convolution.
        nests: whether a convolution is in one module with its batch normalization and activation,
            which shows in the names of the tensors.
        key: of the layers, in the names of the tensors.
    """

    def __init__(
        self,
        expansion: int,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        nests: bool = False,
        key: str = "conv",
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        wide = inputs * expansion
        steps = [conv_bn_relu6(inputs, wide, 1)] if expansion > 1 else []
        steps.append(conv_bn_relu6(wide, wide, stride=stride, groups=wide))
        layers = steps if nests else chain.from_iterable(steps)
        self.add_module(key, nn.Sequential(*layers, *projection(wide, outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride), sizes rounded up."""
        (layers,) = self
        return x + layers(x) if self.adds else layers(x)


class SqueezeExcite(nn.Sequential):
    """Squeeze and excitation: scales each channel by a factor that the layers compute from the
    means of all channels (Hu et al. 2017, arXiv:1709.01507).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        factors = x.mean(dim=(2, 3), keepdim=True)
        for layer in self:
            factors = layer(factors)
        return x * factors


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, arXiv:1512.03385).

    Args:
        inputs, planes: input and output channels.
        stride: of the first convolution.
        shortcut: for a block that changes channels or size; None: the input is added unchanged.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = conv2d(inputs, planes, stride=stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv2d(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = shortcut or nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, planes, H / stride, W / stride), sizes rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 (with the stride, as in GluonCV's "v1b"), 1x1 and a shortcut
    (arXiv:1512.03385).

    Args:
        inputs, stride, shortcut: as in ``BasicBlock``.
        planes: channels of the 3x3 convolution; the output has four times as many.
        attention: scales the channels before the shortcut is added (AlphaPose's squeeze and
            excitation).
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        shortcut: nn.Module | None = None,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = conv2d(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv2d(planes, planes, stride=stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv2d(planes, planes * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.se = attention or nn.Identity()
        self.downsample = shortcut or nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 planes, H / stride, W / stride), sizes rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.se(self.bn3(self.conv3(out)))
        return self.relu(out + self.downsample(x))


def dense_upsampling(inputs: int, planes: int) -> nn.Sequential:
    """Dense upsampling convolution (Wang et al. 2017, arXiv:1702.08502): doubles height and width.

    (N, inputs, H, W) to (N, planes / 4, 2 H, 2 W). Upstream: gluoncv/nn/block.py and
    gluoncv/model_zoo/alpha_pose/fast_pose.py.
    """
    return nn.Sequential(
        OrderedDict(
            conv=conv2d(inputs, planes),
            bn=nn.BatchNorm2d(planes),
            relu=nn.ReLU(inplace=True),
            pixel_shuffle=nn.PixelShuffle(2),
        )
    )


class ConvNorm(nn.Sequential):
    """Convolution without bias (key ``conv``), batch normalization (``bn``), an activation.

    Args:
        padding: None keeps height and width, if the stride is 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int] = (1, 1),
        stride: int | tuple[int, int] = 1,
        padding: tuple[int, int] | None = None,
        *,
        eps: float = 1e-5,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps)
        self.act = activation()


class ImageMean(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return x.mean(dim=(2, 3))


def stage(
    block: Callable[[int, int, int], nn.Module], inputs: int, outputs: int, count: int, stride: int
) -> list[nn.Module]:
    """Blocks in a row; the first has the stride and changes the channels.

    Args:
        block: makes a block from its input channels, output channels and stride.
    """
    return [block(inputs, outputs, stride), *(block(outputs, outputs, 1) for _ in range(count - 1))]
