"""The ONNX of DETRPose and ECPose as their publishers' export_onnx.py writes it, over a small network.

S. Janampa, M. Pattichis, arXiv:2506.13027: its inputs, outputs, numbers of queries and classes, and ``PostProcess``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fakes.rtmpose import ConvModule
from fakes.yolox_networks import CERTAIN, Box, person_logit

QUERIES, CLASSES, JOINTS = 60, 2, 17


class Queries(nn.Module):
    """60 queries, of which the first are people: their keypoints lie in the given boxes."""

    def __init__(self, people: Sequence[Box]) -> None:
        super().__init__()
        self.features = nn.Sequential(*(ConvModule(n, 16, 3, 4) for n in (3, 16, 16)))
        self.head = nn.Linear(16, QUERIES * JOINTS * 2)
        logits = torch.full((QUERIES, CLASSES), -CERTAIN)
        places = torch.rand(QUERIES, JOINTS, 2)
        for number, (left, top, width, height) in enumerate(people):
            logits[number, 0] = person_logit(number)
            places[number] *= torch.tensor([width, height])
            places[number] += torch.tensor([left, top])
        self.register_buffer("logits", logits)
        self.register_buffer("places", places)

    def forward(self, images: Tensor, orig_target_sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        moves = self.head(self.features(images).mean((2, 3))).sigmoid()
        shares = self.places + 0.01 * moves.reshape(-1, QUERIES, JOINTS, 2)
        logits = self.logits + 0.01 * moves[:, : QUERIES * CLASSES].reshape(-1, QUERIES, CLASSES)
        scores, rows = logits.sigmoid().flatten(1).topk(QUERIES, dim=1)
        queries = (rows.float() // CLASSES).long()[..., None, None]
        keypoints = shares.gather(1, queries.expand(1, QUERIES, JOINTS, 2))
        return scores, rows % CLASSES, keypoints * orig_target_sizes[:, None, None, :]


def generate_onnx(folder: Path, side: int, people: Sequence[Box]) -> bytes:
    """The network with random weights, opset 16, any batch, as it is exported."""
    torch.manual_seed(0)
    path = folder / "detrpose.onnx"
    inputs = ["images", "orig_target_sizes"]
    torch.onnx.export(
        Queries(people).eval(),
        (torch.rand(1, 3, side, side), torch.tensor([[side, side]])),
        path,
        input_names=inputs,
        output_names=["scores", "labels", "keypoints"],
        dynamic_axes={name: {0: "N"} for name in inputs},
        opset_version=16,
        dynamo=False,
    )
    return path.read_bytes()
