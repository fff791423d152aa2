"""Export to OpenVINO Model Server: numbered version folders, and config.json, which names all
models there.

The form of config.json is that of src/schema.cpp in openvinotoolkit/model_server. Its relative
base_path starts at its own folder, so the folder can be moved or mounted anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from posezoo.export.documents import render_documents
from posezoo.export.target_type import ExportedModel, ExportFile, ExportFolder, ExportTarget

#: The setting of OpenVINO without which many CPUs compute in bf16.
_F32 = {"INFERENCE_PRECISION_HINT": "f32"}
_LATEST = {"model_version_policy": {"latest": {"num_versions": 1}}}


def render_ovms(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """A new version if the IR differs from the latest one, and config.json."""
    yield from render_documents(model, TARGET)
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


TARGET = ExportTarget(
    summary=(
        "OpenVINO Model Server: config.json and numbered versions; the latest version is served"
    ),
    render=render_ovms,
    next_step=(
        "docker run --rm -p 9000:9000 -v {folder}:/models:ro openvino/model_server "
        "--config_path /models/config.json --port 9000"
    ),
    needs="The command needs docker, which downloads the server.",
    sets_f32="the plugin_config in config.json",
    is_versioned=True,
    refuse_detector=lambda _spec, _detector: "a server runs each network alone",
)
