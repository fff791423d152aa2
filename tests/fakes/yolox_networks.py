"""YOLOX and RTMO with the layers of the published networks and generated weights, for measurements of speed.

YOLOX: Z. Ge et al., arXiv:2107.08430 (Megvii's YOLOX 0.3). RTMO: P. Lu et al., arXiv:2312.07526 (MMPose 759b39c1,
the configurations of body7). How long they take does not depend on the values of the weights, except for the number of
people: so both answer with people at given places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from fakes.rtmo import JOINTS, Bins, export_onnx, select_people
from fakes.rtmpose import ConvModule, CSPLayer, GatedAttention, SPPBottleneck, wide_conv

#: How deep and how wide the networks of each size are.
SIZES = {
    "n": (0.33, 0.25),
    "t": (0.33, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
}
CLASSES = 80

#: Left, top, width and height of a person, as shares of the network's input.
Box = tuple[float, float, float, float]

#: A logit that decides a score.
CERTAIN = 20.0


def person_logit(number: int) -> float:
    """The logit of a person's score. No two are equal: which of two equal ones comes first is open."""
    return 4 - 0.2 * number


class Bottleneck(nn.Module):
    def __init__(self, channels: int, *, adds: bool, is_nano: bool) -> None:
        super().__init__()
        self.conv1 = ConvModule(channels, channels)
        self.conv2 = wide_conv(channels, channels, is_nano=is_nano)
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.adds else y


def cross_stage(inputs: int, outputs: int, count: int, *, adds: bool, is_nano: bool) -> CSPLayer:
    blocks = (Bottleneck(outputs // 2, adds=adds, is_nano=is_nano) for _ in range(count))
    return CSPLayer(inputs, outputs, blocks)


class Darknet(nn.Module):
    """CSPDarknet; returns its features at 1/8, 1/16 and 1/32 of the image."""

    def __init__(self, deepen: float, widen: float) -> None:
        super().__init__()
        channels = [int(count * widen) for count in (64, 128, 256, 512, 1024)]
        is_nano = widen < SIZES["t"][1]
        self.stem = ConvModule(12, channels[0], 3)
        self.stages = nn.ModuleList()
        for blocks, (inputs, outputs) in zip((3, 9, 9, 3), pairwise(channels), strict=True):
            is_last = outputs == channels[-1]
            layers: list[nn.Module] = [wide_conv(inputs, outputs, 2, is_nano=is_nano)]
            layers += [SPPBottleneck(outputs)] if is_last else []
            count = max(round(blocks * deepen), 1)
            cross = cross_stage(outputs, outputs, count, adds=not is_last, is_nano=is_nano)
            self.stages.append(nn.Sequential(*layers, cross))

    def forward(self, image: Tensor) -> list[Tensor]:
        corners = [image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        features = [self.stem(torch.cat(corners, 1))]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[2:]


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class YOLOX(nn.Module):
    """Boxes of 80 classes, raw as Megvii exports them; ``people`` are the only ones with a score."""

    def __init__(self, size: str, side: int, people: Sequence[Box]) -> None:
        super().__init__()
        deepen, widen = SIZES[size]
        small, middle, large = channels = [int(count * widen) for count in (256, 512, 1024)]
        blocks = max(round(3 * deepen), 1)
        self.backbone = Darknet(deepen, widen)
        self.lateral_conv0, self.reduce_conv1 = ConvModule(large, middle), ConvModule(middle, small)
        options = {"adds": False, "is_nano": size == "n"}
        self.C3_p4 = cross_stage(2 * middle, middle, blocks, **options)
        self.C3_p3 = cross_stage(2 * small, small, blocks, **options)
        self.bu_conv2 = wide_conv(small, small, 2, is_nano=size == "n")
        self.bu_conv1 = wide_conv(middle, middle, 2, is_nano=size == "n")
        self.C3_n3 = cross_stage(2 * small, middle, blocks, **options)
        self.C3_n4 = cross_stage(2 * middle, large, blocks, **options)
        heads = (Head(count, small, is_nano=size == "n") for count in channels)
        self.heads = nn.ModuleList(heads)
        rows = torch.zeros(1, sum((side // stride) ** 2 for stride in (8, 16, 32)), 85)
        for left, top, width, height in people:
            cells = side // 8
            column, row = left + width / 2, top + height / 2
            anchor = int(row * cells) * cells + int(column * cells)
            sides = math.log(width * cells), math.log(height * cells)
            rows[0, anchor, :6] = torch.tensor([0.5, 0.5, *sides, 1, 1])
        self.register_buffer("answer", rows)
        self.register_buffer("other", (rows[..., 4:5] == 0).float())

    def forward(self, image: Tensor) -> Tensor:
        features = self.backbone(image)
        fpn0 = self.lateral_conv0(features[2])
        p4 = self.C3_p4(torch.cat((doubled(fpn0), features[1]), 1))
        fpn1 = self.reduce_conv1(p4)
        p3 = self.C3_p3(torch.cat((doubled(fpn1), features[0]), 1))
        n3 = self.C3_n3(torch.cat((self.bu_conv2(p3), fpn1), 1))
        n4 = self.C3_n4(torch.cat((self.bu_conv1(n3), fpn0), 1))
        rows = [head(x) for head, x in zip(self.heads, (p3, n3, n4), strict=True)]
        return torch.cat(rows, 2).transpose(1, 2) * self.other + self.answer


class Head(nn.Module):
    """One head of YOLOX."""

    def __init__(self, inputs: int, width: int, *, is_nano: bool) -> None:
        super().__init__()
        self.stem = ConvModule(inputs, width)
        self.cls_convs, self.reg_convs = (
            nn.Sequential(*(wide_conv(width, width, is_nano=is_nano) for _ in "ab")) for _ in "ab"
        )
        self.cls_pred, self.reg_pred = nn.Conv2d(width, CLASSES, 1), nn.Conv2d(width, 4, 1)
        self.obj_pred = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.obj_pred.bias, -CERTAIN)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        boxes = self.reg_convs(x)
        scores = (self.obj_pred(boxes).sigmoid(), self.cls_pred(self.cls_convs(x)).sigmoid())
        return torch.cat((self.reg_pred(boxes), *scores), 1).flatten(2)


class CrossStageSum(nn.Module):
    """The layer of RTMO's neck: RepVGG blocks as they are exported, one convolution each."""

    def __init__(self, channels: int, blocks: int, widen: float) -> None:
        super().__init__()
        middle = int(channels * widen)
        self.conv1, self.conv2 = (ConvModule(2 * channels, middle) for _ in "ab")
        self.bottlenecks = nn.Sequential(*(ConvModule(middle, middle, 3) for _ in range(blocks)))
        self.conv3 = nn.Identity() if middle == channels else ConvModule(middle, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.bottlenecks(self.conv1(x)) + self.conv2(x))


def linear_norm(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution without an activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class Attention(nn.Module):
    """Attention with 8 heads; ``placed`` are the tokens with the encoding of their places."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(size, size) for _ in range(4))

    def forward(self, placed: Tensor, tokens: Tensor) -> Tensor:
        def heads(x: Tensor) -> Tensor:
            return x.reshape(1, x.shape[1], 8, -1).transpose(1, 2)

        query, key = heads(self.query(placed)), heads(self.key(placed))
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[3])).softmax(3)
        return self.out((weights @ heads(self.value(tokens))).transpose(1, 2).reshape(tokens.shape))


class HybridEncoder(nn.Module):
    """Attention over the features at 1/32, and a pyramid in both directions."""

    def __init__(self, deepen: float, widen: float, cells: int, size: int = 256) -> None:
        super().__init__()
        inputs = [int(count * widen) for count in (256, 512, 1024)]
        self.input_proj = nn.ModuleList(linear_norm(count, size) for count in inputs)
        self.attention = Attention(size)
        self.ffn = nn.Sequential(nn.Linear(size, 1024), nn.GELU(), nn.Linear(1024, size))
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in "ab")
        self.lateral_convs = nn.ModuleList(ConvModule(size, size) for _ in "ab")
        self.downsample_convs = nn.ModuleList(ConvModule(size, size, 3, 2) for _ in "ab")
        blocks = round(3 * deepen)
        self.fpn_blocks, self.pan_blocks = (
            nn.ModuleList(CrossStageSum(size, blocks, widen) for _ in "ab") for _ in "ab"
        )
        self.projector = nn.ModuleList(linear_norm(size, int(512 * widen)) for _ in "ab")
        self.register_buffer("places", torch.rand(1, cells * cells, size))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        low, middle, high = (layer(x) for layer, x in zip(self.input_proj, features, strict=True))
        tokens = high.flatten(2).transpose(1, 2)
        tokens = self.norms[0](tokens + self.attention(tokens + self.places, tokens))
        tokens = self.norms[1](tokens + self.ffn(tokens))
        high = self.lateral_convs[0](tokens.transpose(1, 2).reshape(high.shape))
        middle = self.lateral_convs[1](self.fpn_blocks[0](torch.cat((doubled(high), middle), 1)))
        low = self.fpn_blocks[1](torch.cat((doubled(middle), low), 1))
        middle = self.pan_blocks[0](torch.cat((self.downsample_convs[0](low), middle), 1))
        high = self.pan_blocks[1](torch.cat((self.downsample_convs[1](middle), high), 1))
        return [layer(x) for layer, x in zip(self.projector, (middle, high), strict=True)]


class RTMO(nn.Module):
    """RTMO: boxes and keypoints of all people, who are at the given places."""

    def __init__(self, size: str, side: int, people: Sequence[Box]) -> None:
        super().__init__()
        deepen, widen = SIZES[size]
        self.backbone = Darknet(deepen, widen)
        self.neck = HybridEncoder(deepen, widen, side // 32)
        inputs = int(256 * widen)
        pose = 8 * int(36 * widen)
        self.conv_cls, self.conv_pose, self.out = (nn.ModuleList() for _ in range(3))
        for _ in "ab":
            self.conv_cls.append(
                nn.Sequential(
                    *(ConvModule(inputs, inputs, 3) for _ in range(2)), nn.Conv2d(inputs, 1, 1)
                )
            )
            grouped = (ConvModule(pose, pose, 3, groups=8) for _ in range(3))
            self.conv_pose.append(nn.Sequential(ConvModule(inputs, pose, 3), *grouped))
            self.out.append(nn.Conv2d(pose, 4 + JOINTS + 2 * inputs, 1))
        self.pose_to_kpts = nn.Linear(2 * inputs, 128 * JOINTS)
        self.gau = GatedAttention(128, JOINTS)
        self.bins = Bins(64, 128)
        grids = [torch.arange(side // stride) * stride + stride / 2 for stride in (16, 32)]
        centers = [torch.cartesian_prod(grid, grid).flip(1) for grid in grids]
        strides = [torch.full((len(grid) ** 2, 1), side / len(grid)) for grid in grids]
        self.register_buffer("centers", torch.cat(centers))
        self.register_buffer("strides", torch.cat(strides))
        logits = torch.full((1, len(self.centers), 1), -CERTAIN)
        for number, (left, top, width, height) in enumerate(people):
            place = torch.tensor([left + width / 2, top + height / 2]) * side
            logits[0, (self.centers - place).norm(dim=1).argmin()] = person_logit(number)
        self.register_buffer("answer", logits)
        self.register_buffer("other", (logits < 0).float())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        scores, rows = [], []
        for level, x in enumerate(self.neck(self.backbone(image))):
            for_class, for_pose = x.split(x.shape[1] // 2, 1)
            scores.append(self.conv_cls[level](for_class).flatten(2))
            rows.append(self.out[level](self.conv_pose[level](for_pose)).flatten(2))
        score = (torch.cat(scores, 2).transpose(1, 2) * self.other + self.answer).sigmoid()
        row = torch.cat(rows, 2).transpose(1, 2)
        centers = row[..., :2] * self.strides + self.centers
        sides = row[..., 2:4].exp() * self.strides
        boxes = torch.cat((centers - sides / 2, centers + sides / 2), -1)
        first, keep = torch.zeros(1, 1, dtype=torch.long), select_people(boxes, score)
        dets = torch.cat((boxes, score), 2)[first, keep]
        visible = row[..., 4 : 4 + JOINTS].sigmoid()[first, keep]
        vectors = row[..., 4 + JOINTS :][first, keep]
        keypoints = self.gau(self.pose_to_kpts(vectors).reshape(1, -1, JOINTS, 128))
        places = self.bins(keypoints, dets, self.centers[keep])
        return dets, torch.stack((*places, visible), -1)


def generate_onnx(folder: Path, model: str, side: int, people: Sequence[Box]) -> bytes:
    """The ONNX of ``yolox-SIZE`` or ``rtmo-SIZE``."""
    torch.manual_seed(0)
    family, _, size = model.partition("-")
    if family == "rtmo":
        return export_onnx(folder, RTMO(size, side, people), side, ["input", "dets", "keypoints"])
    return export_onnx(folder, YOLOX(size, side, people), side, ["images", "output"])
