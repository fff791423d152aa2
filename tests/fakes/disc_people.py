"""Networks that find people made of discs, in the forms of RTMO, RTMDet, YOLOX, YOLO-pose and RF-DETR.

A person is a group of discs of the six colors. Each cell sees the square around it: the middle of a color there is a
keypoint, and the share of the colors that are there is the score. Photos have saturated colors in many places, so these
networks find something in them, too.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from fakes.colored_discs import COLORS, color_shares
from fakes.rtmo import JOINTS, export_onnx, select_people

#: The side of the square that a cell sees, in pixels of the input.
SIGHT = 176
#: So many pixels of a color count as half of a disc.
HALF = 40.0
#: A cell whose middle is so far from the person's has a lower score, in pixels.
REACH = 8.0
#: The margin of a box around the discs, in pixels; boxes end at the sides of the input.
MARGIN = 30.0

#: BGR, as RTMDet's network takes its input.
MEAN, SCALE = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


class DiscPeople(nn.Module):
    """Finds people in a square input by the strides of a form, and by its normalization, BGR."""

    strides: tuple[int, ...] = (8, 16, 32)
    mean: tuple[float, ...] = (0, 0, 0)
    scale: tuple[float, ...] = (1, 1, 1)

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.tensor(self.mean)[:, None, None])
        self.register_buffer("scales", torch.tensor(self.scale)[:, None, None])
        for stride in self.strides:
            middles = (torch.arange(side // stride) + 0.5) * stride
            y, x = torch.meshgrid(middles, middles, indexing="ij")
            self.register_buffer(f"cells_{stride}", torch.stack((x, y)))
        self.register_buffer("columns", (torch.arange(side) + 0.5)[None, :])
        self.register_buffer("rows", (torch.arange(side) + 0.5)[:, None])

    def find(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """For each cell of the strides: a box, a score, the middle of each color, and how much of it is seen."""
        bgr = image * self.scales + self.means
        shares = color_shares(bgr.flip(1) / 255, COLORS)
        found = [self.look(shares, stride) for stride in self.strides]
        places, seen, cells = (torch.cat(each, -1) for each in zip(*found, strict=True))
        places = places[0].permute(2, 1, 0)  # (cells, colors, 2)
        seen = seen[0].T
        cells = cells.T
        side = self.columns.shape[1]
        upper = (places.amin(1) - MARGIN).clamp(0, side)
        lower = (places.amax(1) + MARGIN).clamp(0, side)
        distances = (((upper + lower) / 2 - cells) / REACH).square().sum(1)
        scores = torch.sigmoid(10 * (seen.mean(1) - 0.3) - distances)
        return torch.cat((upper, lower), 1), scores, places, seen

    def look(self, shares: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
        """The middle of each color (1, 2, 6, cells), how much of it is seen, and the cells' own middles."""
        cells = getattr(self, f"cells_{stride}")
        maps = torch.cat((shares, shares * self.columns, shares * self.rows), 1)
        reach = SIGHT // stride // 2
        sums = stride**2 * nn.functional.avg_pool2d(maps, stride)
        around = nn.functional.avg_pool2d(sums, 2 * reach + 1, 1, reach) * (2 * reach + 1) ** 2
        mass, x, y = around.flatten(2).split(len(COLORS), 1)
        own = cells.flatten(1)
        # Where there is nothing of a color, its middle is the cell's.
        places = torch.stack((x + own[0], y + own[1]), 1) / (mass + 1)[:, None]
        # A keypoint with a score of 0 would be missing.
        return places, (mass + 0.1) / (mass + HALF), own


class RtmoDiscs(DiscPeople):
    """RTMO's form: MMDeploy's suppression in the network, and a row of padding."""

    strides = (16, 32)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores, places, seen = self.find(image)
        keep = select_people(boxes[None], scores[None, :, None])[0]
        colors = torch.arange(JOINTS) % len(COLORS)
        keypoints = torch.cat((places, seen[..., None]), 2)[keep][:, colors]
        return torch.cat((boxes, scores[:, None]), 1)[keep][None], keypoints[None]


class RtmdetDiscs(DiscPeople):
    """RTMDet's form: boxes and labels."""

    mean, scale = MEAN, SCALE

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores, _, _ = self.find(image)
        keep = select_people(boxes[None], scores[None, :, None])[0]
        dets = torch.cat((boxes, scores[:, None]), 1)[keep][None]
        return dets, (dets[..., 0] * 0).to(torch.int64)


class YoloxDiscs(DiscPeople):
    """YOLOX's form: a row for each cell, in cells; the scores of 80 classes, of which people have the highest."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        strides = [torch.full(((side // stride) ** 2, 1), stride) for stride in (8, 16, 32)]
        self.register_buffer("sides", torch.cat(strides).float())

    def forward(self, image: Tensor) -> Tensor:
        boxes, scores, _, _ = self.find(image)
        cells = torch.cat(
            [getattr(self, f"cells_{stride}").flatten(1) for stride in (8, 16, 32)], 1
        ).T
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        corners = cells / self.sides - 0.5
        spans = torch.log((boxes[:, 2:] - boxes[:, :2]) / self.sides)
        person = torch.full_like(scores, 0.95)[:, None]
        others = torch.full_like(scores, 0.01)[:, None].expand(-1, 79)
        rows = (middles / self.sides - corners, spans, scores[:, None], person, others)
        return torch.cat(rows, 1)[None]


class RfDetrDiscs(DiscPeople):
    """RF-DETR Keypoint's form: RGB; boxes and keypoints as shares of the sides, logits, and certain keypoints."""

    strides = (16, 32)
    mean, scale = MEAN, SCALE

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        boxes, scores, places, seen = self.find(image.flip(1))
        keep = select_people(boxes[None], scores[None, :, None])[0]
        side = image.shape[3]
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        dets = torch.cat((middles, boxes[:, 2:] - boxes[:, :2]), 1)[keep] / side
        person = torch.logit(scores[keep], 1e-6)[:, None]
        findable = torch.logit(seen, 1e-6)[..., None]
        rows = torch.cat((places / side, findable, findable, *[1 - findable * 0] * 4), 2)
        colors = torch.arange(JOINTS) % len(COLORS)
        labels = torch.cat((person, person * 0 - 9), 1)
        return dets[None], labels[None], rows[keep][:, colors][None]


class YoloPoseDiscs(DiscPeople):
    """YOLO-pose's form: RGB, 0 to 1; a column for each cell, with the middle of a box and its sides."""

    def forward(self, image: Tensor) -> Tensor:
        boxes, scores, places, seen = self.find(255 * image.flip(1))
        colors = torch.arange(JOINTS) % len(COLORS)
        keypoints = torch.cat((places, seen[..., None]), 2)[:, colors].flatten(1)
        sides = boxes[:, 2:] - boxes[:, :2]
        columns = (boxes[:, :2] + sides / 2, sides, scores[:, None], keypoints)
        return torch.cat(columns, 1).T[None]


def rtmo_discs(folder: Path, side: int) -> bytes:
    return export_onnx(folder, RtmoDiscs(side), side, ["input", "dets", "keypoints"])


def rtmdet_discs(folder: Path, side: int) -> bytes:
    return export_onnx(folder, RtmdetDiscs(side), side, ["input", "dets", "labels"])


def yolox_discs(folder: Path, side: int) -> bytes:
    return export_onnx(folder, YoloxDiscs(side), side, ["images", "output"])


def yolo_pose_discs(folder: Path, side: int) -> bytes:
    return export_onnx(folder, YoloPoseDiscs(side), side, ["images", "output"])


def rf_detr_discs(folder: Path, side: int) -> bytes:
    return export_onnx(folder, RfDetrDiscs(side), side, ["input", "dets", "labels", "keypoints"])


def draw_people(seed: int) -> np.ndarray:
    """Up to five people in an image of any size, BGR: each has a disc of each color around its middle."""
    rng = np.random.default_rng(seed)
    width, height = rng.integers(300, 900, 2).tolist()
    # The discs are drawn for the size that they have in an input of 640 pixels.
    scale = max(width, height) / 640
    image = np.zeros((height, width, 3), np.uint8)
    across, down = max(1, int(width / scale // 260)), max(1, int(height / scale // 260))
    places = [(column, row) for column in range(across) for row in range(down)]
    for column, row in rng.permutation(places)[:5]:
        middle = np.array([(column + 0.5) / across * width, (row + 0.5) / down * height])
        angles = rng.permutation(6) * np.pi / 3
        for color, angle in zip(COLORS, angles, strict=True):
            reach = rng.uniform(30, 42) * scale
            place = middle + reach * np.array([np.cos(angle), np.sin(angle)])
            x, y = place.round().astype(int).tolist()
            bgr = [255 * share for share in color[::-1]]
            cv2.circle(image, (x, y), round(9 * scale), bgr, -1, cv2.LINE_AA)
    return image
