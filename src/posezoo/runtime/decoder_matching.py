"""Which decoder the outputs of a network are for, and which output plays which role.

Told by model.yml, by what the IR says of itself (``posezoo`` of our own conversion, ``model_info`` of Open
Model Zoo's), or else by the shapes and names of the outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from posezoo.errors import DecoderError, InferenceError
from posezoo.pose.decoder_type import DecoderType, channel_count
from posezoo.pose.decoders import DECODERS, find_decoder
from posezoo.runtime.graph import Graph, Preprocessing
from posezoo.spec.model import (
    ColorOrder,
    CompositeSpec,
    Decoder,
    Family,
    Framework,
    Input,
    License,
    ModelSpec,
    Output,
)


def match_output_roles(model: ModelSpec | CompositeSpec, name: str, graph: Graph) -> dict[str, str]:
    """The names of the outputs that a decoder takes, by role.

    Args:
        model: its outputs may declare their roles.
        name: of the decoder.
        graph: the IR.

    Raises:
        DecoderError: the IR has other outputs than the decoder needs.
    """
    decoder, outputs = find_decoder(name), graph.outputs
    roles = _declared_roles(model, decoder, graph) or decoder.match_outputs(outputs)
    if roles:
        return roles
    fitting = _recognize(graph)
    channels = " and ".join(str(channel_count(shape)) for shape in outputs.values())
    raise DecoderError(
        f"{name} needs {decoder.needs}; this IR has {channels or 'no outputs'}: {graph.path}",
        decoder=name,
        fitting=fitting,
        hint=f"such outputs are for {fitting}" if fitting else "",
    )


def _declared_roles(model: ModelSpec | CompositeSpec, decoder: DecoderType, graph: Graph) -> dict[str, str]:
    """The roles that the model declares; empty if it declares none, or the IR is of another network."""
    if isinstance(model, CompositeSpec):
        return {}
    outputs = graph.outputs
    for rules in decoder.rules:
        roles = {
            output.role: output.name
            for output in model.outputs
            if output.role in rules and output.name in outputs
        }
        if roles.keys() == rules.keys():
            return roles
    return {}


def _recognize(graph: Graph) -> str:
    """The first decoder that the outputs fit; empty if there is none."""
    outputs = graph.outputs
    return next((name for name, decoder in DECODERS.items() if decoder.match_outputs(outputs)), "")


def describe_ir(graph: Graph, decoder: str | None = None) -> tuple[ModelSpec, Preprocessing]:
    """What an IR is, as a model.yml would declare it, and what it leaves to be done to its pictures.

    Args:
        graph: the IR.
        decoder: which decoder its outputs are for; None: as the IR says, else as they look.

    Raises:
        DecoderError: nobody knows which decoder they are for, or it needs others.
        InferenceError: there is no such decoder.
    """
    if decoder is not None:
        find_decoder(decoder)
    chosen = _decoder(graph, decoder)
    roles = match_output_roles(_spec(graph, None, {}), chosen.name, graph)
    spec = _spec(graph, chosen, {name: role for role, name in roles.items()})
    return spec, _preprocessing(graph)


def _decoder(graph: Graph, decoder: str | None) -> Decoder:
    said = _said(graph)
    if decoder is not None:
        return said if said is not None and said.name == decoder else Decoder(decoder)
    if said is not None:
        return said
    if name := _recognize(graph):
        return Decoder(name)
    outputs = " and ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in graph.outputs.items())
    raise DecoderError(
        f"{graph.path}: no decoder is known for its outputs {outputs}",
        hint=f"there is {', '.join(DECODERS.names())}",
    )


def _said(graph: Graph) -> Decoder | None:
    """The decoder that the IR names, with its options."""
    ours = graph.read_rt_info("posezoo", "decoder")
    if ours and DECODERS.find(ours) is not None:
        return Decoder(ours, _options(graph.read_rt_info("posezoo", "decoder_options")))
    model_type = graph.read_rt_info("model_info", "model_type").lower()
    names = (name for name, decoder in DECODERS.items() if model_type in decoder.omz_model_types)
    return next((Decoder(name) for name in names), None) if model_type else None


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}


def _spec(graph: Graph, decoder: Decoder | None, roles: Mapping[str, str]) -> ModelSpec:
    inputs = tuple(Input(name, shape, graph.image_layout(name)) for name, shape in graph.inputs.items())
    outputs = tuple(Output(name, shape, role=roles.get(name, "")) for name, shape in graph.outputs.items())
    return ModelSpec(
        name=graph.read_rt_info("posezoo", "model") or graph.path.stem,
        family=Family.PUBLIC,
        path=graph.path,
        description="",
        task="human_pose_estimation",
        framework=Framework.DLDT,
        license=License(),
        files=(),
        inputs=inputs,
        outputs=outputs,
        decoder=decoder,
        skeleton=graph.read_rt_info("posezoo", "skeleton"),
    )


def _preprocessing(graph: Graph) -> Preprocessing:
    """What Open Model Zoo's ``model_info`` asks for, unless the IR does it itself; ours does."""
    if graph.read_rt_info("posezoo", "model"):
        return Preprocessing(reverse_input_channels=graph.read_rt_info("posezoo", "color") == ColorOrder.RGB)
    if graph.read_rt_info("model_info", "embedded_processing") == "True":
        return Preprocessing()
    return Preprocessing(
        reverse_input_channels=graph.read_rt_info("model_info", "reverse_input_channels").lower()
        in ("true", "yes"),
        mean=_numbers(graph, "mean_values"),
        scale=_numbers(graph, "scale_values"),
    )


def _numbers(graph: Graph, name: str) -> tuple[float, ...]:
    text = graph.read_rt_info("model_info", name)
    try:
        return tuple(float(number) for number in text.replace(",", " ").strip("[]() ").split())
    except ValueError as error:
        raise InferenceError(f"{graph.path}: its model_info says {name} {text!r}: no numbers") from error
