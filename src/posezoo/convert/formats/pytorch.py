"""Checkpoints of our networks, in PyTorch's formats and others; they are converted by way of ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posezoo.convert.formats import ModelFormat, ReferenceRuntime, Shape
from posezoo.spec.model import ModelSpec


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins like a checkpoint in one of PyTorch's two formats, MXNet's, or safetensors."""
    # Imports the package, not one of its modules: two threads that import different modules could deadlock.
    from posezoo import checkpoints

    with open(path, "rb") as stream:
        return checkpoints.has_checkpoint_header(stream.read(512))


def _export_to_onnx(spec: ModelSpec, path: Path) -> bytes:
    from posezoo.convert.pytorch_process import export_to_onnx

    return export_to_onnx(spec, path)


def _open_runtime(spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime:
    from posezoo.convert.pytorch_process import PyTorchReference

    return PyTorchReference(spec, path, sizes)


PYTORCH = ModelFormat(
    "a checkpoint",
    is_checkpoint,
    frontend="onnx",
    image_layout="NCHW",
    openvino_input=_export_to_onnx,
    open_runtime=_open_runtime,
)
