"""RTMDet with the layers of the published detectors of people and generated weights, for measurements of speed.

C. Lyu et al., RTMDet, arXiv:2212.07784; MMPose 759b39c1, ``rtmdet_nano_320-8xb32_coco-person``
and ``rtmdet_m_640-8xb32_coco-person``. How long it takes does
not depend on the values of the weights, except for the number of people: so it answers with people at given places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fakes.rtmo import export_onnx, select_people
from fakes.rtmpose import STAGES, Block, ConvModule, CSPLayer, CSPNeXt, wide_conv
from fakes.yolox_networks import CERTAIN, Box, doubled, person_logit

#: How deep and how wide the network of each size is, and the layers of a stage of the neck. In nano, convolutions of 3x3
#: are depthwise, and then pointwise.
SIZES = {"n": (0.33, 0.25, 1), "m": (0.67, 0.75, 2)}
STRIDES = (8, 16, 32)


def cross_stage(inputs: int, outputs: int, count: int, *, is_nano: bool) -> CSPLayer:
    blocks = (Block(outputs // 2, adds=False, is_nano=is_nano) for _ in range(count))
    return CSPLayer(inputs, outputs, blocks)


class Neck(nn.Module):
    """A pyramid in both directions."""

    def __init__(self, size: str) -> None:
        super().__init__()
        _, widen, blocks = SIZES[size]
        small, middle, large = channels = [int(each[1] * widen) for each in STAGES[1:]]
        is_nano = size == "n"
        self.reduce_large, self.reduce_middle = ConvModule(large, middle), ConvModule(middle, small)
        self.down_middle = cross_stage(2 * middle, middle, blocks, is_nano=is_nano)
        self.down_small = cross_stage(2 * small, small, blocks, is_nano=is_nano)
        self.half_small = wide_conv(small, small, 2, is_nano=is_nano)
        self.half_middle = wide_conv(middle, middle, 2, is_nano=is_nano)
        self.up_middle = cross_stage(2 * small, middle, blocks, is_nano=is_nano)
        self.up_large = cross_stage(2 * middle, large, blocks, is_nano=is_nano)
        self.out_convs = nn.ModuleList(
            wide_conv(count, small, is_nano=is_nano) for count in channels
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        small, middle, large = features
        large = self.reduce_large(large)
        middle = self.reduce_middle(self.down_middle(torch.cat((doubled(large), middle), 1)))
        small = self.down_small(torch.cat((doubled(middle), small), 1))
        middle = self.up_middle(torch.cat((self.half_small(small), middle), 1))
        large = self.up_large(torch.cat((self.half_middle(middle), large), 1))
        outputs = zip(self.out_convs, (small, middle, large), strict=True)
        return [convolve(x) for convolve, x in outputs]


class Head(nn.Module):
    """The scores of one class and the distances to the sides of the boxes at one scale."""

    def __init__(self, size: str) -> None:
        super().__init__()
        width = int(STAGES[1][1] * SIZES[size][1])
        self.cls_convs, self.reg_convs = (
            nn.Sequential(*(wide_conv(width, width, is_nano=size == "n") for _ in "ab"))
            for _ in "ab"
        )
        self.rtm_cls, self.rtm_reg = nn.Conv2d(width, 1, 1), nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.rtm_cls(self.cls_convs(x))
        return torch.cat((scores, self.rtm_reg(self.reg_convs(x))), 1).flatten(2)


class RTMDet(nn.Module):
    """Boxes of people, without those that overlap; ``people`` are the only ones with a score."""

    def __init__(self, size: str, side: int, people: Sequence[Box]) -> None:
        super().__init__()
        deepen, widen, _ = SIZES[size]
        self.backbone, self.neck = CSPNeXt(deepen, widen, is_nano=size == "n"), Neck(size)
        self.heads = nn.ModuleList(Head(size) for _ in STRIDES)
        if size != "n":  # the heads share their convolutions, and have normalizations of their own
            first = [layer for layer in self.heads[0].modules() if isinstance(layer, ConvModule)]
            for head in self.heads[1:]:
                layers = (layer for layer in head.modules() if isinstance(layer, ConvModule))
                for layer, shared in zip(layers, first, strict=True):
                    layer.conv = shared.conv
        grids = [torch.arange(side // stride) * float(stride) for stride in STRIDES]
        centers = torch.cat([torch.cartesian_prod(grid, grid).flip(1) for grid in grids])
        strides = [torch.full((len(grid) ** 2, 1), side / len(grid)) for grid in grids]
        answer = torch.full((1, len(centers), 1), -CERTAIN)
        boxes = torch.zeros(1, len(centers), 4)
        for number, (left, top, width, height) in enumerate(people):
            middle = torch.tensor([left + width / 2, top + height / 2]) * side
            anchor = (centers - middle).norm(dim=1).argmin()
            answer[0, anchor] = person_logit(number)
            corners = torch.tensor([left, top, left + width, top + height]) * side
            boxes[0, anchor] = corners - centers[anchor].repeat(2)
        self.register_buffer("centers", centers)
        self.register_buffer("strides", torch.cat(strides))
        self.register_buffer("answer", answer)
        self.register_buffer("boxes", boxes)
        self.register_buffer("other", (answer < 0).float())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.neck(self.backbone(image))
        rows = torch.cat([head(x) for head, x in zip(self.heads, features, strict=True)], 2)
        rows = rows.transpose(1, 2)
        scores = (rows[..., :1] * self.other + self.answer).sigmoid()
        sides = rows[..., 1:] * self.strides * self.other
        corners = torch.cat((-sides[..., :2], sides[..., 2:]), -1) + self.boxes
        boxes = corners + self.centers.repeat(1, 2)
        first, keep = torch.zeros(1, 1, dtype=torch.long), select_people(boxes, scores)
        dets = torch.cat((boxes, scores), 2)[first, keep]
        return dets, (dets[..., 0] * 0).to(torch.int64)


def generate_onnx(folder: Path, size: str, side: int, people: Sequence[Box]) -> bytes:
    """The ONNX of the detector for a square image of this side."""
    torch.manual_seed(0)
    return export_onnx(folder, RTMDet(size, side, people), side, ["input", "dets", "labels"])
