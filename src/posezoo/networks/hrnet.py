"""HRNet: heatmaps of one person, from a high-resolution branch in parallel to coarser branches; and
HigherHRNet: heatmaps of all people's keypoints, and embeddings that group them by person.

Papers: Sun et al. 2019, "Deep High-Resolution Representation Learning for Human Pose Estimation",
arXiv:1902.09212; Cheng et al. 2020, "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up
Human Pose Estimation", arXiv:1908.10357. Upstream: lib/models/pose_hrnet.py of
leoxiaobin/deep-high-resolution-net.pytorch; lib/models/pose_higher_hrnet.py of
HRNet/HigherHRNet-Human-Pose-Estimation, whose outputs are those of Open Model Zoo's
higher-hrnet-w32-human-pose-estimation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from posezoo.core.errors import NetworkError
from posezoo.networks.blocks import (
    BasicBlock,
    Bottleneck,
    conv_bn,
    conv_bn_relu,
    deconv_bn_relu,
    projection,
    stage,
)

#: The number of blocks in the first layer and in each branch of a module.
BLOCKS = 4
#: Height and width of the image must be multiples of it: the coarsest branch has 1/32 of the
#: image's size.
MULTIPLE = 32
#: The number of modules of stages 2, 3 and 4; stage n has n branches.
MODULES = (1, 4, 3)


class HighResolutionNet(nn.Module):
    """The layers that HRNet and HigherHRNet have: features at a quarter of the image's size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, stride=2)
        self.conv2, self.bn2 = conv_bn(64, 64, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(*stage(Bottleneck, 64, 256, BLOCKS, 1))
        widths = [width << branch for branch in range(4)]
        self.transition1 = nn.ModuleList(
            [conv_bn_relu(256, widths[0]), nn.Sequential(conv_bn_relu(256, widths[1], stride=2))]
        )
        self.stage2 = _stage(widths[:2], MODULES[0])
        self.transition2 = _transition(widths[:3])
        self.stage3 = _stage(widths[:3], MODULES[1])
        self.transition3 = _transition(widths)
        self.stage4 = _stage(widths, MODULES[2], rows_of_last=1)

    def features(self, image: Tensor) -> Tensor:
        """(N, width, H / 4, W / 4).

        Raises:
            NetworkError: H or W is not a multiple of 32, so the branches to be added would differ
                in size.
        """
        # During an export the sizes are part of the graph, and a comparison would make them
        # constant.
        if not torch.onnx.is_in_onnx_export():
            height, width = image.shape[2:]
            if height % MULTIPLE or width % MULTIPLE:
                problem = f"HRNet takes heights and widths that are multiples of {MULTIPLE}"
                raise NetworkError(f"{problem}, not {height} x {width}", hint="pad the image")
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps = [self.layer1(x)]
        for transition, modules in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            # The new branch, which is the last one, starts from the coarsest map.
            maps = [change(x) for change, x in zip(transition, [*maps, maps[-1]], strict=True)]
            maps = modules(maps)
        return maps[0]


class Hrnet(HighResolutionNet):
    """HRNet with heatmaps of one person at a quarter of the size.

    ``width`` is the number of channels of the finest branch: 32 or 48 in the published checkpoints;
    each coarser branch has twice as many.
    """

    def __init__(self, *, width: int = 32, keypoints: int = 17) -> None:
        super().__init__(width)
        self.final_layer = nn.Conv2d(width, keypoints, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to heatmaps (N, keypoints, H / 4, W / 4); it raises as ``features`` does.

        The image is RGB, normalized with ImageNet's mean and standard deviation.
        """
        return self.final_layer(self.features(image))


#: The side of the window in which a peak is the maximum, in pixels of the heatmaps.
WINDOW = 5


class HigherHrnet(HighResolutionNet):
    """HRNet with heatmaps and embeddings at a quarter of the size, and finer heatmaps at half of
    it; ``width`` as for ``Hrnet``.
    """

    def __init__(self, *, width: int = 32, keypoints: int = 17) -> None:
        super().__init__(width)
        self.keypoints = keypoints
        self.final_layers = nn.ModuleList(
            [nn.Conv2d(width, 2 * keypoints, 1), nn.Conv2d(width, keypoints, 1)]
        )
        doubled = deconv_bn_relu(width + 2 * keypoints, width)
        blocks = (nn.Sequential(BasicBlock(width, width)) for _ in range(BLOCKS))
        self.deconv_layers = nn.ModuleList([nn.Sequential(doubled, *blocks)])

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse and fine maps that the training's loss uses.

        Heatmaps followed by embeddings (N, 2 keypoints, H / 4, W / 4), and finer heatmaps (N,
        keypoints, H / 2, W / 2); it raises as ``features`` does.
        """
        features = self.features(image)
        coarse = self.final_layers[0](features)
        fine = self.deconv_layers[0](torch.cat([features, coarse], dim=1))
        return coarse, self.final_layers[1](fine)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to heatmaps and embeddings, both (N, keypoints, H / 2, W / 2); sizes as for
        ``maps``.

        The image is RGB, normalized with ImageNet's mean and standard deviation. The heatmaps are
        the mean of both; negative values are set to 0, then each value that is not the maximum of
        its window is negated.
        """
        coarse, fine = self.maps(image)
        coarse = interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        heatmaps = ((coarse[:, : self.keypoints] + fine) / 2).relu()
        highest = max_pool2d(heatmaps, WINDOW, stride=1, padding=WINDOW // 2)
        is_peak = torch.eq(highest, heatmaps).to(heatmaps.dtype)
        return heatmaps * (2 * is_peak - 1), coarse[:, self.keypoints :]


class _HighResolutionModule(nn.Module):
    """One branch for each resolution, then a fusion: each output is the sum of all branches,
    resized to it.

    ``widths`` are the channels of each branch, the finest first; ``rows`` is the number of outputs.
    """

    def __init__(self, widths: Sequence[int], rows: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*stage(BasicBlock, width, width, BLOCKS, 1)) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resized(widths, source, target) for source in range(len(widths)))
            for target in range(rows)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        branched = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for row in self.fuse_layers:
            first, *others = (resize(x) for resize, x in zip(row.children(), branched, strict=True))
            fused.append(self.relu(sum(others, first)))
        return fused


def _resized(widths: Sequence[int], source: int, target: int) -> nn.Module:
    if source == target:
        return nn.Identity()  # it has no keys, since upstream has no module here
    if source > target:
        upsample = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*projection(widths[source], widths[target], 1), upsample)
    halvings = [
        conv_bn_relu(widths[source], widths[source], stride=2) for _ in range(source + 1, target)
    ]
    return nn.Sequential(*halvings, conv_bn(widths[source], widths[target], stride=2))


def _transition(widths: Sequence[int]) -> nn.ModuleList:
    """Passes the maps of all branches but the last one, which starts from the coarsest map."""
    passed = (nn.Identity() for _ in widths[1:])
    return nn.ModuleList([*passed, nn.Sequential(conv_bn_relu(*widths[-2:], stride=2))])


def _stage(
    widths: Sequence[int], modules: int, *, rows_of_last: int | None = None
) -> nn.Sequential:
    rows = [len(widths)] * (modules - 1) + [rows_of_last or len(widths)]
    return nn.Sequential(*(_HighResolutionModule(widths, count) for count in rows))
