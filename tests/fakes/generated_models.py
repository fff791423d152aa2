"""The files of our models with generated weights: names, shapes and forms are the published ones.

Networks of ours have their real layers. An ONNX has the published inputs and outputs over a small network, and an IR
over an average of the image. Files that are at hand are the real ones.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from conftest import by_digest
from fakes.founding import checkpoint_of
from fakes.irs import write_ir
from fakes.publishers import task_file
from fakes.weights import conditioned, torch
from fakes.when_used import import_when_used
from judges.packages import mediapipe_files
from networks.test_vitpose import tensors_of
from posezoo import networks
from posezoo.core.declarations.model import Framework, ModelSpec
from posezoo.core.registry import open_registry

rtmpose = import_when_used("fakes.rtmpose")
rtmo = import_when_used("fakes.rtmo")

#: MediaPipe's networks of other sizes have the inputs and outputs of this one.
LANDMARKS = "pose-landmark-full-mediapipe"
FACES = "pose-detection-mediapipe"


def generate(spec: ModelSpec, folder: Path, mirror: Path) -> dict[str, bytes]:
    """The content of each file of a model; of an archive with one member, that of the member."""
    # Declared ranges are those of the published network.
    has_ranges = spec.int8_ranges is not None
    if spec.framework is Framework.DLDT and not has_ranges:
        return _ir_files(spec, folder)
    if "mediapipe" in spec.name or "pose_landmarker" in spec.name:
        return {file.name: _of_mediapipe(file.name, mirror) for file in spec.files}
    if spec.framework in (Framework.TF, Framework.TFLITE) or has_ranges:
        return _real_files(spec, mirror)
    (file,) = spec.files
    return {file.name: _network(spec, folder)}


def _network(spec: ModelSpec, folder: Path) -> bytes:
    if spec.network is not None and spec.network.name in _CHECKPOINTS:
        return _CHECKPOINTS[spec.network.name](spec)
    if spec.network is not None:
        return checkpoint_of(spec.name, conditioned(spec.network.name))
    height, width = spec.inputs[0].shape[2:]
    assert spec.decoder is not None
    if spec.decoder.name == "simcc":
        outputs = [output.name for output in spec.outputs]
        keypoints = spec.outputs[0].shape[1]
        return rtmpose.rtmpose_onnx(folder, "t", keypoints, height, width, outputs)
    return _ONNX[spec.decoder.name](folder, height)


def _hrnet(spec: ModelSpec) -> bytes:
    torch.manual_seed(0)
    file = io.BytesIO()
    network = networks.build_network("hrnet", **dict(spec.network.arguments))
    torch.save({"model": network.state_dict()}, file)
    return file.getvalue()


def _vitpose(spec: ModelSpec) -> bytes:
    from safetensors.torch import save

    width = dict(spec.network.arguments)["width"]
    return save(tensors_of(width, plus="plus" in spec.name), metadata={"format": "pt"})


_CHECKPOINTS: Mapping[str, Callable[[ModelSpec], bytes]] = {
    "hrnet": _hrnet,
    "vitpose": _vitpose,
}
_ONNX: Mapping[str, Callable[[Path, int], bytes]] = {
    "rtmo": lambda folder, side: rtmo.rtmo_onnx(folder, side, -3.2),
    "rtmdet": lambda folder, side: rtmo.rtmdet_onnx(folder, side),
    "yolox": lambda folder, side: rtmo.yolox_onnx(folder, side),
}


def _ir_files(spec: ModelSpec, folder: Path) -> dict[str, bytes]:
    outputs = {output.name: output.shape for output in spec.outputs}
    xml = write_ir(folder / f"{spec.name}.xml", outputs, image=spec.inputs[0].shape)
    return {file.name: xml.with_suffix(Path(file.name).suffix).read_bytes() for file in spec.files}


def _of_mediapipe(file_name: str, mirror: Path) -> bytes:
    if file_name.endswith(".task"):
        return task_file(_real(FACES, mirror), _real(LANDMARKS, mirror))
    return _real(FACES if "detect" in file_name else LANDMARKS, mirror)


@cache
def _real(name: str, mirror: Path) -> bytes:
    (content,) = _real_files(open_registry().find(name), mirror).values()
    return content


def _real_files(spec: ModelSpec, mirror: Path) -> dict[str, bytes]:
    return {file.name: _read_real(file.checksum.value, mirror) for file in spec.files}


def _read_real(sha384: str, mirror: Path) -> bytes:
    """A file of the mirror, or of MediaPipe's wheel; the test is skipped without it."""
    path = by_digest(mirror, sha384)
    if not path.exists():
        path = {digest: file for file, digest in mediapipe_files()}[sha384]
    return path.read_bytes()
