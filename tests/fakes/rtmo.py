"""RTMO's tail with random weights, as MMDeploy exports it: names, shapes and operators of the published file.

Boxes of two strides, NonMaxSuppression in the graph, the row that is appended, and keypoints from bins over the box.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
nn = torch.nn
Tensor = torch.Tensor

JOINTS = 17
STRIDES = (16, 32)
SCORE, OVERLAP, MOST, KEPT = 0.15, 0.65, 200, 50


class Suppression(torch.autograd.Function):
    """ONNX's NonMaxSuppression; PyTorch only needs something of its shape."""

    @staticmethod
    def forward(_context: Any, _boxes: Tensor, _scores: Tensor) -> Tensor:
        return torch.tensor([[0, 0, 5], [0, 0, 9]])

    @staticmethod
    def symbolic(graph: Any, boxes: Any, scores: Any) -> Any:
        limits = [torch.tensor([MOST]), torch.tensor([OVERLAP]), torch.tensor([SCORE])]
        constants = [graph.op("Constant", value_t=limit) for limit in limits]
        return graph.op("NonMaxSuppression", boxes, scores, *constants)


def select_people(boxes: Tensor, scores: Tensor) -> Tensor:
    """The anchors of the people, the best first, and the row that is appended: index -1."""
    best = scores.max(-1)[0].topk(min(2000, scores.shape[1]))[1]
    first = torch.zeros(1, 1, dtype=torch.long)
    chosen = Suppression.apply(boxes[first, best], scores[first, best].transpose(1, 2))[:, 2]
    padded = torch.cat((scores[first, best][0, chosen, 0], torch.zeros(1)))
    anchors = torch.cat((best[0, chosen], torch.tensor([-1])))
    count = torch._shape_as_tensor(padded)[0]
    count = torch.where(count < KEPT, count, torch.tensor(KEPT))
    return anchors[padded.topk(count)[1]][None]


class Bins(nn.Module):
    """Places keypoints as means over bins, which span a box that is a quarter larger than the person's."""

    def __init__(self, waves: int, features: int) -> None:
        super().__init__()
        self.x, self.y = nn.Linear(2 * waves, features), nn.Linear(2 * waves, features)
        self.register_buffer("across", torch.linspace(-0.5, 0.5, 192))
        self.register_buffer("down", torch.linspace(-0.5, 0.5, 256))
        self.register_buffer("waves", 300.0 ** (-torch.arange(waves) / waves))

    def encode(self, bins: Tensor, layer: nn.Module) -> Tensor:
        angles = bins[..., None] * self.waves
        return layer(torch.cat((angles.cos(), angles.sin()), -1)).transpose(-1, -2)

    def forward(self, keypoints: Tensor, boxes: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
        middle = (boxes[..., :2] + boxes[..., 2:4]) / 2
        spans = (boxes[..., 2:4] - boxes[..., :2]) * 1.25
        x, y = self.across * spans[..., :1], self.down * spans[..., 1:]
        offset = middle - centers
        in_x = (keypoints @ self.encode(x + offset[..., :1], self.x)).softmax(-1)
        in_y = (keypoints @ self.encode(y + offset[..., 1:], self.y)).softmax(-1)
        place_x = (in_x * (x + middle[..., :1]).unsqueeze(2)).sum(-1)
        place_y = (in_y * (y + middle[..., 1:]).unsqueeze(2)).sum(-1)
        return place_x, place_y


class Tail(nn.Module):
    def __init__(self, side: int, channels: int = 16, size: int = 64, features: int = 32) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.ModuleList(nn.Conv2d(3, channels, stride, stride) for stride in STRIDES)
        self.heads = nn.ModuleDict()
        for name, outputs in (("score", 1), ("box", 4), ("visible", JOINTS), ("vector", size)):
            self.heads[name] = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in STRIDES)
        self.to_keypoints = nn.Linear(size, features * JOINTS)
        self.bins = Bins(32, features)
        self.features = features
        centers, strides = [], []
        for stride in STRIDES:
            count = side // stride
            y, x = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
            centers.append((torch.stack((x, y), -1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((count * count, 1), float(stride)))
        self.register_buffer("centers", torch.cat(centers))
        self.register_buffer("strides", torch.cat(strides))

    def flat(self, name: str, maps: list[Tensor]) -> Tensor:
        heads = zip(self.heads[name], maps, strict=True)
        return torch.cat([head(each).flatten(2).transpose(1, 2) for head, each in heads], 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = [torch.relu(layer(image / 255)) for layer in self.stem]
        scores = self.flat("score", maps).sigmoid()
        raw = self.flat("box", maps)
        centers = raw[..., :2] * self.strides + self.centers
        sides = raw[..., 2:].exp() * self.strides * 3
        boxes = torch.cat((centers - sides / 2, centers + sides / 2), -1)
        keep = select_people(boxes, scores)
        first = torch.zeros(1, 1, dtype=torch.long)
        dets = torch.cat((boxes, scores), 2)[first, keep]
        vectors = self.flat("vector", maps)[first, keep]
        visible = self.flat("visible", maps).sigmoid()[first, keep]
        keypoints = self.to_keypoints(vectors).reshape(1, -1, JOINTS, self.features)
        places = self.bins(keypoints, dets, self.centers[keep])
        return dets, torch.stack((*places, visible), -1)


class Detector(Tail):
    """The boxes and their labels, as RTMDet's network returns them."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        dets, _ = super().forward(57 * image + 114)  # the image is normalized
        return dets, (dets[..., 0] * 0).to(torch.int64)


class RawHead(nn.Module):
    """Rows for all cells of strides 8, 16 and 32, as YOLOX's network returns them."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(3, 85, stride, stride) for stride in (8, 16, 32))

    def forward(self, image: Tensor) -> Tensor:
        rows = torch.cat([head(image / 255).flatten(2) for head in self.heads], 2).transpose(1, 2)
        return torch.cat((rows[..., :2], 1 + rows[..., 2:4], (3 * rows[..., 4:]).sigmoid()), -1)


def yolox_onnx(folder: Path, side: int) -> bytes:
    torch.manual_seed(3)
    return export_onnx(folder, RawHead(), side, ["images", "output"])


def rtmdet_onnx(folder: Path, side: int) -> bytes:
    return export_onnx(folder, _with_shift(Detector(side), -1.5), side, ["input", "dets", "labels"])


def rtmo_onnx(folder: Path, side: int, shift: float) -> bytes:
    """The tail for an image of this side; ``shift`` is added to the logits of the scores."""
    return export_onnx(folder, _with_shift(Tail(side), shift), side, ["input", "dets", "keypoints"])


def _with_shift(network: Tail, shift: float) -> Tail:
    for head in network.heads["box"]:
        head.weight.data *= 0.05
    for head in network.heads["score"]:
        head.weight.data *= 8
        head.bias.data += shift
    return network


def export_onnx(folder: Path, network: nn.Module, side: int, names: list[str]) -> bytes:
    """The ONNX of a network for one square image; the first name is its input."""
    axes = {name: {1: "n"} for name in names[1:] if name != "output"}
    return write_onnx(folder, network, (side, side), names, axes)


def write_onnx(
    folder: Path, network: nn.Module, size: tuple[int, int], names: list[str], axes: Any = None
) -> bytes:
    """The ONNX of a network for images of this height and width, as MMDeploy exports it: opset 11.

    Args:
        names: those of the input and of the outputs.
        axes: the open axes of each; without them, each may have any batch.
    """
    path = folder / "end2end.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            torch.rand(1, 3, *size),
            path,
            input_names=names[:1],
            output_names=names[1:],
            opset_version=11,
            dynamic_axes=axes or {name: {0: "batch"} for name in names},
            dynamo=False,
        )
    return path.read_bytes()
