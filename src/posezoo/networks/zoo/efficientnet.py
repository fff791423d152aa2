"""EfficientNet B0, B5 and B7, and EfficientNet V2 B0 and S.

Papers: Tan and Le 2019, "EfficientNet", arXiv:1905.11946; Tan and Le 2021, "EfficientNetV2",
arXiv:2104.00298. The keys are those of timm/models/efficientnet.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import pad

from posezoo.networks.blocks import ImageMean, conv2d, stage


class Stage(NamedTuple):
    """Blocks of one kind in a row: a row of the paper's table."""

    kind: str  # plain, fused, separable or inverted: which convolutions a block has
    repeats: int
    outputs: int
    stride: int = 1
    kernel: int = 3
    expansion: int = 1
    attention: bool = False


class Variant(NamedTuple):
    """One network of the family."""

    stem: int  # channels of the first convolution
    stages: tuple[Stage, ...]
    head: int = 1280  # channels of the last convolution
    #: TensorFlow's networks pad an even size more on the right and at the bottom.
    from_tensorflow: bool = True


def _scaled(original: Variant, width: float, depth: float) -> Variant:
    """The network with more channels and blocks: section 3 of the first paper."""
    stages = []
    for row in original.stages:
        outputs = _round_channels(width * row.outputs)
        stages.append(row._replace(outputs=outputs, repeats=ceil(depth * row.repeats)))
    stem = _round_channels(width * original.stem)
    return Variant(stem, tuple(stages), _round_channels(width * original.head))


def _round_channels(channels: float) -> int:
    """The nearest multiple of 8."""
    return int(channels + 4) // 8 * 8


_STAGE = partial(Stage, attention=True)
_B0 = Variant(
    32,
    (
        _STAGE("separable", 1, 16),
        _STAGE("inverted", 2, 24, 2, 3, 6),
        _STAGE("inverted", 2, 40, 2, 5, 6),
        _STAGE("inverted", 3, 80, 2, 3, 6),
        _STAGE("inverted", 3, 112, 1, 5, 6),
        _STAGE("inverted", 4, 192, 2, 5, 6),
        _STAGE("inverted", 1, 320, 1, 3, 6),
    ),
    from_tensorflow=False,
)
VARIANTS = {
    "b0": _B0,
    "b5": _scaled(_B0, 1.6, 2.2),
    "b7": _scaled(_B0, 2.0, 3.1),
    "v2_b0": Variant(
        32,
        (
            Stage("plain", 1, 16),
            Stage("fused", 2, 32, 2, 3, 4),
            Stage("fused", 2, 48, 2, 3, 4),
            _STAGE("inverted", 3, 96, 2, 3, 4),
            _STAGE("inverted", 5, 112, 1, 3, 6),
            _STAGE("inverted", 8, 192, 2, 3, 6),
        ),
    ),
    "v2_s": Variant(
        24,
        (
            Stage("plain", 2, 24),
            Stage("fused", 4, 48, 2, 3, 4),
            Stage("fused", 4, 64, 2, 3, 4),
            _STAGE("inverted", 6, 128, 2, 3, 4),
            _STAGE("inverted", 9, 160, 1, 3, 6),
            _STAGE("inverted", 15, 256, 2, 3, 6),
        ),
    ),
}


class EfficientNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, variant: str, classes: int) -> None:
        stem, rows, head, from_tensorflow = VARIANTS[variant]
        convolution = _PaddedConvolution if from_tensorflow else conv2d
        norm = partial(nn.BatchNorm2d, eps=1e-3 if from_tensorflow else 1e-5)
        stages = []
        inputs = stem
        for row in rows:
            block = partial(_Block, row, convolution, norm)
            stages.append(
                nn.Sequential(*stage(block, inputs, row.outputs, row.repeats, row.stride))
            )
            inputs = row.outputs
        super().__init__(
            OrderedDict(
                conv_stem=convolution(3, stem, 3, stride=2),
                bn1=norm(stem),
                act1=nn.SiLU(inplace=True),
                blocks=nn.Sequential(*stages),
                conv_head=conv2d(inputs, head, 1),
                bn2=norm(head),
                act2=nn.SiLU(inplace=True),
                mean=ImageMean(),
                classifier=nn.Linear(head, classes),
            )
        )


class _Block(nn.Module):
    """A block of one of the four kinds; an input of the same shape is added."""

    def __init__(
        self,
        row: Stage,
        convolution: Callable[..., nn.Conv2d],
        norm: Callable[[int], nn.Module],
        inputs: int,
        outputs: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        convolutions = _convolutions(row, convolution, inputs, outputs, stride)
        for number, (name, layer) in enumerate(convolutions.items(), 1):
            self.add_module(name, layer)
            self.add_module(f"bn{number}", norm(layer.out_channels))
            if number < len(convolutions) or row.kind == "plain":
                self.add_module(f"act{number}", nn.SiLU())
            if name == "conv_dw" and row.attention:
                self.se = _Attention(layer.out_channels, inputs // 4)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.adds else y


def _convolutions(
    row: Stage, convolution: Callable[..., nn.Conv2d], inputs: int, outputs: int, stride: int
) -> dict[str, nn.Conv2d]:
    """The convolutions of a block by their keys; the last one projects to the outputs."""
    wide = inputs * row.expansion
    spatial = partial(convolution, kernel=row.kernel, stride=stride)
    if row.kind == "plain":
        return {"conv": spatial(inputs, outputs)}
    if row.kind == "fused":
        return {"conv_exp": spatial(inputs, wide), "conv_pwl": conv2d(wide, outputs, 1)}
    depthwise = spatial(wide, wide, groups=wide)
    if row.kind == "separable":
        return {"conv_dw": depthwise, "conv_pw": conv2d(wide, outputs, 1)}
    return {
        "conv_pw": conv2d(inputs, wide, 1),
        "conv_dw": depthwise,
        "conv_pwl": conv2d(wide, outputs, 1),
    }


class _PaddedConvolution(nn.Conv2d):
    """A convolution with the padding that TensorFlow calls SAME."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (2, 2):
            height, width = x.shape[2:]
            after = self.kernel_size[0] // 2
            x = pad(x, (width % 2 + after - 1, after, height % 2 + after - 1, after))
        return super().forward(x)


class _Attention(nn.Module):
    """Squeeze and excitation: scales each channel by a number that all channels decide."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.act = nn.SiLU(inplace=True)
        self.conv_expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.conv_reduce(x.mean(dim=(2, 3), keepdim=True)))
        return x * self.conv_expand(hidden).sigmoid()
