"""Writes into an IR what follows its network: decoder, keypoints, and what finds the people."""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.errors import UnknownModelError
from posezoo.core.ir.ir_writer import MODEL_INFO, SECTION, build_rt_info
from posezoo.core.ir.people_metadata import PIPELINE, describe_people
from posezoo.core.resolve.stage_context import Context
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.runtime.decoder_matching import describe_pipeline
from posezoo.run.runtime.graph import Graph
from posezoo.run.subject import Subject, require_fitting, wrong_use


def state_pipeline(graph: Graph, subject: Subject, context: Context) -> None:
    """Write what the user says of a network into its metadata.

    Args:
        subject: the file of the network.
        context: finds a detector that the user names.

    Raises:
        InferenceError: it does not fit the network.
    """
    said = subject.said
    with wrong_use(said, UnknownModelError):
        model = describe_pipeline(graph, subject.like, said.options)
        require_fitting(model, said)
        if said.detector:
            model = replace(model, people=resolve_pipeline(model, context).people)
    facts = build_rt_info(replace(model, inputs=()), model.decoder)
    for name in ("decoder", "decoder_options", "skeleton", "own_skeleton"):
        if name in facts:
            graph.model.set_rt_info(facts[name], [SECTION, name])
    if subject.like and "labels" in subject.like.model_info:
        labels = f"{subject.like.model_info['labels']}"
        graph.model.set_rt_info(labels, [MODEL_INFO, "labels"])
    for name, value in describe_people(model.people).items():
        graph.model.set_rt_info(value, [SECTION, PIPELINE, name])
