"""What only PyTorch can do, done in a process of its own: export to ONNX, and compute the reference.

The memory that it takes is returned when that process ends, and neither its threads nor its allocator
meet OpenVINO's. The child is not ``multiprocessing``'s, which would run a user's script once more.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posezoo import errors
from posezoo.convert.pytorch_child import REFUSED
from posezoo.errors import ConversionError, MissingPackageError, PosezooError
from posezoo.networks import find_network, pretrained
from posezoo.spec.model import ModelSpec
from posezoo.versions import package_version

Array = npt.NDArray[Any]

# -I: neither the working folder nor the environment decides what is imported; the path is ours.
_START = """\
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from posezoo.convert.pytorch_child import main
sys.exit(main())
"""

# It computes with one thread; those that libraries start while they are imported would only wait.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# The failures that a child may answer with; whatever else it is, it is told as a ConversionError.
_KINDS = ("CheckpointError", "NetworkError", "UnknownModelError")


def export_to_onnx(spec: ModelSpec, path: Path) -> bytes:
    """A checkpoint as ONNX, opset 13; sizes of the input that are -1 stay open.

    Args:
        spec: the model, which names the network.
        path: its checkpoint, verified.

    Returns:
        The same bytes for the same checkpoint, network, shape and PyTorch.

    Raises:
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
        NetworkError: the network cannot be built as declared.
        ConversionError: it cannot be exported.
        MissingPackageError: torch, or onnx that its exporter needs, is not installed.
    """
    return _run_child(spec, path, "export", list(_input_shape(spec)))


class PyTorchReference:
    """A checkpoint, run by PyTorch itself: float32, one thread."""

    def __init__(self, spec: ModelSpec, path: Path, sizes: Mapping[str, tuple[int, ...]]) -> None:
        checkpoint = pretrained.read_network_checkpoint(path, *_choice(spec))
        name = checkpoint.network.input.name
        self.name = f"PyTorch {package_version('torch')}"
        self.inputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
            name: (sizes.get(name, checkpoint.network.input.shape), np.dtype(np.float32))
        }
        self.outputs: Collection[str] = checkpoint.network.output_names(**checkpoint.arguments)
        self._spec, self._path = spec, path

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        (image,) = feed.values()
        packed = io.BytesIO()
        np.save(packed, image, allow_pickle=False)
        answer = _run_child(self._spec, self._path, "run", list(image.shape), packed.getvalue())
        with np.load(io.BytesIO(answer), allow_pickle=False) as outputs:
            return {name: outputs[name] for name in outputs.files}


def _choice(spec: ModelSpec) -> tuple[str, Mapping[str, Any]]:
    assert spec.network is not None  # original.reader_of has made sure
    return spec.network.name, spec.network.arguments


def _input_shape(spec: ModelSpec) -> tuple[int, ...]:
    default = find_network(_choice(spec)[0]).input
    shape = next((port.shape for port in spec.inputs if port.shape), default.shape)
    if len(shape) != 4 or shape[1] != default.shape[1]:
        raise ConversionError(
            f"{spec.name}: its input is {list(shape)}, the network takes [N, {default.shape[1]}, H, W]",
            hint="correct the shape",
        )
    return shape


def _run_child(spec: ModelSpec, path: Path, task: str, shape: list[int], image: bytes = b"") -> bytes:
    for package in ("torch", "onnx") if task == "export" else ("torch",):
        if not package_version(package):
            raise MissingPackageError(package, extra="torch")
    name, arguments = _choice(spec)
    job = {
        "task": task,
        "checkpoint": str(path.absolute()),
        "network": name,
        "arguments": dict(arguments),
        "shape": shape,
    }
    places = [str(Path(entry).absolute()) for entry in sys.path]
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", _START, json.dumps(places)],
            input=json.dumps(job).encode() + b"\n" + image,
            capture_output=True,
            env={**os.environ, **_ONE_THREAD},
        )
    except OSError as error:
        raise ConversionError(f"{spec.name}: no process could be started: {error}") from error
    if ended.returncode == REFUSED:
        raise _refusal(ended.stdout)
    if ended.returncode:
        # Only what ends a process from without is left: a lack of memory, a fault inside PyTorch.
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ConversionError(
            f"{spec.name}: PyTorch's process ended with {ended.returncode}{': ' + last[0] if last else ''}",
            hint="is there memory enough?",
        )
    return ended.stdout


def _refusal(answer: bytes) -> PosezooError:
    said = json.loads(answer)
    kind = getattr(errors, said["kind"]) if said["kind"] in _KINDS else ConversionError
    error: PosezooError = kind(said["problem"], hint=said["hint"])
    return error
