"""Export to Node: a program for openvino-node that prints the people in a picture, for each
model.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.export.documents import render_documents
from posezoo.export.people_metadata import explain_unknown_crop, render_pipeline
from posezoo.export.people_programs import (
    INPUTS,
    NodeRuntime,
    render_facts,
    render_node_sample,
)
from posezoo.export.target_type import (
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    render,
    require_keypoints,
)


def render_node(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The model's IR, that of its detector, and the program."""
    require_keypoints(model.spec)
    yield from render_documents(model, TARGET)
    if model.detector:
        yield from render_documents(model.detector, TARGET, f"{model.name}/{model.detector.name}-")
    yield from render_pipeline(model, model.name)
    yield from render_facts(model, model.name, ".xml")
    network = render("network_openvino.mjs")
    yield from render_node_sample(
        model, NodeRuntime("openvino-node", "^2026.4.0", ">=21", network=network, suffix=".xml")
    )


TARGET = ExportTarget(
    summary="Node: for each model a program for openvino-node that finds people, and IR for it",
    render=render_node,
    require=require_keypoints,
    next_step="cd {folder}/{name} && npm install && node sample.mjs PICTURE",
    needs="The program needs Node 21 or later; npm installs openvino-node and sharp for it.",
    sets_f32="network.mjs",
    inputs=INPUTS,
    refuse_detector=explain_unknown_crop,
)
