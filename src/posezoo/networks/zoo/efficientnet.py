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

from posezoo.networks.blocks import LAYER_TABLES, ImageMean, SqueezeExcite, conv2d, stage


class Stage(NamedTuple):
    """Blocks of one kind in a row: a row of the paper's table."""

    kind: str  # plain, fused, separable or inverted: which convolutions a block has
    repeats: int
    outputs: int
    stride: int
    kernel: int
    expansion: int
    attention: bool


class Variant(NamedTuple):
    """One network of the family."""

    table: str  # the name of its table of stages
    stem: int = 32  # channels of the first convolution
    #: TensorFlow's networks pad an even size more on the right and at the bottom.
    from_tensorflow: bool = True
    # More channels and blocks: section 3 of the first paper.
    width: float = 1.0
    depth: float = 1.0


VARIANTS = {
    "b0": Variant("b0", from_tensorflow=False),
    "b5": Variant("b0", width=1.6, depth=2.2),
    "b7": Variant("b0", width=2.0, depth=3.1),
    "v2_b0": Variant("v2_b0"),
    "v2_s": Variant("v2_s", stem=24),
}


def _round_channels(channels: float) -> int:
    """The nearest multiple of 8."""
    return int(channels + 4) // 8 * 8


class EfficientNet(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, variant: str, classes: int) -> None:
        super().__init__()
        table, stem, from_tensorflow, width, depth = VARIANTS[variant]
        convolution = _PaddedConvolution if from_tensorflow else conv2d
        norm = partial(nn.BatchNorm2d, eps=1e-3 if from_tensorflow else 1e-5)
        stem = _round_channels(width * stem)
        head = _round_channels(width * 1280)
        inputs = stem
        stages = []
        for values in LAYER_TABLES[f"efficientnet_{table}"]:
            row = Stage(*values)
            block = partial(_EfficientBlock, row, convolution, norm)
            outputs = _round_channels(width * row.outputs)
            repeats = ceil(depth * row.repeats)
            blocks = stage(block, inputs, outputs, repeats, row.stride)
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.conv_stem = convolution(3, stem, 3, stride=2)
        self.bn1 = norm(stem)
        self.act1 = nn.SiLU(inplace=True)
        self.blocks = nn.Sequential(*stages)
        self.conv_head = conv2d(inputs, head, 1)
        self.bn2 = norm(head)
        self.act2 = nn.SiLU(inplace=True)
        self.mean = ImageMean()
        self.classifier = nn.Linear(head, classes)


class _EfficientBlock(nn.Module):
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
        convolutions = _convolutions(row, convolution, inputs, outputs, stride=stride)
        for number, (name, layer) in enumerate(convolutions.items(), 1):
            self.add_module(name, layer)
            self.add_module(f"bn{number}", norm(layer.out_channels))
            if number < len(convolutions) or row.kind == "plain":
                self.add_module(f"act{number}", nn.SiLU())
            if name == "conv_dw" and row.attention:
                self.se = SqueezeExcite(
                    OrderedDict(
                        conv_reduce=nn.Conv2d(layer.out_channels, inputs // 4, 1),
                        act=nn.SiLU(inplace=True),
                        conv_expand=nn.Conv2d(inputs // 4, layer.out_channels, 1),
                        sigmoid=nn.Sigmoid(),
                    )
                )

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
            left = width % 2 + after - 1
            top = height % 2 + after - 1
            x = pad(x, (left, after, top, after))
        return super().forward(x)
