"""The main function of the PyTorch process, for one job: a line of JSON on the standard input, and
to run a network, images as .npz. The file that the line names receives the ONNX, the outputs for
each image as .npz, with names such as ``0/heatmaps``, or JSON with an error, with the exit code
``REFUSED``.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np

from posezoo.core.convert.protobuf_reader import (
    ProtobufField,
    encode_field,
    read_texts,
    replace_fields,
)
from posezoo.core.errors import PosezooError
from posezoo.core.operating_system import release_memory
from posezoo.networks import pretrained
from posezoo.networks.pretrained import NetworkCheckpoint

#: The exit code of a job that failed with an error that is reported as JSON.
REFUSED = 3

#: The version of ONNX's operators. It is fixed so that exports do not change; our networks do not
#: need later operators.
OPSET = 13

# What PyTorch's exporter writes in place of the values of weights that it leaves out.
_NO_VALUES = encode_field(9, b"__EXTERNAL")


def main() -> int:
    """Run the job that the standard input describes; returns the exit code."""
    job = json.loads(sys.stdin.buffer.readline())
    images = sys.stdin.buffer.read()
    with open(job["result"], "wb") as result:
        try:
            _run(job, images, result)
            return 0
        except PosezooError as error:
            kind = type(error).__name__
            refusal = {"kind": kind, "problem": error.problem, "hint": error.hint}
        except (RuntimeError, ValueError, MemoryError) as error:
            # From PyTorch; only the first line is useful.
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            problem = f"{job['checkpoint']}: PyTorch cannot {job['task']} it: {first_line}"
            refusal = {"kind": "", "problem": problem, "hint": ""}
        result.write(json.dumps(refusal).encode())
    return REFUSED


def _run(job: dict[str, Any], images: bytes, result: BinaryIO) -> None:
    checkpoint = pretrained.read_network_checkpoint(
        Path(job["checkpoint"]), job["network"], job["arguments"], names=job["names"]
    )
    module = checkpoint.load()
    # The module has copies of the weights: the pages of the file need not stay in memory.
    checkpoint = replace(checkpoint, tensors={})
    import torch

    # One thread adds in a fixed order: the numbers do not depend on the number of cores.
    torch.set_num_threads(1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns that it is deprecated
        if job["task"] == "export":
            _export(checkpoint, module, job["shape"], result)
            return
        names = checkpoint.network.module_outputs(**checkpoint.arguments)
        results = {}
        with np.load(io.BytesIO(images), allow_pickle=False) as arrays:
            for number, array in enumerate(arrays.values()):
                outputs = module(torch.from_numpy(array))
                tensors = outputs if isinstance(outputs, tuple) else (outputs,)
                for name, tensor in zip(names, tensors, strict=True):
                    results[f"{number}/{name}"] = tensor.numpy()
    np.savez(result, **results)


def _export(
    checkpoint: NetworkCheckpoint, module: Any, shape: Sequence[int], result: BinaryIO
) -> None:
    """Write the ONNX; the module has no weights afterwards."""
    import torch

    network = checkpoint.network
    outputs = network.module_outputs(**checkpoint.arguments)
    names = {0: "batch", 2: "height", 3: "width"}
    axes = {axis: name for axis, name in names.items() if shape[axis] < 0}
    sizes = [
        default if size < 0 else size
        for size, default in zip(shape, network.input.shape, strict=True)
    ]
    sys.modules["onnx"] = _onnx_without_functions()
    graph: Any = io.BytesIO()  # it accepts a stream, although its types say otherwise
    with _convolutions_without_values(), _weights_apart(module) as weights:
        torch.onnx.export(
            module,
            (torch.zeros(sizes),),
            graph,
            # The exporter that is now the default needs onnxscript, and takes five times as long.
            dynamo=False,
            opset_version=OPSET,
            input_names=[network.input.name],
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys((network.input.name, *outputs), axes) if axes else None,
        )
    content = graph.getvalue()
    release_memory()

    def insert_values(tensor: ProtobufField) -> Iterator[bytes]:
        ((name,),) = read_texts(content, tensor, 8)
        values = encode_field(9, weights.pop(name).numpy().tobytes())
        yield content[tensor.start : tensor.end].removesuffix(_NO_VALUES) + values

    result.writelines(replace_fields(content, 7, 5, insert_values))  # the graph's initializers


@contextlib.contextmanager
def _weights_apart(module: Any) -> Iterator[dict[str, Any]]:
    """In this context, the exporter leaves the weights out of the ONNX, and frees those of the
    module: else it has four more copies of them at a time. They are in the dict, by name.
    """
    import torch

    graph_class: Any = torch._C.Graph
    export = graph_class._export_onnx
    weights: dict[str, Any] = {}

    def export_apart(
        graph: Any, initializers: dict[str, Any], opset: int, axes: Any, _defers: bool, *rest: Any
    ) -> tuple[bytes, dict[str, Any], bool, Any]:
        weights.update(initializers)
        module.to_empty(device="meta")
        content, _, *others = export(graph, initializers, opset, axes, True, *rest)
        return content, {}, *others

    graph_class._export_onnx = export_apart
    try:
        yield weights
    finally:
        graph_class._export_onnx = export


def _onnx_without_functions() -> Any:
    """What the exporter uses of the package onnx: it reads the file again, only to add functions of
    custom operators, which our networks do not have.

    In its place the package need not be installed, and the bytes cannot depend on whether it is.
    """

    def load(_content: bytes) -> Any:
        return SimpleNamespace(graph=SimpleNamespace(node=()))

    # The name that PyTorch uses has changed.
    return SimpleNamespace(load_from_string=load, load_model_from_string=load)


@contextlib.contextmanager
def _convolutions_without_values() -> Iterator[None]:
    """In this context, convolutions return tensors of the right shape without computing their
    values.

    The exporter runs a network once to record its operations, and discards the results: for an
    image of 512x512, computing them takes a third of the export's time. The bytes of the ONNX file
    do not change.
    """
    import torch

    operators: Any = torch.library  # its functions have no types
    library = operators.Library("aten", "IMPL")
    library.impl("_convolution", _empty_convolution, "CPU")
    try:
        yield
    finally:
        library._destroy()


def _empty_convolution(*arguments: Any) -> Any:
    """What stands for ``aten::_convolution`` on the CPU. Tensors on the device "meta" have a shape
    and no values.
    """
    import torch

    shapes = [each.to("meta") if isinstance(each, torch.Tensor) else each for each in arguments]
    return torch.empty_like(torch.ops.aten._convolution(*shapes), device="cpu")
