"""RepVGG: a row of 3x3 convolutions.

Paper: Ding et al. 2021, "RepVGG", arXiv:2101.03697. The keys are those that repvgg.py of its
authors has after ``switch_to_deploy``: published checkpoints have three branches for each
convolution, which ``published_tensors.fuse_branches`` adds up.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from posezoo.networks.blocks import ImageMean, stage

#: The blocks of the four stages, and their channels.
VARIANTS = {
    "a0": ((2, 4, 14, 1), (48, 96, 192, 1280)),
    "b1": ((4, 6, 16, 1), (128, 256, 512, 2048)),
    "b3": ((4, 6, 16, 1), (192, 384, 768, 2560)),
}


class RepVGG(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, variant: str, classes: int) -> None:
        counts, channels = VARIANTS[variant]
        inputs = min(64, channels[0])
        layers: OrderedDict[str, nn.Module] = OrderedDict(stage0=_block(3, inputs, 2))
        for number, (count, outputs) in enumerate(zip(counts, channels, strict=True), 1):
            layers[f"stage{number}"] = nn.Sequential(*stage(_block, inputs, outputs, count, 2))
            inputs = outputs
        super().__init__(OrderedDict(**layers, mean=ImageMean(), linear=nn.Linear(inputs, classes)))


def _block(inputs: int, outputs: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
    return nn.Sequential(OrderedDict(rbr_reparam=convolution, relu=nn.ReLU(inplace=True)))
