"""PyTorch in a child process: export a checkpoint to ONNX, and compute its reference outputs.

The process returns its memory when it ends, and its threads and allocator do not meet OpenVINO's. It is not
started by ``multiprocessing``, which would run a user's script once more.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posezoo import errors
from posezoo.convert.pytorch_child import REFUSED
from posezoo.errors import ConversionError, MissingPackageError
from posezoo.networks import find_network, pretrained
from posezoo.spec.model import ModelSpec
from posezoo.versions import package_version
from posezoo.workers.program import run_program

Array = npt.NDArray[Any]

# -I: neither the working folder nor the environment decides what is imported; the path is this process's.
_START = """\
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from posezoo.convert.pytorch_child import main
sys.exit(main())
"""

# It computes with one thread; others, which libraries start when they are imported, would only wait.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# The errors that are raised again as they are; any other becomes a ConversionError.
_ERROR_KINDS = ("CheckpointError", "NetworkError", "UnknownModelError")


def export_to_onnx(spec: ModelSpec, path: Path) -> bytes:
    """A checkpoint as ONNX, opset 13; sizes of the input that are -1 stay dynamic.

    Returns:
        The same bytes for the same checkpoint, network, shape and PyTorch.

    Raises:
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
        NetworkError: the network cannot be built as declared.
        ConversionError: it cannot be exported.
        MissingPackageError: torch, or onnx, which its exporter needs,, is not installed.
    """
    return _run_child(spec, path, "export", list(_input_shape(spec)))


class PyTorchReference:
    """A checkpoint, run by PyTorch itself: float32, one thread."""

    def __init__(self, spec: ModelSpec, path: Path, sizes: Mapping[str, tuple[int, ...]]) -> None:
        checkpoint = pretrained.read_network_checkpoint(path, *_network_choice(spec))
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
        npy = io.BytesIO()
        np.save(npy, image, allow_pickle=False)
        answer = _run_child(self._spec, self._path, "run", list(image.shape), npy.getvalue())
        with np.load(io.BytesIO(answer), allow_pickle=False) as outputs:
            return {name: outputs[name] for name in outputs.files}


def _network_choice(spec: ModelSpec) -> tuple[str, Mapping[str, Any]]:
    assert spec.network is not None  # else its route is another one
    return spec.network.name, spec.network.arguments


def _input_shape(spec: ModelSpec) -> tuple[int, ...]:
    default = find_network(_network_choice(spec)[0]).input
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
    name, arguments = _network_choice(spec)
    job = {
        "task": task,
        "checkpoint": str(path.absolute()),
        "network": name,
        "arguments": dict(arguments),
        "shape": shape,
    }
    import_path = [str(Path(entry).absolute()) for entry in sys.path]
    try:
        result = run_program(
            [sys.executable, "-I", "-c", _START, json.dumps(import_path)],
            input_bytes=json.dumps(job).encode() + b"\n" + image,
            environment={**os.environ, **_ONE_THREAD},
            max_output_bytes=None,
        )
    except OSError as error:
        raise ConversionError(f"{spec.name}: no process could be started: {error}") from error
    if result.exit_code == REFUSED:
        refusal = json.loads(result.output)
        kind = getattr(errors, refusal["kind"]) if refusal["kind"] in _ERROR_KINDS else ConversionError
        raise kind(refusal["problem"], hint=refusal["hint"])
    if result.exit_code:
        # Only what ends a process from outside is left: a lack of memory, a fault inside PyTorch.
        last_line = "".join(f": {line}" for line in result.errors.strip().splitlines()[-1:])
        raise ConversionError(
            f"{spec.name}: PyTorch's process ended with {result.exit_code}{last_line}",
            hint="is there memory enough?",
        )
    return result.output
