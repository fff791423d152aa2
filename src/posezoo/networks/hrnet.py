"""HRNet, the backbone that keeps its full resolution beside ever coarser ones.

Paper: Sun et al. 2019, "Deep High-Resolution Representation Learning for Human Pose Estimation",
arXiv:1902.09212. Upstream: lib/models/pose_higher_hrnet.py of HRNet/HigherHRNet-Human-Pose-Estimation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from posezoo.errors import NetworkError
from posezoo.networks.blocks import BasicBlock, Bottleneck, conv2d, conv_bn_relu, projection

#: Blocks in a row, in the first layer and in each branch of a module.
BLOCKS = 4
#: What the image's height and width are multiples of: the coarsest branch has a 32nd of its size.
MULTIPLE = 32
#: Modules of stages 2, 3 and 4; stage n has n branches.
MODULES = (1, 4, 3)


class Hrnet(nn.Module):
    """From an image to its finest maps, at a quarter of the size.

    Args:
        width: channels of the finest branch; each coarser one has twice as many at half the size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = conv2d(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv2d(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64, shortcut=projection(64, 256, 1)),
            *(Bottleneck(256, 64) for _ in range(BLOCKS - 1)),
        )
        widths = [width << branch for branch in range(4)]
        self.transition1 = nn.ModuleList([conv_bn_relu(256, widths[0]), _downsample(256, widths[1])])
        self.stage2 = _stage(widths[:2], MODULES[0])
        self.transition2 = nn.ModuleList([*_identity(2), _downsample(widths[1], widths[2])])
        self.stage3 = _stage(widths[:3], MODULES[1])
        self.transition3 = nn.ModuleList([*_identity(3), _downsample(widths[2], widths[3])])
        self.stage4 = _stage(widths, MODULES[2], rows_of_last=1)

    def finest_features(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H / 4, W / 4); H and W are multiples of 32.

        Raises:
            NetworkError: they are not, so that branches would not fit when they are added.
        """
        _check_size(image)
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps: list[Tensor] = [self.layer1(x)]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            # The new branch, the last one, is made from the coarsest that there is.
            maps = [way(x) for way, x in zip(transition, [*maps, maps[-1]], strict=True)]
            maps = stage(maps)
        return maps[0]


def _check_size(image: Tensor) -> None:
    # In an export the sizes are part of the graph, and a comparison would freeze them.
    if torch.onnx.is_in_onnx_export():
        return
    height, width = image.shape[2:]
    if height % MULTIPLE or width % MULTIPLE:
        problem = f"HRNet takes heights and widths that are multiples of {MULTIPLE}, not {height} x {width}"
        raise NetworkError(problem, hint="pad the image")


class _HighResolutionModule(nn.Module):
    """One branch for each resolution, then every branch is added to every other one.

    Args:
        widths: channels of each branch, from the finest to the coarsest.
        rows: how many of the branches are wanted after the exchange, from the finest.
    """

    def __init__(self, widths: Sequence[int], rows: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resized(widths, source, target) for source in range(len(widths)))
            for target in range(rows)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        branched = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self.relu(_sum_branches(row, branched)) for row in self.fuse_layers]


def _sum_branches(ways: nn.Module, maps: list[Tensor]) -> Tensor:
    resized = [way(x) for way, x in zip(ways.children(), maps, strict=True)]
    total = resized[0]
    for x in resized[1:]:
        total = total + x
    return total


def _resized(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """The way from one branch's channels and size to another's."""
    if source == target:
        return nn.Identity()  # without keys: upstream has a hole here
    if source > target:
        return nn.Sequential(
            conv2d(widths[source], widths[target], 1),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    halvings = [conv_bn_relu(widths[source], widths[source], stride=2) for _ in range(source + 1, target)]
    last = nn.Sequential(conv2d(widths[source], widths[target], stride=2), nn.BatchNorm2d(widths[target]))
    return nn.Sequential(*halvings, last)


def _stage(widths: Sequence[int], modules: int, *, rows_of_last: int | None = None) -> nn.Sequential:
    rows = [len(widths)] * (modules - 1) + [rows_of_last or len(widths)]
    return nn.Sequential(*(_HighResolutionModule(widths, requested) for requested in rows))


def _downsample(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(inputs, outputs, stride=2))


def _identity(branches: int) -> list[nn.Module]:
    return [nn.Identity() for _ in range(branches)]
