"""Find the decoder for a network's outputs, and the role of each output.

Both come from model.yml, or from the IR's metadata (``posezoo`` from our own conversion,
``model_info`` from Open Model Zoo's), or else from the shapes and names of the outputs; for a model
of Open Model Zoo that declares no decoder, also from its task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from posezoo.errors import DecoderError, InferenceError
from posezoo.facts.labels import task_label
from posezoo.ir.model_procs import decoded_task, find_anchors
from posezoo.pose.decoder_type import DecoderType, Shape, channel_count
from posezoo.pose.decoders import DECODERS, find_decoder, recognize_decoder, with_all_classes
from posezoo.registry import open_registry
from posezoo.runtime.graph import (
    Graph,
    NamedIrs,
    Preprocessing,
    format_shape,
    is_named_original,
    read_graph,
)
from posezoo.spec.model import (
    ColorOrder,
    Decoder,
    Family,
    Framework,
    Input,
    License,
    Model,
    ModelSpec,
    Output,
    finds_poses,
    with_skeleton,
)
from posezoo.spec.skeleton import Skeleton

#: The license of Ultralytics' weights, and of what its users train from them.
AGPL = "AGPL-3.0-only"

_NO_DECODER = (
    "no decoder takes such outputs; if this is a part of a model, give the name of the whole model"
)


def match_output_roles(model: Model, name: str, graph: Graph) -> dict[str, str]:
    """The names of the outputs that a decoder takes, by role.

    Args:
        model: the model, whose outputs may declare their roles.
        name: the decoder's name.
        graph: the IR.

    Raises:
        DecoderError: the IR does not have the outputs that the decoder needs.
    """
    if graph.decoded_outputs:
        return {output: output for output in graph.decoded_outputs}
    decoder = find_decoder(name)
    outputs = graph.distinct_outputs
    exported = _ultralytics_decoder(graph)
    if exported and exported.name == name and len(outputs) == 1:
        return {"predictions": next(iter(outputs))}
    roles = _declared_roles(model, decoder, graph) or decoder.match_outputs(outputs)
    if not roles:
        raise _refuse_outputs(graph, name)
    return roles


def _declared_roles(model: Model, decoder: DecoderType, graph: Graph) -> dict[str, str]:
    """The outputs with the roles that model.yml declares; none if the decoder needs others."""
    ports = model.outputs if isinstance(model, ModelSpec) else ()
    declared = {port.role: port.name for port in ports if port.name in graph.outputs}
    for rules in decoder.rules:
        if rules.keys() <= declared.keys():
            return {role: output for role, output in declared.items() if role in rules}
    return {}


def _refuse_outputs(graph: Graph, name: str) -> DecoderError:
    fitting = recognize_decoder(graph.distinct_outputs)
    shapes = graph.distinct_outputs.values()
    channels = " and ".join(str(channel_count(shape)) for shape in shapes)
    return DecoderError(
        f"{name} needs {find_decoder(name).needs}; "
        f"this IR has {channels or 'no outputs'}: {graph.path}",
        decoder=name,
        fitting=fitting,
        hint=f"such outputs are for {fitting}" if fitting else _NO_DECODER,
    )


def describe_ir(
    graph: Graph,
    decoder: str | None = None,
    like: ModelSpec | None = None,
    task: str = "",
    skeleton: Skeleton | None = None,
) -> tuple[ModelSpec, Preprocessing]:
    """The specification that a model.yml would give for an IR, and the preprocessing that the IR
    needs.

    Args:
        graph: the IR.
        decoder: the decoder for its outputs; None: the one that the IR's metadata names, or else
            the one that the outputs fit.
        like: a model whose original takes such images and has such outputs, if the IR's metadata
            say nothing; None: images are not changed.
        task: ``detection`` or ``classification``, whose decoder is found as for a model of Open
            Model Zoo, if there is no ``like``; empty: the decoder is of people.
        skeleton: that the user names; one with part affinity fields is for the decoder openpose.

    Raises:
        DecoderError: no decoder is known for the outputs, or the decoder needs others.
        InferenceError: there is no such decoder, or nothing says how images are prepared.
    """
    if like and states_preprocessing(graph):
        raise InferenceError(
            f"{graph.path}: says itself how images are prepared for it", hint="leave out --as"
        )
    selected = None
    if like or not task:
        selected = _select_decoder(graph, decoder, like, skeleton)
    if like:
        preprocessing = original_preprocessing(like)
    else:
        preprocessing = _read_preprocessing(graph, selected.name if selected else task)
    spec = ModelSpec(
        name=graph.read_rt_info("posezoo", "model") or graph.path.stem,
        family=Family.PUBLIC,
        path=graph.path,
        description="",
        task=task or "human_pose_estimation",
        framework=Framework.DLDT,
        license=License(spdx=AGPL if graph.ultralytics else ""),
        files=(),
        inputs=tuple(
            Input(name, shape, graph.image_layout(name)) for name, shape in graph.inputs.items()
        ),
        outputs=(),
        decoder=selected,
        skeleton=graph.read_rt_info("posezoo", "skeleton"),
    )
    if selected is None:
        return spec, preprocessing
    spec = with_skeleton(spec, _read_skeleton(graph, spec.skeleton))
    roles = {name: role for role, name in match_output_roles(spec, selected.name, graph).items()}
    outputs = (
        Output(name, shape, role=roles.get(name, ""))
        for name, shape in graph.distinct_outputs.items()
    )
    return replace(spec, outputs=tuple(outputs)), preprocessing


def states_preprocessing(graph: Graph) -> bool:
    """Whether the IR's metadata say how images are prepared for it."""
    names = ("embedded_processing", "reverse_input_channels", "mean_values", "scale_values")
    in_model_info = (graph.read_rt_info("model_info", name) for name in names)
    is_ours = graph.read_rt_info("posezoo", "model")
    return bool(is_ours or graph.ultralytics or any(in_model_info))


def find_similar(graph: Graph, decoder: str) -> ModelSpec | None:
    """The first model of the zoo with this decoder and images of the same size, for an IR whose
    metadata say nothing; None if there is none.
    """
    if states_preprocessing(graph):
        return None
    sizes = [graph.image_size(name, graph.image_layout(name)) for name in graph.inputs]
    registry = open_registry()
    for model in map(registry.find, registry.entries):
        if not isinstance(model, ModelSpec) or not model.decoder or model.decoder.name != decoder:
            continue
        sides = model.inputs[0].sides
        if sizes == [(sides["W"], sides["H"])]:
            return model
    return None


def original_preprocessing(model: ModelSpec) -> Preprocessing:
    """What the original of a model leaves to the caller."""
    image = model.inputs[0]
    is_rgb = image.color is ColorOrder.RGB
    if image.color is None:  # as in Open Model Zoo
        is_rgb = image.reverse_input_channels
    return Preprocessing("", is_rgb, image.mean, image.scale)


def _read_skeleton(graph: Graph, name: str) -> Skeleton | None:
    """The skeleton in an IR's metadata; a SpecError if it has a mistake."""
    text = graph.read_rt_info("posezoo", "own_skeleton")
    if not text:
        return None
    from posezoo.spec.skeleton_yml import parse_skeleton

    return parse_skeleton(name, text, f"{graph.path} (own_skeleton)")


def _select_decoder(
    graph: Graph, name: str | None, like: ModelSpec | None, skeleton: Skeleton | None
) -> Decoder:
    """The decoder, with its options from the IR's metadata if that names the same decoder, or that
    of a model.
    """
    if like and like.decoder is None:
        raise InferenceError(f"{like.full_name}: has no decoder", hint="name a model of poses")
    if like and like.decoder is not None:
        return _with_classes(like.decoder, graph, like)
    named = _named_decoder(graph)
    if named:
        if name in (None, named.name):
            return named
        if graph.decoded_outputs:
            problem = f"{graph.path}: contains the decoder {named.name}, not {name}"
            raise DecoderError(problem, decoder=name or "", fitting=named.name)
    if name is not None:
        find_decoder(name)
        return Decoder(name)
    return _ultralytics_decoder(graph) or _recognize_decoder(graph, skeleton)


def _recognize_decoder(graph: Graph, skeleton: Skeleton | None) -> Decoder:
    """The decoder that the outputs fit; those of OpenPose also by the fields of a skeleton."""
    if recognized := recognize_decoder(graph.distinct_outputs):
        return _with_classes(Decoder(recognized), graph)
    openpose = find_decoder("openpose")
    if skeleton and skeleton.fields and openpose.match_outputs(graph.distinct_outputs):
        return Decoder("openpose")
    outputs = " and ".join(
        f"{output} {format_shape(shape)}" for output, shape in graph.distinct_outputs.items()
    )
    raise DecoderError(
        f"{graph.path}: no decoder is known for its outputs {outputs}",
        hint=f"the decoders: {', '.join(DECODERS.names())}",
    )


def _ultralytics_decoder(graph: Graph) -> Decoder | None:
    """The decoder of a pose model that Ultralytics exported; None for any other graph."""
    try:
        _count, values = map(int, graph.ultralytics["kpt_shape"])
        classes = len(graph.ultralytics["names"])
    except (KeyError, TypeError, ValueError):
        return None
    return Decoder("yolo_pose", {"classes": classes, "values": values})


def _named_decoder(graph: Graph) -> Decoder | None:
    """The decoder that the IR's metadata names."""
    name = graph.read_rt_info("posezoo", "decoder")
    if name and DECODERS.find(name):
        try:
            options = json.loads(graph.read_rt_info("posezoo", "decoder_options") or "{}")
        except ValueError:
            options = {}
        return Decoder(name, options if isinstance(options, dict) else {})
    model_type = graph.read_rt_info("model_info", "model_type").lower()
    if model_type:
        for other, decoder in DECODERS.items():
            if model_type in decoder.omz_model_types:
                return _with_classes(Decoder(other), graph)
    return None


def _with_classes(decoder: Decoder, graph: Graph, like: ModelSpec | None = None) -> Decoder:
    """A decoder of people; it finds all classes if the IR names them, or has not those of the model
    that it is like.
    """
    record = find_decoder(decoder.name)
    is_other = False
    if like and record.finds_boxes:
        columns = {shape[-1] for shape in graph.distinct_outputs.values()}
        is_other = columns != {output.shape[-1] for output in like.outputs}
    if is_other or graph.read_rt_info("model_info", "labels"):
        return with_all_classes(decoder)
    return decoder


def _read_preprocessing(graph: Graph, decoder: str) -> Preprocessing:
    """The preprocessing from Open Model Zoo's ``model_info``, unless the IR does it itself, as ours
    do.
    """
    if graph.read_rt_info("posezoo", "model"):
        return Preprocessing(
            reverse_input_channels=graph.read_rt_info("posezoo", "color") == ColorOrder.RGB
        )
    if graph.read_rt_info("model_info", "embedded_processing") == "True":
        return Preprocessing()
    if is_named_original(graph.path):
        return _read_onnx_preprocessing(graph, decoder)
    is_reversed = graph.read_rt_info("model_info", "reverse_input_channels").lower()
    return Preprocessing(
        reverse_input_channels=is_reversed in ("true", "yes"),
        mean=_read_numbers(graph, "mean_values"),
        scale=_read_numbers(graph, "scale_values"),
    )


def _read_onnx_preprocessing(graph: Graph, decoder: str) -> Preprocessing:
    """That of Ultralytics' exports, which is in its code; other files do not state theirs."""
    if graph.ultralytics:
        return Preprocessing(reverse_input_channels=True, scale=(255.0,))
    similar = find_similar(graph, decoder)
    hint = "posezoo new drafts a model.yml: state color, mean, scale and decoder there"
    if similar:
        hint = f"is it like {similar.name}? posezoo run FILE --as {similar.name}; else {hint}"
    raise InferenceError(
        f"{graph.path}: does not say how images are prepared for it: its outputs fit {decoder}",
        hint=hint,
    )


def _read_numbers(graph: Graph, name: str) -> tuple[float, ...]:
    text = graph.read_rt_info("model_info", name)
    try:
        return tuple(map(float, text.replace(",", " ").strip("[]() ").split()))
    except ValueError as error:
        raise InferenceError(
            f"{graph.path}: {name} in its model_info is {text!r}, expected numbers"
        ) from error


def undeclared_task(model: Model) -> str:
    """The task of a model that declares no decoder, such as those of Open Model Zoo; empty for one
    of poses, as for any other model.
    """
    if not isinstance(model, ModelSpec) or model.decoder or finds_poses(model):
        return ""
    return decoded_task(model)


def has_task_decoder(model: Model) -> bool:
    """Whether the task of a model that declares no decoder has one."""
    tasks = {decoder.task for _, decoder in DECODERS.items()}
    if not isinstance(model, ModelSpec) or model.composite:
        return False
    return finds_poses(model) or decoded_task(model) in tasks


def explain_undecoded(model: Model) -> str:
    """Why no decoder is for a model; empty if it declares one, or if its task has one."""
    if model.decoder or has_task_decoder(model):  # of a model of poses, the outputs may name one
        return ""
    task = task_label(model.task).lower()
    if model.composite:
        return f"is a part of {model.composite}, and is not run alone"
    if model.stages:
        return f"has several networks for {task}, and no decoder for their outputs"
    return (
        f"is for {task}, which posezoo does not run: it runs models for human pose estimation,"
        " detection and classification"
    )


def require_decoded_task(model: Model) -> None:
    """Refuse a model whose outputs have no decoder, before anything is downloaded.

    Raises:
        InferenceError: the model declares no decoder, and its task has none.
    """
    if reason := explain_undecoded(model):
        hint = f"posezoo get {model.name} makes its IR"
        raise InferenceError(f"{model.name} {reason}", hint=hint)


def find_task_decoder(spec: ModelSpec, outputs: Mapping[str, Shape]) -> Decoder | None:
    """The decoder of a model that declares none, by its task and the shapes of its outputs; None if
    there is none.
    """
    if finds_poses(spec):
        recognized = recognize_decoder(outputs)
        return Decoder(recognized) if recognized else None
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
