"""Lightweight OpenPose, and two networks that derive from it: HumanPose3D and SingleHumanPose.

``LightweightOpenPose`` computes heatmaps of the keypoints of all people, and part affinity fields
between them. Paper: Osokin 2018, "Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight
OpenPose", arXiv:1811.12004. Upstream: modules/conv.py and models/with_mobilenet.py of
Daniil-Osokin/lightweight-human-pose-estimation.pytorch.

``HumanPose3D`` has a third head: the 3D position of each keypoint relative to the person's root.
Paper: Mehta et al. 2018, "Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB",
arXiv:1712.03453. Upstream: models/with_mobilenet.py of
Daniil-Osokin/lightweight-human-pose-estimation-3d-demo.pytorch.

``SingleHumanPose`` computes heatmaps of one person in a crop; each refinement stage contains a
small U-net. Paper: there is none on this network; its authors describe the stages in Osokin 2018.
Upstream: models/single_person_pose_with_mobilenet.py of OpenVINO Training Extensions'
human_pose_estimation (2020), distributed by Open Model Zoo with single-human-pose-estimation-0001.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from posezoo.networks.blocks import conv2d, conv_bn_relu, depthwise

#: The number of channels between trunk, stages and heads.
CHANNELS = 128


def conv_block(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    norm: bool = True,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution with a bias, batch normalization, ReLU."""
    conv = conv2d(inputs, outputs, kernel, stride=stride, dilation=dilation, bias=True)
    layers = nn.Sequential(conv)
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return layers


def mobilenet_trunk() -> nn.Sequential:
    """MobileNet v1 up to conv5_5: 3 channels to 512 at 1/8 of the size.

    MobileNet halves the size before layer 7; here layer 7 is dilated instead.
    """
    return nn.Sequential(
        conv_bn_relu(3, 32, stride=2),
        depthwise(32, 64),
        depthwise(64, 128, stride=2),
        depthwise(128, 128),
        depthwise(128, 256, stride=2),
        depthwise(256, 256),
        depthwise(256, 512),
        depthwise(512, 512, dilation=2),
        *(depthwise(512, 512) for _ in range(4)),
    )


class ConvolutionalPoseMachine(nn.Module):
    """Reduces the trunk's 512 channels to the 128 that each stage takes."""

    def __init__(self) -> None:
        super().__init__()
        self.align = conv_block(512, CHANNELS, 1, norm=False)
        self.trunk = nn.Sequential()
        for _ in range(3):
            deep = conv2d(CHANNELS, CHANNELS, groups=CHANNELS)
            point = conv2d(CHANNELS, CHANNELS, 1)
            block = nn.Sequential(deep, nn.ELU(inplace=True), point, nn.ELU(inplace=True))
            self.trunk.append(block)
        self.conv = conv_block(CHANNELS, CHANNELS, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 512, H, W) to (N, 128, H, W)."""
        x = self.align(x)
        return self.conv(x + self.trunk(x))


class RefinementBlock(nn.Module):
    """A 1x1 convolution, then two 3x3, the second dilated; both results are added, without a
    ReLU.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.initial = conv_block(inputs, CHANNELS, 1, norm=False)
        plain = conv_block(CHANNELS, CHANNELS)
        dilated = conv_block(CHANNELS, CHANNELS, dilation=2)
        self.trunk = nn.Sequential(plain, dilated)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 128, H, W)."""
        initial = self.initial(x)
        return initial + self.trunk(initial)


class OpenPoseStage(nn.Module):
    """A trunk, which computes 128 channels, and a head of two 1x1 convolutions, with ``hidden``
    channels between them, for each kind of maps.
    """

    def __init__(
        self, trunk: Iterable[nn.Module], maps: Mapping[str, int], *, hidden: int = CHANNELS
    ) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*trunk)
        self.heads = tuple(maps)
        for name, count in maps.items():
            first = conv_block(CHANNELS, hidden, 1, norm=False)
            last = conv_block(hidden, count, 1, norm=False, relu=False)
            self.add_module(name, nn.Sequential(first, last))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps of each head, (N, count, H, W), in the order of ``maps``."""
        features = self.trunk(x)
        return tuple(self.get_submodule(name)(features) for name in self.heads)


class StagedNetwork(nn.Module):
    """Trunk, CPM, an initial stage, and refinement stages.

    Each refinement stage takes the features and the maps of the stage before it; keys begin with
    model, cpm, initial_stage or refinement_stages.
    """

    def __init__(
        self, cpm: nn.Module, initial: OpenPoseStage, refinements: Iterable[OpenPoseStage]
    ) -> None:
        super().__init__()
        self.model = mobilenet_trunk()
        self.cpm = cpm
        self.initial_stage = initial
        self.refinement_stages = nn.ModuleList(refinements)

    def stages(self, image: Tensor) -> list[tuple[Tensor, ...]]:
        """The maps of each stage, at 1/8 of the image's size, rounded up."""
        return self.refine(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 128, H / 8, W / 8)."""
        return self.cpm(self.model(image))

    def refine(self, features: Tensor) -> list[tuple[Tensor, ...]]:
        """The maps of each stage, from the features of the image."""
        outputs = [self.initial_stage(features)]
        for stage in self.refinement_stages:
            joined = torch.cat([features, *outputs[-1]], dim=1)
            outputs.append(stage(joined))
        return outputs


def openpose_stages(
    stages: int, maps: Mapping[str, int]
) -> tuple[OpenPoseStage, list[OpenPoseStage]]:
    """The initial stage and the refinement stages of Lightweight OpenPose."""
    trunk = [conv_block(CHANNELS, CHANNELS, norm=False) for _ in range(3)]
    initial = OpenPoseStage(trunk, maps, hidden=512)
    inputs = CHANNELS + sum(maps.values())
    refinements = []
    for _ in range(stages):
        blocks = [RefinementBlock(inputs)]
        blocks += [RefinementBlock(CHANNELS) for _ in range(4)]
        refinements.append(OpenPoseStage(blocks, maps))
    return initial, refinements


class LightweightOpenPose(StagedNetwork):
    """MobileNet v1, an initial stage, and ``refinement_stages`` that refine its maps.

    Args:
        refinement_stages: the published checkpoint has 1, the paper's larger network 3.
        heatmaps: one for each keypoint (COCO's 17 and the neck) and one for the background.
        pafs: two channels for each of the 19 limbs.
    """

    def __init__(self, *, refinement_stages: int = 1, heatmaps: int = 19, pafs: int = 38) -> None:
        maps = {"heatmaps": heatmaps, "pafs": pafs}
        super().__init__(ConvolutionalPoseMachine(), *openpose_stages(refinement_stages, maps))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) to (N, heatmaps, H / 8, W / 8) and (N, pafs, H / 8, W / 8), of the last
        stage.

        Sizes are rounded up. The image is BGR, (value - 128) / 256 for values from 0 to 255.
        """
        heatmaps, pafs = self.stages(image)[-1]
        return heatmaps, pafs


_MAPS = {"heatmaps": 19, "pafs": 38}


class _ResidualBlock(nn.Module):
    """Convolutions 1x1, 3x3 and 1x1; the first two have half the channels. There is no ReLU after
    the sum.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        half = inputs // 2
        self.bottleneck = nn.Sequential(
            conv_block(inputs, half, 1), conv_block(half, half), conv_block(half, CHANNELS, 1)
        )
        self.align: nn.Module = nn.Identity()
        if inputs != CHANNELS:
            self.align = conv_block(inputs, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.align(x) + self.bottleneck(x)


class _Pose3D(nn.Module):
    """Three location maps for each of 19 keypoints, from the image's features and the 2D maps."""

    def __init__(self) -> None:
        super().__init__()
        inputs = CHANNELS + sum(_MAPS.values())
        self.stem = nn.Sequential(_ResidualBlock(inputs))
        self.stem.extend(_ResidualBlock(CHANNELS) for _ in range(4))
        trunk = [RefinementBlock(CHANNELS) for _ in range(2)]
        self.prediction = OpenPoseStage(trunk, {"feature_maps": 57})

    def forward(self, x: Tensor) -> Tensor:
        return self.prediction(self.stem(x))[0]


class HumanPose3D(StagedNetwork):
    """2D heatmaps, part affinity fields and 3D location maps of every person.

    Args:
        refinement_stages: the published checkpoint has 1.
        convertible: whether two more convolutions, ``fake_conv_heatmaps`` and ``fake_conv_pafs``,
            are added to the 2D maps, as upstream's with zero weights for an old Model Optimizer
            (``is_convertible_by_mo``).
    """

    def __init__(self, *, refinement_stages: int = 1, convertible: bool = False) -> None:
        super().__init__(ConvolutionalPoseMachine(), *openpose_stages(refinement_stages, _MAPS))
        self.Pose3D = _Pose3D()
        self.convertible = convertible
        if convertible:
            self.fake_conv_heatmaps = conv2d(19, 19, 1)
            self.fake_conv_pafs = conv2d(38, 38, 1)
            nn.init.zeros_(self.fake_conv_heatmaps.weight)
            nn.init.zeros_(self.fake_conv_pafs.weight)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) to location maps (N, 57, H / 8, W / 8), heatmaps (N, 19, ...) and pafs (N,
        38, ...).

        Sizes are rounded up. The image is BGR, (value - 128) / 255 for values from 0 to 255.
        """
        features = self.features(image)
        heatmaps, pafs = self.refine(features)[-1]
        locations = self.Pose3D(torch.cat([features, heatmaps, pafs], dim=1))
        if self.convertible:
            heatmaps = heatmaps + self.fake_conv_heatmaps(heatmaps)
            pafs = pafs + self.fake_conv_pafs(pafs)
        return locations, heatmaps, pafs


class _UNetStage(nn.Module):
    """Two steps down and two steps up; each upsampled map is concatenated with the map of its
    size.
    """

    def __init__(self, channels: int, interpolation: str) -> None:
        super().__init__()
        self.interpolation = interpolation
        wide = 2 * channels
        self.encoder1 = nn.Sequential(conv_block(channels, wide, stride=2), conv_block(wide, wide))
        self.encoder2 = nn.Sequential(conv_block(wide, wide, stride=2), conv_block(wide, wide))
        self.decoder2 = nn.Sequential(conv_block(wide + wide, wide), conv_block(wide, wide))
        self.decoder1 = nn.Sequential(conv_block(channels + wide, wide), conv_block(wide, channels))

    def forward(self, x: Tensor) -> Tensor:
        half = self.encoder1(x)
        quarter = self.encoder2(half)
        half = self.decoder2(self._join(half, quarter))
        return self.decoder1(self._join(x, half))

    def _join(self, x: Tensor, smaller: Tensor) -> Tensor:
        size = x.shape[2:]
        align = False if self.interpolation == "bilinear" else None
        upsampled = interpolate(smaller, size=size, mode=self.interpolation, align_corners=align)
        return torch.cat([x, upsampled], dim=1)


class SingleHumanPose(StagedNetwork):
    """MobileNet v1, an initial stage, and ``refinement_stages`` that refine its maps.

    Args:
        refinement_stages: Open Model Zoo's archive has 5, but its card states metrics of 4.
        interpolation: how each stage upsamples: ``bilinear`` or ``nearest``. A checkpoint does not
            contain it: upstream's class uses bilinear, upstream's example of an export uses
            nearest.
        keypoints: COCO has 17.
    """

    def __init__(
        self, *, refinement_stages: int = 5, interpolation: str = "bilinear", keypoints: int = 17
    ) -> None:
        maps = {"heatmaps": keypoints}
        cpm = nn.Sequential(conv_block(512, 256), conv_block(256, CHANNELS))
        trunk = [conv_block(CHANNELS, CHANNELS) for _ in range(3)]
        initial = OpenPoseStage(trunk, maps, hidden=512)
        inputs = CHANNELS + keypoints
        # Built after the trunk of MobileNet, as by upstream: initial weights depend on the order.
        refinements = (
            OpenPoseStage(
                (
                    _UNetStage(inputs, interpolation),
                    *map(RefinementBlock, (inputs, CHANNELS, CHANNELS)),
                ),
                maps,
            )
            for _ in range(refinement_stages)
        )
        super().__init__(cpm, initial, refinements)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, keypoints, H / 8, W / 8), the last stage's heatmaps; sizes are
        rounded up.

        The image is RGB, normalized with ImageNet's mean and standard deviation.
        """
        return self.stages(image)[-1][0]
