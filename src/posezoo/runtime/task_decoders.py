"""Decoders of models that declare none, such as those of Open Model Zoo: by their task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from posezoo.errors import InferenceError
from posezoo.facts.labels import task_label
from posezoo.ir.model_procs import decoded_task, find_anchors
from posezoo.pose.decoder_type import Shape
from posezoo.pose.decoders import DECODERS
from posezoo.runtime.graph import NamedIrs, format_shape, read_graph
from posezoo.spec.model import Decoder, Model, ModelSpec


def has_task_decoder(model: Model) -> bool:
    """Whether the task of a model that declares no decoder has one."""
    tasks = {decoder.task for _, decoder in DECODERS.items()}
    return isinstance(model, ModelSpec) and decoded_task(model) in tasks


def require_decoded_task(model: Model) -> None:
    """Refuse a model whose task has no decoder, before anything is downloaded.

    Raises:
        InferenceError: the model declares no decoder, and its task has none.
    """
    if not isinstance(model, ModelSpec) or model.decoder or model.composite:
        return
    if model.task.startswith("human_pose_estimation"):
        return  # its outputs may name a decoder
    if has_task_decoder(model):
        return
    raise InferenceError(
        f"{model.name} is for {task_label(model.task).lower()}, which posezoo does not run: it runs"
        " models for human pose estimation, detection and classification",
        hint=f"posezoo get {model.name} makes its IR",
    )


def find_task_decoder(spec: ModelSpec, outputs: Mapping[str, Shape]) -> Decoder | None:
    """The decoder of a model that declares none, by its task and the shapes of its outputs; None if
    there is none.
    """
    task = decoded_task(spec)
    for name, decoder in DECODERS.items():
        if decoder.task == task and decoder.recognize_outputs(outputs):
            return Decoder(name, {**decoder.task_options, **find_anchors(spec.name)})
    return None


def with_task_decoder(model: ModelSpec, irs: NamedIrs) -> tuple[ModelSpec, NamedIrs]:
    """A model with the decoder that its task and its outputs name, and its IR, which was read for
    it; unchanged if it declares a decoder.

    Raises:
        InferenceError: no decoder of its task takes its outputs.
    """
    if model.decoder or model.composite:
        return model, irs
    graph = read_graph(irs[model.name])
    outputs = graph.distinct_outputs
    decoder = find_task_decoder(model, outputs)
    if decoder:
        return replace(model, decoder=decoder), {**irs, model.name: graph}
    shapes = ", ".join(f"{name} {format_shape(shape)}" for name, shape in outputs.items())
    raise InferenceError(
        f"{model.name}: no decoder for {task_label(model.task).lower()} takes its outputs {shapes}"
    )
