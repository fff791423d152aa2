"""Which decoder the outputs of a network are for, and which output plays which role.

Told by model.yml, by what the IR says of itself (``posezoo`` of our own conversion, ``model_info`` of Open
Model Zoo's), or else by the shapes and names of the outputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from posezoo.errors import DecoderError, InferenceError
from posezoo.pose.decoders import DECODERS, decoder_type
from posezoo.runtime.graph import Graph, Preprocessing, Shape
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

_Rule = Callable[[str, Shape], bool]


def _maps(channels: int) -> _Rule:
    """Maps of so many channels, first or last."""
    return lambda name, shape: len(shape) == 4 and _channels(shape) == channels


def _is_heatmaps_and_pafs(_name: str, shape: Shape) -> bool:
    """OpenPose's heatmaps and PAFs in one output, whose sides may be 17, 19 or 38 cells."""
    return len(shape) == 4 and 57 in (shape[1], shape[3])


def _is_embeddings(name: str, shape: Shape) -> bool:
    said = "embed" in name.lower() or "tag" in name.lower()
    return shape[1:2] == (17,) and (len(shape) == 5 or (len(shape) == 4 and said))


def _is_heatmaps(name: str, shape: Shape) -> bool:
    return shape[1:2] == (17,) and len(shape) == 4 and not _is_embeddings(name, shape)


def _is_simcc(axis: str) -> _Rule:
    """17 rows of bins, of one axis by the output's name."""
    return lambda name, shape: len(shape) == 3 and shape[1] == 17 and name.lower().endswith(axis)


#: What tells the outputs that a decoder needs, by role; the first decoder that finds all of its own is meant.
_RULES: dict[str, tuple[dict[str, _Rule], ...]] = {
    "lifting_3d": ({"coordinates": _maps(57), "heatmaps": _maps(19), "pafs": _maps(38)},),
    "openpose": (
        {"heatmaps": _maps(19), "pafs": _maps(38)},
        {"heatmaps_and_pafs": _is_heatmaps_and_pafs},
    ),
    "associative_embedding": (
        {
            "heatmaps": lambda name, shape: _is_heatmaps(name, shape) and "nms" not in name,
            "embeddings": _is_embeddings,
            "nms_heatmaps": lambda name, shape: _is_heatmaps(name, shape) and "nms" in name,
        },
        {"heatmaps": _is_heatmaps, "embeddings": _is_embeddings},
    ),
    "movenet": ({"keypoints": lambda name, shape: shape[1:] == (1, 17, 3)},),
    "heatmap": ({"heatmaps": _is_heatmaps},),
    "simcc": ({"simcc_x": _is_simcc("x"), "simcc_y": _is_simcc("y")},),
    "detection": ({"detections": lambda name, shape: len(shape) == 4 and shape[3] == 7},),
}

#: What a decoder needs, in words.
_NEEDS = {
    "openpose": "19 heatmaps and 38 PAFs",
    "associative_embedding": "17 heatmaps and 17 embeddings",
    "movenet": "17 keypoints",
    "heatmap": "17 heatmaps",
    "simcc": "17 rows of bins each for x and y",
    "lifting_3d": "57 location maps, 19 heatmaps and 38 PAFs",
    "detection": "boxes of 7 numbers",
}


def match_output_roles(model: ModelSpec | CompositeSpec, decoder: str, graph: Graph) -> dict[str, str]:
    """The names of the outputs that a decoder takes, by role.

    Args:
        model: whose outputs may declare their roles.
        decoder: a name of ``pose.decoders.DECODERS``.
        graph: the IR.

    Raises:
        DecoderError: the IR has other outputs than the decoder needs.
    """
    declared = _declared(model, decoder, graph)
    if declared:
        return declared
    found = _found(decoder, graph.outputs)
    if not found:
        raise decoder_mismatch_error(decoder, graph)
    return found


def _declared(model: ModelSpec | CompositeSpec, decoder: str, graph: Graph) -> dict[str, str]:
    """The same as the model declares it; empty where it does not, or of an IR that is another's."""
    if isinstance(model, CompositeSpec):
        return {}
    outputs = graph.outputs
    for rules in _RULES.get(decoder, ()):
        roles = {
            output.role: output.name
            for output in model.outputs
            if output.role in rules and output.name in outputs
        }
        if roles.keys() == rules.keys():
            return roles
    return {}


def _found(decoder: str, outputs: Mapping[str, Shape]) -> dict[str, str]:
    for rules in _RULES.get(decoder, ()):
        fitting = {
            role: [name for name, shape in outputs.items() if rule(name, shape)]
            for role, rule in rules.items()
        }
        if all(len(names) == 1 for names in fitting.values()):
            return {role: name for role, (name,) in fitting.items()}
    return {}


def decoder_mismatch_error(decoder: str, graph: Graph) -> DecoderError:
    """That the outputs of an IR are not those that a decoder needs."""
    outputs = graph.outputs
    fitting = next((name for name in _RULES if _found(name, outputs)), "")
    counts = [str(_channels(shape)) for shape in outputs.values()]
    there = " and ".join(counts) if counts else "no outputs"
    return DecoderError(
        f"{decoder} needs {_NEEDS.get(decoder, 'other outputs')}; this IR has {there}: {graph.path}",
        decoder=decoder,
        fitting=fitting,
        hint=f"such outputs are for {fitting}" if fitting else "",
    )


def _channels(shape: Shape) -> int:
    """How many there are, as far as that can be told: a side of a map may look like a number of channels."""
    known = (17, 19, 38, 57)
    return next((side for side in (shape[1:2] + shape[3:4]) if side in known), shape[1] if shape[1:] else 0)


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
        decoder_type(Decoder(decoder))
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
    for name in _RULES:
        if _found(name, graph.outputs):
            return Decoder(name)
    outputs = " and ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in graph.outputs.items())
    raise DecoderError(
        f"{graph.path}: no decoder is known for its outputs {outputs}",
        hint=f"there is {', '.join(DECODERS)}",
    )


#: What Open Model Zoo's Model API calls our decoders in ``model_info``, in small letters.
_MODEL_TYPES = {
    "openpose": "openpose",
    "hpe-assosiative-embedding": "associative_embedding",  # sic
    "hpe-associative-embedding": "associative_embedding",
    "keypoint_detection": "simcc",
}


def _said(graph: Graph) -> Decoder | None:
    """The decoder that the IR names, with its options."""
    ours = graph.read_rt_info("posezoo", "decoder")
    if ours in DECODERS:
        return Decoder(ours, _options(graph.read_rt_info("posezoo", "decoder_options")))
    reference = _MODEL_TYPES.get(graph.read_rt_info("model_info", "model_type").lower(), "")
    return Decoder(reference) if reference else None


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
