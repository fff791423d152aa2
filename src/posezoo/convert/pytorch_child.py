"""The process that PyTorch runs in: one job in, one answer out, and gone.

In: a line of JSON, and for a run the image as .npy. Out: ONNX, or the outputs as .npz; where it cannot be
done, JSON with the failure, and the exit code ``REFUSED``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.errors import PosezooError
from posezoo.networks import pretrained
from posezoo.networks.pretrained import NetworkCheckpoint

#: The exit code of a job that was refused, in words of ours.
REFUSED = 3

#: What IR and ONNX files have been made with all along; newer ones bring nothing that our networks need.
OPSET = 13


def main() -> int:
    """Do the job on the standard input."""
    # Whatever prints shall not land in the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job, image = json.loads(sys.stdin.buffer.readline()), sys.stdin.buffer.read()
    code, content = 0, b""
    try:
        content = _do(job, image)
    except PosezooError as error:
        code, content = REFUSED, _refusal(type(error).__name__, error.problem, error.hint)
    except (RuntimeError, ValueError, MemoryError) as error:  # PyTorch's own; the first line is for people
        problem = (str(error).strip() or type(error).__name__).splitlines()[0]
        code, content = (
            REFUSED,
            _refusal("", f"{job['checkpoint']}: PyTorch cannot {job['task']} it: {problem}"),
        )
    with answer:
        answer.write(content)
    return code


def _refusal(kind: str, problem: str, hint: str = "") -> bytes:
    return json.dumps({"kind": kind, "problem": problem, "hint": hint}).encode()


def _do(job: dict[str, Any], image: bytes) -> bytes:
    checkpoint = pretrained.read_network_checkpoint(Path(job["checkpoint"]), job["network"], job["arguments"])
    module = checkpoint.load()
    import torch

    # Sums in one order: the same numbers whatever the machine has of cores.
    torch.set_num_threads(1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and says so
        return _TASKS[job["task"]](checkpoint, module, job["shape"], image)


def _export(checkpoint: NetworkCheckpoint, module: Any, shape: Sequence[int], _image: bytes) -> bytes:
    import torch

    network = checkpoint.network
    outputs = network.output_names(**checkpoint.arguments)
    axes = {axis: name for axis, name in ((0, "batch"), (2, "height"), (3, "width")) if shape[axis] < 0}
    sizes = [default if size < 0 else size for size, default in zip(shape, network.input.shape, strict=True)]
    file: Any = io.BytesIO()  # which the exporter takes, whatever its types say
    with _convolutions_of_shape_alone():
        torch.onnx.export(
            module,
            (torch.zeros(sizes),),
            file,
            # The default changed, and the new exporter needs onnxscript and five times as long.
            dynamo=False,
            opset_version=OPSET,
            input_names=[network.input.name],
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys((network.input.name, *outputs), axes) if axes else None,
        )
    content: bytes = file.getvalue()
    return content


@contextlib.contextmanager
def _convolutions_of_shape_alone() -> Iterator[None]:
    """Convolutions give tensors of the right shape, with whatever is in memory.

    The exporter runs a network once to see its operations, and throws away what it computes: for a picture
    of 512x512 a third of the whole export. The ONNX is the same to the byte.
    """
    import torch

    operators: Any = torch.library  # its functions have no types
    library = operators.Library("aten", "IMPL")
    library.impl("_convolution", _convolution_of_shape_alone, "CPU")
    try:
        yield
    finally:
        library._destroy()


def _convolution_of_shape_alone(
    image: Any,
    weight: Any,
    _bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_how: bool,
) -> Any:
    # By way of numpy: a tensor's own sizes are tensors while the exporter looks on.
    batch, _, *sizes = image.detach().numpy().shape
    outer, member, *window = weight.detach().numpy().shape
    reach = [step * (size - 1) for step, size in zip(dilation, window, strict=True)]
    if transposed:
        found = [
            (size - 1) * step - 2 * pad + far + more + 1
            for size, step, pad, far, more in zip(sizes, stride, padding, reach, output_padding, strict=True)
        ]
        return image.new_empty([batch, member * groups, *found])
    found = [
        (size + 2 * pad - far - 1) // step + 1
        for size, step, pad, far in zip(sizes, stride, padding, reach, strict=True)
    ]
    return image.new_empty([batch, outer, *found])


def _run(checkpoint: NetworkCheckpoint, module: Any, _shape: Sequence[int], image: bytes) -> bytes:
    import torch

    outputs = module(torch.from_numpy(np.load(io.BytesIO(image), allow_pickle=False)))
    named = zip(
        checkpoint.network.output_names(**checkpoint.arguments),
        outputs if isinstance(outputs, tuple) else (outputs,),
        strict=True,
    )
    packed = io.BytesIO()
    np.savez(packed, **{name: tensor.numpy() for name, tensor in named})
    return packed.getvalue()


_TASKS: dict[str, Callable[[NetworkCheckpoint, Any, Sequence[int], bytes], bytes]] = {
    "export": _export,
    "run": _run,
}
