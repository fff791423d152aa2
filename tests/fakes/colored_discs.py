"""Networks that find discs of saturated colors, in the forms of publishers' ONNX files.

Weights that are drawn at random give nearly the same keypoints for RGB and BGR. These networks find
nothing if red and blue are exchanged, and they find the middle of a disc to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fakes.published_models import MEAN, SCALE
from fakes.rtmo import write_onnx

torch = pytest.importorskip("torch", reason="needs torch")
nn = torch.nn
Tensor = torch.Tensor

#: RGB, 0 or 1. The color of a keypoint is the one at its number modulo six.
COLORS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1))
#: So many pixels of the color are added in the middle of the input, where a color that is hardly there is found.
NOTHING = 4.0
#: The width of a peak, in pixels of the input: a wide one hardly changes with rounding errors of its place.
SIGMA = 8.0


def color_shares(pixels: Tensor, colors: Sequence[tuple[int, ...]]) -> Tensor:
    """How much each pixel, RGB 0..1, has of each color: 0.75 for the color itself, 0 for others and for grey."""
    wanted = torch.tensor(colors)
    # Each channel adds to a color or takes from it.
    weights = torch.where(wanted > 0, 1 / wanted.sum(1, keepdim=True), -1.0)
    return torch.relu(nn.functional.conv2d(pixels, weights[..., None, None]) - 0.25)


class ColoredDiscs(nn.Module):
    """The middle of the pixels of each keypoint's color, in pixels of the input."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.colors = [COLORS[place % len(COLORS)] for place in range(keypoints)]
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (image * self.scale + self.mean) / 255
        shares = color_shares(pixels, self.colors)
        total = shares.sum((2, 3)) + NOTHING
        # Counted from the middle of the input, which is more exact than from its border.
        height, width = image.shape[2:]
        columns = torch.arange(width) - width / 2
        rows = torch.arange(height) - height / 2
        x = (shares.sum(2) * columns).sum(2) / total + width / 2
        y = (shares.sum(3) * rows).sum(2) / total + height / 2
        return x, y


class SimccDiscs(nn.Module):
    """RTMPose's form: two bins for each pixel."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.find = ColoredDiscs(keypoints)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x, y = self.find(image)
        across = torch.arange(2 * image.shape[3]) / 2
        down = torch.arange(2 * image.shape[2]) / 2
        return _peak(across, x), _peak(down, y)


class HeatmapDiscs(nn.Module):
    """ViTPose's form: cells whose first and last are at the first and last pixels."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.find = ColoredDiscs(keypoints)

    def forward(self, image: Tensor) -> Tensor:
        x, y = self.find(image)
        height, width = image.shape[2:]
        across = torch.linspace(0, width - 1, width // 4)
        down = torch.linspace(0, height - 1, height // 4)
        return _peak(down, y)[..., :, None] * _peak(across, x)[..., None, :]


def _peak(places: Tensor, middle: Tensor) -> Tensor:
    return torch.exp(-(((places - middle[..., None]) / SIGMA) ** 2) / 2)


def discs_onnx(network: nn.Module, folder: Path, height: int, width: int, *outputs: str) -> bytes:
    """A network as MMDeploy exports it, for any batch."""
    return write_onnx(folder, network, (height, width), ["input", *outputs])


def draw_disc(
    middle: tuple[float, float], color: tuple[int, ...], size: tuple[int, int]
) -> np.ndarray:
    """A black image, BGR, with a disc in a color, RGB 0 or 1; its middle is in continuous coordinates."""
    width, height = size
    finer = 8
    y, x = (np.mgrid[: height * finer, : width * finer] + 0.5) / finer
    inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 <= 3.0**2
    share = inside.reshape(height, finer, width, finer).mean(axis=(1, 3))
    return (share[..., None] * 255 * np.array(color[::-1])).round().astype(np.uint8)
