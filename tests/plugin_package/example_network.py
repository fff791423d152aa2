"""The torch module of the example network."""

from torch import Tensor, nn


class OneConvolution(nn.Module):
    """A single convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """The heatmaps."""
        return self.convolution(image)
