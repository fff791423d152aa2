"""Export to KServe: an InferenceService for each model, served by OpenVINO Model Server.

The runtime kserve-openvino and its model format are those of extras/kserve/kserve-openvino.yaml in
openvinotoolkit/model_server. It serves numbered version folders below its storageUri.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from posezoo.export.documents import render_documents
from posezoo.export.target_type import (
    F32,
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    render,
)

#: What the user replaces if no --storage_uri was given.
PLACEHOLDER = "s3://BUCKET/FOLDER"


def render_kserve(model: ExportedModel, folder: ExportFolder) -> Iterator[ExportFile]:
    """A new version if the IR differs from the latest one, and NAME.yaml."""
    yield from render_documents(model, TARGET)
    yield from model.ir_files(f"{model.name}/{folder.version(model)}")
    # Kubernetes allows only these characters, and a letter at the beginning.
    service = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")
    if not service[:1].isalpha():
        service = f"model-{service}"
    uri = f"{(folder.storage_uri or PLACEHOLDER).rstrip('/')}/{model.name}"
    argument = json.dumps(f"--plugin_config={json.dumps(F32)}")
    names = {"name": model.name, "service": service, "uri": json.dumps(uri), "argument": argument}
    text = render("inference_service.yaml", **names)
    yield ExportFile(f"{model.name}.yaml", text)


TARGET = ExportTarget(
    summary=(
        "KServe: an InferenceService and numbered versions for each model; --storage_uri is the"
        " address of a copy of the folder"
    ),
    render=render_kserve,
    next_step="kubectl apply -f {folder}/{name}.yaml",
    needs=(
        "Copy the folder {name}, with its numbered versions, to the address that {name}.yaml names"
        " as storageUri. The cluster needs the runtime kserve-openvino:"
        " extras/kserve/kserve-openvino.yaml of openvinotoolkit/model_server."
    ),
    sets_f32=(
        "the argument --plugin_config in {name}.yaml, which KServe adds to those of its runtime,"
    ),
    is_versioned=True,
    takes_storage_uri=True,
    refuse_detector=lambda _spec, _detector: "a server runs each network alone",
)
