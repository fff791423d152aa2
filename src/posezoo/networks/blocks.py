"""Building blocks that several networks share, and the papers' tables of layers."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor, nn

#: The rows by the name of the table, mostly that of a network, whose module names the columns.
LAYER_TABLES: Mapping[str, Sequence[Any]] = json.loads(
    Path(__file__).with_name("layer_tables.json").read_text("utf-8")
)


#: Makes a block, or its shortcut, from its input channels, output channels and stride.
MakeBlock = Callable[[int, int, int], nn.Module]


def conv2d(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """A convolution, padded so that only its stride changes height and width."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    **options: Any,
) -> nn.Sequential:
    """Convolution without bias, and batch normalization; ``options`` as for ``conv2d``."""
    conv = conv2d(inputs, outputs, kernel, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    activation: type[nn.Module] = nn.ReLU,
    **options: Any,
) -> nn.Sequential:
    """As ``conv_bn``, and ReLU or another activation."""
    layers = conv_bn(inputs, outputs, kernel, **options)
    return layers.append(activation(inplace=True))


conv_bn_relu6 = partial(conv_bn_relu, activation=nn.ReLU6)


def depthwise(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A depthwise 3x3 and a 1x1 convolution, each with batch normalization and ReLU, as in
    MobileNet.
    """
    spatial = conv_bn_relu(inputs, inputs, stride=stride, dilation=dilation, groups=inputs)
    return spatial.extend(conv_bn_relu(inputs, outputs, 1))


def deconv_bn_relu(inputs: int, outputs: int) -> nn.Sequential:
    """A 4x4 deconvolution without bias that doubles height and width, batch normalization, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The usual shortcut: a 1x1 convolution with the block's stride, and batch normalization."""
    return conv_bn(inputs, outputs, 1, stride=stride)


def resize_input(
    inputs: int, outputs: int, stride: int, shortcut: MakeBlock = projection
) -> nn.Module:
    """The shortcut of a block; the input itself if it has the shape of the output."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return shortcut(inputs, outputs, stride)


def depthwise_bn(channels: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """A depthwise convolution and batch normalization."""
    return conv_bn(channels, channels, kernel, stride=stride, groups=channels)


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
        stride: of the first convolution.
        shortcut: for a block that changes channels or size.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, shortcut: MakeBlock = projection
    ) -> None:
        super().__init__()
        # Built first, as upstream: initial weights depend on the order.
        downsample = resize_input(inputs, outputs, stride, shortcut)
        self.conv1, self.bn1 = conv_bn(inputs, outputs, stride=stride)
        self.conv2, self.bn2 = conv_bn(outputs, outputs)
        self.downsample = downsample
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride), sizes rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 (with the stride, as in GluonCV's "v1b"), 1x1 and a shortcut
    (arXiv:1512.03385).

    Args:
        inputs, outputs, stride, shortcut: as in ``BasicBlock``; the 3x3 convolution has a quarter
            of the output channels.
        attention: makes from the number of channels what scales them before the shortcut is added
            (AlphaPose's squeeze and excitation).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        shortcut: MakeBlock = projection,
        attention: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        planes = outputs // 4
        # Built first, as in ``BasicBlock``.
        downsample = resize_input(inputs, outputs, stride, shortcut)
        se = attention(outputs)
        self.conv1, self.bn1 = conv_bn(inputs, planes, 1)
        self.conv2, self.bn2 = conv_bn(planes, planes, stride=stride)
        self.conv3, self.bn3 = conv_bn(planes, outputs, 1)
        self.se = se
        self.downsample = downsample
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride), sizes rounded up."""
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
        groups: int = 1,
        eps: float = 1e-5,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=padding, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs, eps=eps)
        self.act = activation()


class ImageMean(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return x.mean(dim=(2, 3))


def stage(block: MakeBlock, inputs: int, outputs: int, count: int, stride: int) -> list[nn.Module]:
    """Blocks in a row; the first has the stride and changes the channels."""
    return [block(inputs, outputs, stride), *(block(outputs, outputs, 1) for _ in range(count - 1))]


def inverted_residuals(*, nests: bool = False, key: str = "conv") -> list[nn.Module]:
    """The blocks of MobileNet v2, from 32 to 320 channels; arguments as in ``InvertedResidual``."""
    blocks = []
    inputs = 32
    # Expansion, channels, blocks and stride of each group of blocks (the paper's table 2).
    for expansion, outputs, count, stride in LAYER_TABLES["mobilenet_v2"]:
        block = partial(InvertedResidual, expansion, nests=nests, key=key)
        blocks += stage(block, inputs, outputs, count, stride)
        inputs = outputs
    return blocks
