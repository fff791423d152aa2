"""OpenMMLab's, Megvii's and Roboflow's models with the published layers and generated weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.when_used import import_when_used
from fakes.yolox_networks import Box
from posezoo.core.declarations.model import ModelSpec

rtmdet = import_when_used("fakes.rtmdet")
rtmpose = import_when_used("fakes.rtmpose")
yolox_networks = import_when_used("fakes.yolox_networks")
torch = import_when_used("torch")


def generate_onnx(spec: ModelSpec, people: Sequence[Box], folder: Path) -> bytes:
    """The ONNX of a model with the declared input, which finds people at these places of the square.

    RTMW has the layers of RTMPose.
    """
    height, width = spec.inputs[0].shape[2:]
    family, _, rest = spec.name.partition("-")
    size = rest[0]
    if spec.decoder is not None and spec.decoder.name == "simcc":
        keypoints = spec.outputs[0].shape[1]
        return rtmpose.rtmpose_onnx(folder, size, keypoints, height, width)
    if family == "rtmdet":
        return rtmdet.generate_onnx(folder, size, height, people)
    if family in ("rtmo", "yolox"):
        return yolox_networks.generate_onnx(folder, f"{family}-{size}", height, people)
    raise NotImplementedError(f"tests/fakes has no network of {family}")


def rf_detr_checkpoint() -> bytes:
    """RF-DETR Keypoint's checkpoint, which only its authors' package can make: ``pip install "rfdetr[onnx]"``."""
    rfdetr = pytest.importorskip("rfdetr", reason="needs rfdetr")
    torch.manual_seed(0)
    detector = rfdetr.RFDETRKeypointPreview(pretrain_weights=None, num_classes=1, device="cpu")
    content = io.BytesIO()
    torch.save({"model": detector.model.model.state_dict()}, content)
    return content.getvalue()
