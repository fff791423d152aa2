"""Text recognition: a ResNet, and a linear layer that reads all characters of a word at once.

The keys are those of vedastr's configs/resnet_fc.py, without the names of its containers.
"""

from __future__ import annotations

from torch import nn

from posezoo.networks.blocks import BasicBlock, ConvNorm, ImageMean, stage

_SQUARE = (3, 3)
#: Of the longest word, and its end.
CHARACTERS = 26
#: Digits, letters, and the end of the word.
SYMBOLS = 37


class ResNetFC(nn.Sequential):
    """(N, 1, 32, 100), a grey image, to (N, 26, 37), the scores of the symbols by character."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(ConvNorm(1, 64, _SQUARE), ConvNorm(64, 128, _SQUARE))
        second = _stage(128, 256, 1)
        third = _stage(256, 512, 2)
        fourth = nn.Sequential(nn.MaxPool2d(2, (2, 1), (0, 1)), _blocks(512, 1024, 5))
        fourth.append(ConvNorm(1024, 1024, _SQUARE))
        fourth.append(_blocks(1024, 1024, 3))
        fifth = nn.Sequential(ConvNorm(1024, 1024, (2, 2), (2, 1), padding=(0, 1)))
        fifth.append(ConvNorm(1024, 1024, (2, 2), 1, padding=(0, 0)))
        self.layers = nn.Sequential(first, second, third, fourth, fifth)
        self.mean = ImageMean()
        self.fc = nn.Linear(1024, CHARACTERS * SYMBOLS)
        self.symbols = nn.Unflatten(1, (CHARACTERS, SYMBOLS))


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    layers = nn.Sequential(nn.MaxPool2d(2, 2), _blocks(inputs, outputs, blocks))
    return layers.append(ConvNorm(outputs, outputs, _SQUARE))


def _blocks(inputs: int, outputs: int, count: int) -> nn.Sequential:
    return nn.Sequential(*stage(BasicBlock, inputs, outputs, count, 1))
