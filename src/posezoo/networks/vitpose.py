"""ViTPose: heatmaps of one person, from a plain vision transformer and two deconvolutions.

Papers: Xu et al. 2022, "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation",
arXiv:2204.12484; Xu et al. 2022, "ViTPose++: Vision Transformer for Generic Body Pose Estimation",
arXiv:2212.04246. Upstream: VitPoseForPoseEstimation of transformers 5.23.0, with its classic
decoder, whose keys the published safetensors files have.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from posezoo.core.errors import NetworkError
from posezoo.networks.blocks import deconv_bn_relu

#: Blocks and heads of attention, by the number of channels: small, base, large, huge.
SIZES = {384: (12, 12), 768: (12, 12), 1024: (24, 16), 1280: (32, 16)}

#: The side of a patch, in pixels, and what is added around the image before it is divided.
PATCH = 16
PADDING = 2
#: Height and width of the image, for which the checkpoints have positions.
IMAGE = (256, 192)
#: Channels after each deconvolution.
CHANNELS = 256
#: As in transformers.
EPSILON = 1e-12


class VitPose(nn.Module):
    """ViTPose; ``width`` is the number of channels of a patch, one of ``SIZES``."""

    def __init__(self, *, width: int = 768, keypoints: int = 17) -> None:
        super().__init__()
        blocks, heads = SIZES[width]
        layers = nn.Sequential(*(_EncoderLayer(width, heads) for _ in range(blocks)))
        self.backbone = nn.Sequential()
        self.backbone.embeddings = _Embeddings(width)
        self.backbone.encoder = nn.Sequential(OrderedDict(layer=layers))
        self.backbone.layernorm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Sequential()
        first = deconv_bn_relu(width, CHANNELS)
        self.head.deconv1, self.head.batchnorm1, self.head.relu1 = first
        second = deconv_bn_relu(CHANNELS, CHANNELS)
        self.head.deconv2, self.head.batchnorm2, self.head.relu2 = second
        self.head.conv = nn.Conv2d(CHANNELS, keypoints, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, 256, 192) to heatmaps (N, keypoints, 64, 48).

        The image is RGB, normalized with ImageNet's mean and standard deviation.

        Raises:
            NetworkError: the image has another size.
        """
        if not torch.onnx.is_in_onnx_export() and tuple(image.shape[2:]) != IMAGE:
            height, width = image.shape[2:]
            raise NetworkError(
                f"ViTPose takes images of {IMAGE[0]} x {IMAGE[1]}, not {height} x {width}"
            )
        rows, columns = (side // PATCH for side in IMAGE)
        patches = self.backbone(image)
        return self.head(patches.transpose(1, 2).unflatten(2, (rows, columns)))


class _Embeddings(nn.Module):
    """An image to its patches, (N, 192, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        patches = (IMAGE[0] // PATCH) * (IMAGE[1] // PATCH)
        self.position_embeddings = nn.Parameter(torch.zeros(1, patches + 1, width))
        projection = nn.Conv2d(3, width, PATCH, PATCH, padding=PADDING)
        self.patch_embeddings = nn.Sequential()
        self.patch_embeddings.projection = projection

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patch_embeddings(image).flatten(2).transpose(1, 2)
        # The first position was that of a class token, which the network does not have.
        return patches + self.position_embeddings[:, 1:] + self.position_embeddings[:, :1]


class _EncoderLayer(nn.Module):
    """Attention and two linear layers, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        output = nn.Sequential()
        output.dense = nn.Linear(width, width)
        attention = OrderedDict(attention=_PatchAttention(width, heads), output=output)
        self.attention = nn.Sequential(attention)
        self.mlp = nn.Sequential()
        self.mlp.fc1 = nn.Linear(width, 4 * width)
        self.mlp.gelu = nn.GELU()
        self.mlp.fc2 = nn.Linear(4 * width, width)
        self.layernorm_before = nn.LayerNorm(width, eps=EPSILON)
        self.layernorm_after = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.layernorm_before(x))
        return x + self.mlp(self.layernorm_after(x))


class _PatchAttention(nn.Module):
    """Each patch as a mean of all patches, for each head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
