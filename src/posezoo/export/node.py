"""Export to Node: a program for openvino-node that prints the people in a picture, for each
model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from posezoo.core.resolve.input_options import InputOptions
from posezoo.export.documents import render_documents
from posezoo.export.target_type import (
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    render,
    require_keypoints,
)


def render_node(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The model's IR, and the program."""
    require_keypoints(model.spec)
    shapes = {port.name: port.shape for port in model.outputs}
    names = model.model_info.get("labels", "").split()
    count = shapes["keypoints"][1] if "keypoints" in shapes else len(names)
    if len(names) != count:
        names = list(map(str, range(count)))
    yield from render_documents(model, TARGET)
    yield from model.ir_files(model.name)
    sample = render("sample.mjs", name=model.name, names=json.dumps(names))
    yield ExportFile(f"{model.name}/sample.mjs", sample)
    yield ExportFile(f"{model.name}/package.json", render("package.json", name=model.name))


TARGET = ExportTarget(
    summary="Node: for each model a program of 30 lines for openvino-node, and an IR for it",
    render=render_node,
    require=require_keypoints,
    next_step="cd {folder}/{name} && npm install && node sample.mjs PICTURE",
    needs="The program needs Node 21 or later; npm installs openvino-node and sharp for it.",
    sets_f32="sample.mjs",
    inputs=InputOptions(element_type="u8", layout="NHWC", resize=True, decode=True),
)
