"""Export to OpenVINO Model Server, and to Triton Inference Server with its OpenVINO backend:
numbered version folders, and a configuration.

OpenVINO Model Server's config.json, which names all models there, is that of src/schema.cpp in
openvinotoolkit/model_server; its relative base_path starts at its own folder.

The rules of Triton's config.pbtxt are those of src/openvino.cc in
triton-inference-server/openvino_backend. It takes the names that OpenVINO gives first. A
max_batch_size of 0 means whole shapes, including the batch, unless all layouts in the IR have a
batch: Triton then replaces 0 by its default of 4, and expects shapes without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ExportError
from posezoo.export.documents import LABELS, render_documents
from posezoo.export.target_type import (
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    Port,
    render,
)
from posezoo.poses.decoders import find_decoder

#: The setting of OpenVINO without which many CPUs compute in bf16.
_F32 = {"INFERENCE_PRECISION_HINT": "f32"}
_LATEST = {"model_version_policy": {"latest": {"num_versions": 1}}}

#: Triton's types by OpenVINO's; the backend takes no others.
TYPES = {
    "boolean": "TYPE_BOOL",
    "f16": "TYPE_FP16",
    "f32": "TYPE_FP32",
    "i8": "TYPE_INT8",
    "i16": "TYPE_INT16",
    "i32": "TYPE_INT32",
    "i64": "TYPE_INT64",
    "u8": "TYPE_UINT8",
    "u16": "TYPE_UINT16",
    "u32": "TYPE_UINT32",
    "u64": "TYPE_UINT64",
}


def render_ovms(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """A new version if the IR differs from the latest one, and config.json."""
    yield from render_documents(model, OVMS)
    yield from model.ir_files(f"{model.name}/{folder.version(model)}")
    versions = [re.match(r"([^/]+)/\d+/", name) for name in folder.present]
    earlier = {version[1] for version in versions if version}
    configs = [
        {"config": {"name": name, "base_path": name, "plugin_config": _F32, **_LATEST}}
        for name in sorted({*earlier, model.name})
    ]
    yield ExportFile(
        "config.json", f"{json.dumps({'model_config_list': configs}, indent=2)}\n".encode()
    )


def render_triton(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """A new version if the IR differs from the latest one, and config.pbtxt."""
    yield from render_documents(model, TRITON)
    yield from model.ir_files(f"{model.name}/{folder.version(model, 'model')}", "model")
    batch = int(all(port.has_batch for port in (*model.inputs, *model.outputs)))
    lines = [_format_port("input", port, batch, model) for port in model.inputs]
    lines += [_format_port("output", port, batch, model) for port in model.outputs]
    is_classifier = model.decoder is not None and find_decoder(model.decoder.name).finds_classes
    if is_classifier and model.labels and len(model.outputs) == 1:
        lines[-1] = f"{lines[-1].removesuffix('}')}label_filename: {json.dumps(LABELS)} }}"
    text = render("config.pbtxt", name=json.dumps(model.name), batch=batch, ports="\n".join(lines))
    yield ExportFile(f"{model.name}/config.pbtxt", text)


def _format_port(kind: str, port: Port, batch: int, model: ExportedModel) -> str:
    if port.element_type not in TYPES:
        raise ExportError(
            f"{model.name}: Triton's OpenVINO backend has no type {port.element_type}"
        )
    dims = ", ".join(map(str, port.shape[batch:]))
    return (
        f"{kind} {{ name: {json.dumps(port.name)} data_type: {TYPES[port.element_type]} dims: ["
        f" {dims} ] }}"
    )


def _refuse_detector(_spec: ModelSpec, _detector: ModelSpec) -> str:
    return "a server runs each network alone"


OVMS = ExportTarget(
    summary=(
        "OpenVINO Model Server: config.json and numbered versions; the latest version is served"
    ),
    render=render_ovms,
    next_step=(
        "docker run --rm -p 9000:9000 -v {folder}:/models:ro openvino/model_server "
        "--config_path /models/config.json --port 9000"
    ),
    needs="The command needs docker, which downloads the server.",
    sets_type="the plugin_config in config.json",
    is_versioned=True,
    refuse_detector=_refuse_detector,
)

TRITON = ExportTarget(
    summary=(
        "Triton Inference Server with its OpenVINO backend: config.pbtxt and numbered versions; the"
        " latest is served"
    ),
    render=render_triton,
    next_step=(
        "docker run --rm -p 8001:8001 -v {folder}:/models:ro nvcr.io/nvidia/tritonserver:TAG "
        "tritonserver --model-repository /models"
    ),
    needs="The command needs docker; replace TAG by a release of Triton, such as 25.10-py3.",
    is_versioned=True,
    refuse_detector=_refuse_detector,
)
