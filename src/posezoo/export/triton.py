"""Export to Triton Inference Server with its OpenVINO backend: config.pbtxt, and numbered versions.

The rules are those of src/openvino.cc in triton-inference-server/openvino_backend: it takes the names of the
tensors that OpenVINO gives first, and with a max_batch_size of 0 the whole shapes, including the batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from posezoo.errors import ExportError
from posezoo.export.target_type import ExportedModel, ExportFile, ExportFolder, ExportTarget, Port, render

#: Triton's types by OpenVINO's; the backend takes no others.
TYPES = {
    "boolean": "TYPE_BOOL",
    **{f"f{bits}": f"TYPE_FP{bits}" for bits in (16, 32)},
    **{f"i{bits}": f"TYPE_INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"TYPE_UINT{bits}" for bits in (8, 16, 32, 64)},
}


def draw_triton(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """A new version if the IR differs from the latest one, and config.pbtxt."""
    yield from model.ir_files(f"{model.name}/{folder.version(model, 'model')}", "model")
    lines = [_format_port("input", port, model) for port in model.inputs]
    lines += [_format_port("output", port, model) for port in model.outputs]
    text = render("config.pbtxt", name=json.dumps(model.name), ports="\n".join(lines))
    yield ExportFile(f"{model.name}/config.pbtxt", text)


def _format_port(kind: str, port: Port, model: ExportedModel) -> str:
    if port.element_type not in TYPES:
        raise ExportError(f"{model.name}: Triton's OpenVINO backend has no type {port.element_type}")
    dims = ", ".join(map(str, port.shape))
    return (
        f"{kind} {{ name: {json.dumps(port.name)} data_type: {TYPES[port.element_type]} dims: [ {dims} ] }}"
    )


TARGET = ExportTarget(
    summary="Triton Inference Server with its OpenVINO backend: config.pbtxt and numbered versions; the "
    "latest is served",
    draw=draw_triton,
    next_step="docker run --rm -p 8001:8001 -v {folder}:/models:ro nvcr.io/nvidia/tritonserver:TAG "
    "tritonserver --model-repository /models --disable-auto-complete-config",
    checked_by="Tests parse config.pbtxt with the protocol buffers of tritonclient 2.73.0, and compare "
    "names, types and shapes with those of the IR.",
    is_versioned=True,
)
