"""OpenMMLab's, Megvii's, Roboflow's and Intel's models with the published layers and generated weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.irs import state_images
from fakes.weights import conditioned
from fakes.when_used import import_when_used
from fakes.yolox_networks import Box
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.networks import find_network

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
        outputs = [output.name for output in spec.outputs]
        return rtmpose.rtmpose_onnx(folder, size, keypoints, height, width, outputs)
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
    # About half of the queries find somebody whose keypoints are certain. With the initial biases, none does.
    network = detector.model.model
    torch.nn.init.constant_(network.class_embed.bias, -1.2)
    torch.nn.init.constant_(network.keypoint_embed.layers[-1].bias[4:7:2], 4)
    content = io.BytesIO()
    torch.save({"model": network.state_dict()}, content)
    return content.getvalue()


#: The models published as IR whose layers are those of a network of ours.
SAME_LAYERS = {"human-pose-estimation-0001": "lightweight_openpose"}


def generate_irs(spec: ModelSpec, folder: Path) -> dict[str, bytes]:
    """The IR of a model of ``SAME_LAYERS``: it takes images of 0 to 255. INT8 is FP16 by another name."""
    ov = import_openvino()
    definition = find_network(SAME_LAYERS[spec.name])
    image = torch.zeros(definition.input.shape)
    model = ov.convert_model(conditioned(definition.name), example_input=image, input=image.shape)
    steps = ov.preprocess.PrePostProcessor(model)
    steps.input().model().set_layout(ov.Layout(definition.input.layout))
    steps.input().preprocess().mean(definition.input.mean).scale(definition.input.scale)
    model = state_images(steps.build())
    model.input().set_names({spec.inputs[0].name})
    for port in model.outputs:
        (output,) = (each for each in spec.outputs if each.shape[1] == port.shape[1])
        port.set_names({output.name})
    for file in spec.files:
        if file.name.endswith(".xml"):
            path = folder / file.name
            path.parent.mkdir(exist_ok=True)
            ov.save_model(model, path, compress_to_fp16=not file.name.startswith("FP32"))
    return {file.name: (folder / file.name).read_bytes() for file in spec.files}
