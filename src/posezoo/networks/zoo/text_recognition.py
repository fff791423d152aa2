"""Text recognition: a ResNet, and a linear layer that reads all characters of a word at once.

The keys are those of vedastr's configs/resnet_fc.py, without the names of its containers.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from posezoo.networks.blocks import BasicBlock, ConvNorm, ImageMean, projection

#: Of the longest word, and its end.
CHARACTERS = 26
#: Digits, letters, and the end of the word.
SYMBOLS = 37


class ResNetFC(nn.Sequential):
    """(N, 1, 32, 100), a grey image, to (N, 26, 37), the scores of the symbols by character."""

    def __init__(self) -> None:
        stages = (
            (ConvNorm(1, 64, (3, 3)), ConvNorm(64, 128, (3, 3))),
            (nn.MaxPool2d(2, 2), _blocks(128, 256, 1), ConvNorm(256, 256, (3, 3))),
            (nn.MaxPool2d(2, 2), _blocks(256, 512, 2), ConvNorm(512, 512, (3, 3))),
            (
                nn.MaxPool2d(2, (2, 1), (0, 1)),
                _blocks(512, 1024, 5),
                ConvNorm(1024, 1024, (3, 3)),
                _blocks(1024, 1024, 3),
            ),
            (
                ConvNorm(1024, 1024, (2, 2), (2, 1), (0, 1)),
                ConvNorm(1024, 1024, (2, 2), 1, (0, 0)),
            ),
        )
        super().__init__(
            OrderedDict(
                layers=nn.Sequential(*(nn.Sequential(*layers) for layers in stages)),
                mean=ImageMean(),
                fc=nn.Linear(1024, CHARACTERS * SYMBOLS),
                symbols=nn.Unflatten(1, (CHARACTERS, SYMBOLS)),
            )
        )


def _blocks(inputs: int, outputs: int, count: int) -> nn.Sequential:
    shortcut = projection(inputs, outputs, 1) if inputs != outputs else None
    others = (BasicBlock(outputs, outputs) for _ in range(count - 1))
    return nn.Sequential(BasicBlock(inputs, outputs, shortcut=shortcut), *others)
