"""Checkpoints of our networks, in PyTorch's formats and others; they are converted by way of
ONNX.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core import errors
from posezoo.core.convert.formats import ModelFormat, ReferenceRuntime, Shape
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.model_files import CHECKPOINTS
from posezoo.core.errors import ConversionError, MissingPackageError
from posezoo.core.files.staging import temporary_dir
from posezoo.core.regular_files import open_regular
from posezoo.core.resolve.own_networks import require_network
from posezoo.core.versions import package_version
from posezoo.core.workers.program import python_command, run_program

if TYPE_CHECKING:
    from posezoo.core.arrays import Array, NamedArrays
    from posezoo.networks.pretrained import NetworkCheckpoint

# The process computes with one thread; further threads, which libraries start on import, would be
# idle. Where glibc keeps the memory of freed tensors of more than 4 MB, a conversion needs 50 MB
# more; if it keeps none of 1 MB, it takes a fifth more time.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4000000",
}

# Errors of the child that are raised here with the same class; any other becomes a ConversionError.
_ERROR_KINDS = ("CheckpointError", "NetworkError", "UnknownModelError")


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins like a checkpoint in one of PyTorch's two formats, MXNet's, or
    safetensors.
    """
    # Imports the package, not one of its modules: two threads that import different modules could
    # deadlock.
    from posezoo.networks import checkpoints

    with open_regular(path) as stream:
        return checkpoints.has_checkpoint_header(stream.read(512))


def export_to_onnx(spec: ModelSpec, path: Path) -> bytes:
    """Export a checkpoint to ONNX, opset 13; input sizes that are -1 stay dynamic.

    Returns:
        The ONNX file's bytes; they are the same for the same checkpoint, network, shape and PyTorch
        version.

    Raises:
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
        NetworkError: the network cannot be built with the declared arguments.
        ConversionError: the declared shape does not fit the network, or it cannot be exported.
        MissingPackageError: torch is not installed.
    """
    from posezoo.networks import find_network

    default = find_network(require_network(spec).name).input
    shape = next((port.shape for port in spec.inputs if port.shape), default.shape)
    if len(shape) != 4 or shape[1] != default.shape[1]:
        raise ConversionError(
            f"{spec.name}: its input is {list(shape)}, the network takes [N, {default.shape[1]},"
            " H, W]",
            hint="correct the shape",
        )
    return _run_child(spec, path, "export", list(shape))


def _open_runtime(spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime:
    """The checkpoint in PyTorch, in float32 with one thread."""
    import numpy as np

    checkpoint = _read_checkpoint(spec, path)
    port = checkpoint.network.input
    inputs = {port.name: (sizes.get(port.name, port.shape), np.dtype(np.float32))}

    names = checkpoint.network.output_names(**checkpoint.arguments)

    def run_several(feeds: Sequence[NamedArrays]) -> list[dict[str, Array]]:
        images = [image for feed in feeds for image in feed.values()]
        npz = io.BytesIO()
        np.savez(npz, *images)
        answer = _run_child(spec, path, "run", list(images[0].shape), images=npz.getvalue())
        with np.load(io.BytesIO(answer), allow_pickle=False) as outputs:
            return [
                {name: outputs[f"{number}/{name}"] for name in names}
                for number in range(len(images))
            ]

    def run(feed: NamedArrays) -> dict[str, Array]:
        return run_several([feed])[0]

    runtime = f"PyTorch {package_version('torch')}, with our definition of the network"
    return ReferenceRuntime(runtime, inputs, names, run, run_several=run_several)


def _read_weights(spec: ModelSpec, path: Path) -> Iterable[Array]:
    return _read_checkpoint(spec, path).tensors.values()


def _read_checkpoint(spec: ModelSpec, path: Path) -> NetworkCheckpoint:
    from posezoo.networks import pretrained

    choice = require_network(spec)
    return pretrained.read_network_checkpoint(
        path, choice.name, choice.arguments, names=choice.names
    )


def _run_child(
    spec: ModelSpec, path: Path, task: str, shape: list[int], images: bytes = b""
) -> bytes:
    """The result of a job in a child process (``pytorch_child``).

    When the process ends, its memory is free again, and PyTorch's threads and allocator do not
    interfere with OpenVINO's.
    """
    from posezoo.networks.pytorch_child import REFUSED

    if not package_version("torch"):
        raise MissingPackageError("torch", extra="torch")
    choice = require_network(spec)
    job = {
        "task": task,
        "checkpoint": str(path.absolute()),
        "network": choice.name,
        "arguments": dict(choice.arguments),
        "names": choice.names,
        "shape": shape,
    }
    with temporary_dir() as folder:
        result = folder / "result"
        try:
            ended = run_program(
                python_command("posezoo.networks.pytorch_child", "main"),
                input_bytes=json.dumps(job | {"result": str(result)}).encode() + b"\n" + images,
                environment={**os.environ, **_ENVIRONMENT},
            )
        except OSError as error:
            raise ConversionError(f"{spec.name}: no process could be started: {error}") from error
        if not ended.exit_code:
            return result.read_bytes()
        if ended.exit_code == REFUSED:
            refusal = json.loads(result.read_bytes())
            kind = ConversionError
            if refusal["kind"] in _ERROR_KINDS:
                kind = getattr(errors, refusal["kind"])
            raise kind(refusal["problem"], hint=refusal["hint"])
    # Python errors are reported above, so the process was killed: out of memory, or a crash in
    # PyTorch.
    last_line = "".join(f": {line}" for line in ended.errors.strip().splitlines()[-1:])
    raise ConversionError(
        f"{spec.name}: PyTorch's process ended with {ended.exit_code}{last_line}",
        hint="is there enough memory?",
    )


FORMAT = ModelFormat(
    "a checkpoint",
    is_checkpoint,
    frontend="onnx",
    image_layout="NCHW",
    endings=CHECKPOINTS,
    openvino_input=export_to_onnx,
    open_runtime=_open_runtime,
    read_weights=_read_weights,
)
