"""RepVGG: a row of 3x3 convolutions.

Paper: Ding et al. 2021, "RepVGG", arXiv:2101.03697. The keys are those that repvgg.py of its
authors has after ``switch_to_deploy``: published checkpoints have three branches for each
convolution, which ``published_networks.fuse_branches`` adds up.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from posezoo.networks.blocks import LAYER_TABLES, ImageMean, stage


class RepVGG(nn.Sequential):
    """(N, 3, H, W) to (N, classes)."""

    def __init__(self, *, variant: str, classes: int) -> None:
        rows = LAYER_TABLES[f"repvgg_{variant}"]  # blocks and channels of each stage
        _, channels = rows[0]
        inputs = min(64, channels)
        super().__init__(OrderedDict(stage0=_block(3, inputs, 2)))
        for number, (count, outputs) in enumerate(rows, 1):
            blocks = stage(_block, inputs, outputs, count, 2)
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
            inputs = outputs
        self.mean = ImageMean()
        self.linear = nn.Linear(inputs, classes)


def _block(inputs: int, outputs: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
    return nn.Sequential(OrderedDict(rbr_reparam=convolution, relu=nn.ReLU(inplace=True)))
