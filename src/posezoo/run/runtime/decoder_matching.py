"""Find the decoder for a network's outputs, and the role of each output.

Both come from model.yml, or from the IR's metadata (``posezoo`` from our own conversion,
``model_info`` from Open Model Zoo's), or else from the outputs; for Open Model Zoo's models, also
from the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

from posezoo.console.labels import task_label
from posezoo.core.declarations.model import (
    Decoder,
    Family,
    Framework,
    Input,
    License,
    Model,
    ModelSpec,
    Output,
    PairLimits,
    People,
    finds_poses,
    with_skeleton,
)
from posezoo.core.declarations.model_files import ULTRALYTICS_FILE
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS, describe_assumed
from posezoo.core.errors import DecoderError, InferenceError, sanitize
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.registry import format_command
from posezoo.poses.decoder_type import DecoderType, NetworkFacts, Shape
from posezoo.poses.decoders import (
    DECODERS,
    MASKS,
    explain_unread_network,
    find_decoder,
    name_unread_network,
    recognize_decoder,
    require_masks,
    require_named_decoder,
    resolve_options,
    with_all_classes,
    with_decoder_options,
)
from posezoo.poses.keypoints import require_count
from posezoo.poses.yolo_pose import CELLS, SUPPRESSED, are_predictions
from posezoo.run.model_procs import decoded_task, find_anchors
from posezoo.run.preparation import advise_new, require_statement
from posezoo.run.runtime.graph import (
    Graph,
    NamedIrs,
    format_shape,
    is_named_original,
    read_graph,
)
from posezoo.run.runtime.input_description import (
    InputDescription,
    are_heatmaps,
    count_keypoints,
    describe_stated_input,
    input_size,
)
from posezoo.run.runtime.runtime_config import LoadOptions

#: The license of Ultralytics' weights, and of what its users train from them.
AGPL = "AGPL-3.0-only"

_NO_DECODER = (
    "no decoder takes such outputs; if this is a part of a model, give the name of the whole model"
)


def match_output_roles(model: Model, name: str, graph: Graph) -> dict[str, str]:
    """The names of the outputs that a decoder takes, by role.

    Args:
        model: its outputs may declare their roles; with a skeleton of its own, it takes outputs
            that fit another decoder, too.

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
    if declared := _declared_roles(model, decoder, graph):
        return declared
    roles = decoder.match_outputs(outputs)
    if roles and _are_likely(roles, decoder, graph, has_skeleton=bool(model.own_skeleton)):
        return roles
    if by_place := _match_by_place(decoder, graph, model.decoder):
        return by_place
    raise _refuse_outputs(graph, name)


def _match_by_place(
    record: DecoderType, graph: Graph, decoder: Decoder | None = None
) -> dict[str, str]:
    """The outputs by role, if none has a name: those whose sizes follow from the input's are told
    by these, and by their order if the sizes are equal, as of simcc for a square.
    """
    if not graph.unnamed:
        return {}
    outputs = graph.distinct_outputs
    roles = [output.role for output in record.networks[-1]]
    if not {*outputs}.issubset(graph.unnamed) or not len(outputs) == len(roles) > 1:
        return {}
    is_same = decoder and find_decoder(decoder.name) is record
    options = resolve_options(decoder) if decoder and is_same else record.options()
    width, height = input_size(graph)
    keypoints = {shape[1] for shape in outputs.values() if len(shape) > 1}
    facts = NetworkFacts(width, height, keypoints=min(keypoints, default=-1))
    sizes = record.sizes(facts, options)
    for order in permutations(outputs):
        named = dict(zip(roles, order, strict=True))
        if all(outputs[name] == sizes.get(role) for role, name in named.items()):
            return named
    return {}


def _are_likely(
    roles: Mapping[str, str], decoder: DecoderType, graph: Graph, *, has_skeleton: bool
) -> bool:
    outputs = graph.distinct_outputs
    fitting = recognize_decoder(outputs)
    taken_by_other = find_decoder(fitting).recognize_outputs(outputs) if fitting else {}
    if len(taken_by_other) > len(roles):
        return False
    if has_skeleton or decoder.recognize_outputs(outputs):
        return True
    maps = [output.role for output in decoder.networks[-1] if len(output.shape) == 4]
    return not fitting and all(are_heatmaps(graph, outputs[roles[role]]) for role in maps)


def _declared_roles(model: Model, decoder: DecoderType, graph: Graph) -> dict[str, str]:
    ports = model.outputs if isinstance(model, ModelSpec) else ()
    declared = {port.role: port.name for port in ports if port.name in graph.outputs}
    for rules in decoder.rules:
        if rules.keys() <= declared.keys():
            return {role: output for role, output in declared.items() if role in rules}
    return {}


def _refuse_outputs(graph: Graph, name: str, model_type: str = "") -> DecoderError:
    fitting = recognize_decoder(graph.distinct_outputs)
    others = [fitting] if fitting else list(_list_fitting(graph))
    hint = _NO_DECODER
    if others:
        named = " or ".join(f"--decoder {other}" for other in others)
        hint = advise_new(graph.path, named, ", if it reads them")
    source = f", whose model_info says model_type {model_type}" if model_type else ""
    return DecoderError(
        f"{name} needs {find_decoder(name).needs}; "
        f"the IR has {format_outputs(graph)}: {graph.path}{source}",
        decoder=name,
        fitting=others[0] if len(others) == 1 else "",
        hint=hint,
    )


def describe_network(
    graph: Graph, task: str, decoder: Decoder | None, like: ModelSpec | None
) -> ModelSpec:
    """The specification of an IR, without its outputs."""
    inputs = (Input(name, shape, graph.image_layout(name)) for name, shape in graph.inputs.items())
    spec = ModelSpec(
        name=graph.read_rt_info("posezoo", "model") or graph.path.stem,
        family=Family.PUBLIC,
        path=graph.path,
        description="",
        task=task,
        framework=Framework.DLDT,
        license=License(spdx=AGPL if graph.ultralytics else ""),
        files=(),
        inputs=tuple(inputs),
        outputs=(),
        decoder=decoder,
        people=like.people if like else _read_people(graph),
        skeleton=graph.read_rt_info("posezoo", "skeleton"),
    )
    return with_skeleton(spec, decoder.skeleton if decoder else None)


def _read_people(graph: Graph) -> People | None:
    read = graph.read_pipeline
    photo = read("photo")
    if not photo:
        return None
    score = read("whole_image")
    try:
        whole_image = float(score) if score else None
    except ValueError:
        raise InferenceError(
            f"{graph.path}: whole_image in its rt_info is {score!r}, expected a number",
            hint="make the IR again",
        ) from None
    return People(photo, read("video") or photo, whole_image, _read_limits(graph))


def _read_limits(graph: Graph) -> dict[str, PairLimits]:
    try:
        declared = parse_json((graph.read_pipeline("detectors") or "{}").encode())
        return {
            detector: PairLimits(**{name: float(limit) for name, limit in limits.items()})
            for detector, limits in declared.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise graph.refuse("detectors", f"cannot be read: {error}") from error


def _with_outputs(spec: ModelSpec, graph: Graph) -> ModelSpec:
    roles: dict[str, str] = {}
    if spec.decoder:
        matched = match_output_roles(spec, spec.decoder.name, graph)
        roles = {name: role for role, name in matched.items()}
    outputs = (
        Output(name, shape, role=roles.get(name, ""))
        for name, shape in graph.distinct_outputs.items()
    )
    return replace(spec, outputs=tuple(outputs))


def describe_ir(
    graph: Graph,
    decoder: str | None = None,
    like: ModelSpec | None = None,
    options: LoadOptions | None = None,
) -> tuple[ModelSpec, InputDescription]:
    """The specification that a model.yml would give for an IR, and the description of its input.

    Args:
        decoder: None: the one that the IR's metadata names, or that the outputs fit.
        like: a model with such images and outputs, if the IR's metadata say nothing.
        options: with what the user states, which replaces what the IR states; a skeleton with part
            affinity fields is for the decoder openpose.

    Raises:
        DecoderError: no decoder is known for the outputs, or the decoder needs others.
        InferenceError: there is no such decoder, or nothing says how images are prepared, or what
            is stated contradicts the network.
    """
    options = options or LoadOptions()
    selected = select_decoder(graph, decoder or options.decoder, like, options)
    if options.skeleton:
        selected = replace(selected, skeleton=options.skeleton)
    require_statement(graph, like, is_given=options.states_preprocessing)
    description = options.override(describe_stated_input(graph, selected, like))
    spec = describe_network(graph, "human_pose_estimation", selected, like)
    _refuse_quantized_outputs(graph)
    return _with_keypoints(spec, graph, description, like, options), description


def describe_pipeline(graph: Graph, like: ModelSpec | None, options: LoadOptions) -> ModelSpec:
    """As ``describe_ir``, for an IR of which it does not matter how images are prepared."""
    decoder = select_decoder(graph, options.decoder, like, options)
    spec = describe_network(graph, "", decoder, like)
    description = describe_stated_input(graph, decoder, like)
    return _with_keypoints(spec, graph, description, like, options)


def _refuse_quantized_outputs(graph: Graph) -> None:
    """Of whole numbers of 8 bits, scale and zero point are not in the IR."""
    for port in graph.model.outputs:
        if port.get_element_type().get_type_name() in ("i8", "u8"):
            raise DecoderError(
                f"{graph.path}: its output {min(port.names)} has whole numbers of 8 bits, and"
                " nothing says what they stand for",
                hint="convert an export with float inputs and outputs, such as Ultralytics'"
                " *_integer_quant.tflite or *_float32.tflite",
            )


def _with_keypoints(
    spec: ModelSpec,
    graph: Graph,
    description: InputDescription,
    like: ModelSpec | None,
    options: LoadOptions,
) -> ModelSpec:
    skeleton = options.skeleton or stated_skeleton(graph, spec, description)
    spec = _with_outputs(with_skeleton(spec, skeleton), graph)
    if options.skeleton:
        _require_keypoints(graph, spec, options.skeleton)
    return replace(spec, assumption=find_assumption(graph, spec, like))


def _require_keypoints(graph: Graph, spec: ModelSpec, skeleton: Skeleton) -> None:
    assert spec.decoder
    resolve_options(spec.decoder)  # it may have a skeleton of its own
    if count := count_spec_keypoints(graph, spec):
        require_count(skeleton, count)


def count_spec_keypoints(graph: Graph, spec: ModelSpec) -> int:
    """``count_keypoints``, of a model with a decoder that ``describe_ir`` returns."""
    assert spec.decoder
    roles = {port.role: port.name for port in spec.outputs if port.role}
    return count_keypoints(graph, spec.decoder, roles)


def find_assumption(graph: Graph, spec: ModelSpec, like: ModelSpec | None) -> str:
    """What is assumed about the keypoints of an IR that nothing names; empty if they are named."""
    assert spec.decoder
    if spec.skeleton or spec.decoder.skeleton or not find_decoder(spec.decoder.name).takes_skeleton:
        return ""
    count = count_spec_keypoints(graph, spec)
    if like and count in (0, len(SKELETONS[like.skeleton].keypoints) if like.skeleton else 0):
        return ""
    return f"{graph.path}: {describe_assumed(count)}" if count else ""


def describe_undecoded(
    graph: Graph, like: ModelSpec | None, options: LoadOptions
) -> tuple[ModelSpec, InputDescription]:
    """As ``describe_ir``, for an IR whose outputs no decoder takes."""
    spec = describe_network(graph, "", None, None)
    description = options.override(describe_stated_input(graph, None, like))
    return _with_outputs(spec, graph), description


def stated_skeleton(
    graph: Graph, spec: ModelSpec, description: InputDescription
) -> Skeleton | None:
    """The skeleton in an IR's metadata; a SpecError if it has a mistake."""
    if description.skeleton:
        return description.skeleton
    text = graph.read_rt_info("posezoo", "own_skeleton")
    if not text:
        return None
    from posezoo.core.declarations.skeleton_yml import parse_skeleton

    return parse_skeleton(spec.skeleton, text, f"{graph.path} (own_skeleton)")


def select_decoder(
    graph: Graph, name: str | None, like: ModelSpec | None, options: LoadOptions
) -> Decoder:
    """The decoder, with its options from the metadata of the IR, or that of a model."""
    decoder = _find_decoder(graph, name, like, options)
    if options.decoder_options.get(MASKS):
        require_masks(decoder.name, graph.path.stem)
    return with_decoder_options(decoder, options.decoder_options)


def _find_decoder(
    graph: Graph, name: str | None, like: ModelSpec | None, options: LoadOptions
) -> Decoder:
    if like and like.decoder:
        require_named_decoder(name, like)
        return _with_classes(like.decoder, graph, like)
    named = _named_decoder(graph, is_chosen=name is not None)
    if named:
        if name in (None, named.name):
            return named
        if graph.decoded_outputs:
            problem = f"{graph.path}: contains the decoder {named.name}, not {name}"
            raise DecoderError(problem, decoder=name or "", fitting=named.name)
    selected = _ultralytics_decoder(graph)
    if name is None:
        selected = selected or _recognize_decoder(graph, options.skeleton)
    elif selected is None or selected.name != name:
        find_decoder(name)
        selected = Decoder(name)
    return _with_classes(selected, graph)


def format_outputs(graph: Graph) -> str:
    """The names and shapes of an IR's outputs, for messages."""
    return _format_ports(graph.distinct_outputs)


def _format_ports(shapes: Mapping[str, Shape]) -> str:
    return " and ".join(f"{name} {format_shape(shape)}" for name, shape in shapes.items()) or "none"


def _recognize_decoder(graph: Graph, skeleton: Skeleton | None) -> Decoder:
    """The decoder that the outputs fit; those of YOLO-pose also by the keypoints of a skeleton, and
    those of OpenPose by its fields.
    """
    if recognized := recognize_decoder(graph.distinct_outputs):
        _require_model_type(graph, find_decoder(recognized))
        return Decoder(recognized)
    counts = {len(skeleton.keypoints)} if skeleton else set()
    shapes = [*graph.distinct_outputs.values()]
    if len(shapes) == 1 and are_predictions("", shapes[0], counts):
        return Decoder("yolo_pose")
    openpose = find_decoder("openpose")
    if skeleton and skeleton.fields and openpose.match_outputs(graph.distinct_outputs):
        return Decoder("openpose")
    raise _refuse_unknown_outputs(graph)


def _refuse_unknown_outputs(graph: Graph) -> DecoderError:
    problem = f"{graph.path}: no decoder is known for its outputs {format_outputs(graph)}"
    hint = "no decoder takes such shapes; posezoo export FILE --to folder DIR takes any"
    if fitting := [*_list_fitting(graph)]:
        first, *others = fitting
        kinds = [f", if they are {find_decoder(first).needs}"]
        kinds += (f"; --decoder {name}, if they are {find_decoder(name).needs}" for name in others)
        hint = advise_new(graph.path, f"--decoder {first}", "".join(kinds))
    if unread := name_unread_network(graph.distinct_outputs):
        problem += f": they are those of {unread}, which posezoo does not read"
        hint = explain_unread_network(unread)
    elif not any(map(graph.image_layout, graph.inputs)):
        inputs = _format_ports(graph.inputs)
        problem = f"{graph.path}: takes no images: its inputs are {inputs}"
        hint = "is it a step after a network, such as NonMaxSuppression? name the network instead"
    task = graph.ultralytics.get("task") or "pose"
    if task != "pose":
        problem = (
            f"{graph.path}: finds no poses: Ultralytics' metadata say that its task is"
            f" {sanitize(str(task))}; its outputs are {format_outputs(graph)}"
        )
        hint = "export a network for poses, such as yolo11n-pose"
    elif not graph.ultralytics and _is_like_ultralytics(graph):
        beside = graph.path.with_name(ULTRALYTICS_FILE)
        problem += f"; if Ultralytics exported it, its {ULTRALYTICS_FILE} is missing"
        hint = f"copy it from the export's folder to {beside}: it names keypoints and classes"
    return DecoderError(problem, hint=hint)


def _list_fitting(graph: Graph) -> Iterator[str]:
    outputs = graph.distinct_outputs
    for name, decoder in DECODERS.items():
        roles = decoder.match_outputs(outputs)
        if decoder.needs_task:  # else it would be named for any output
            roles = decoder.recognize_outputs(outputs)
        is_likely = roles and _are_likely(roles, decoder, graph, has_skeleton=False)
        if is_likely or _match_by_place(decoder, graph):
            yield name


def _is_like_ultralytics(graph: Graph) -> bool:
    """Whether an IR has one output with a column for each cell of the strides 8, 16 and 32."""
    if is_named_original(graph.path) or len(graph.distinct_outputs) != 1:
        return False
    (shape,) = graph.distinct_outputs.values()
    return len(shape) == 3 and 4 < shape[1] < shape[2] and shape[2] % CELLS == 0


#: Model API's words for models, by what their outputs are here.
_MODEL_TYPES = {
    "ssd": "boxes",
    "yolox": "boxes",
    "yolov5": "boxes",
    "yolov8": "boxes",
    "keypoint_detection": "keypoints",
    "keypoints_hrnet": "keypoints",
    "classification": "classes",
}


def _require_model_type(graph: Graph, record: DecoderType) -> None:
    model_type = graph.read_model_info("model_type")
    expected = _MODEL_TYPES.get(model_type.lower(), "")
    actual = "boxes" if record.finds_boxes else "classes" if record.finds_classes else "keypoints"
    if expected not in ("", actual):
        raise DecoderError(
            f"{graph.path}: its model_info says model_type {model_type}, whose outputs are"
            f" {expected}, but its outputs {format_outputs(graph)} are {actual}",
            hint="correct model_info, or export the model again",
        )


def _ultralytics_decoder(graph: Graph) -> Decoder | None:
    try:
        count, values = map(int, graph.ultralytics["kpt_shape"])
        classes = len(graph.ultralytics["names"])
    except (KeyError, TypeError, ValueError):
        return None
    decoder = Decoder("yolo_pose", {"classes": classes, "values": values})
    try:
        options = resolve_options(decoder)
    except InferenceError as error:
        raise DecoderError(
            f"{graph.path}: Ultralytics' metadata say kpt_shape [{count}, {values}] and {classes}"
            f" classes: {error.problem}"
        ) from error
    shapes = [*graph.distinct_outputs.values()]
    rows = options.raw + count * values
    columns = SUPPRESSED + count * values
    for shape in shapes if len(shapes) == 1 else ():
        if len(shape) == 3 and shape[1] not in (-1, rows) and shape[2] not in (-1, columns):
            raise DecoderError(
                f"{graph.path}: Ultralytics' metadata say {count} keypoints of {values} numbers and"
                f" {classes} classes, so {rows} rows or {columns} columns, but its outputs are"
                f" {format_outputs(graph)}",
                hint=f"is the {ULTRALYTICS_FILE} beside it that of another model?",
            )
    return decoder


def _named_decoder(graph: Graph, *, is_chosen: bool) -> Decoder | None:
    """The decoder that the IR's metadata names.

    Raises:
        DecoderError: it is not for the IR's outputs, and the user did not choose another.
    """
    name = graph.read_rt_info("posezoo", "decoder")
    if name and DECODERS.find(name):
        return Decoder(name, graph.read_json("decoder_options"))
    model_type = graph.read_model_info("model_type")
    for other, record in DECODERS.items():
        if model_type and model_type.lower() in record.omz_model_types:
            if not is_chosen and not record.match_outputs(graph.distinct_outputs):
                raise _refuse_outputs(graph, other, model_type)
            return _with_classes(Decoder(other), graph)
    return None


def _with_classes(decoder: Decoder, graph: Graph, like: ModelSpec | None = None) -> Decoder:
    """The decoder, for objects of all classes if the IR names its classes, or if its outputs have
    other sizes than those of the model that it is like, or that names them.
    """
    record = find_decoder(decoder.name)
    is_other = False
    if like and record.finds_boxes:
        columns = {shape[-1] for shape in graph.distinct_outputs.values()}
        is_other = columns != {output.shape[-1] for output in like.outputs}
    has_labels = graph.read_model_info("labels") or (like and "labels" in like.model_info)
    if is_other or has_labels:
        return with_all_classes(decoder)
    return decoder


def undeclared_task(model: Model) -> str:
    """The task of a model that declares no decoder, such as those of Open Model Zoo; empty for one
    of poses.
    """
    if not isinstance(model, ModelSpec) or model.decoder or finds_poses(model):
        return ""
    return decoded_task(model)


def explain_undecoded(model: Model) -> str:
    """Why no decoder is for a model; empty if it declares one, or if its task has one."""
    if model.decoder:
        return ""
    task = task_label(model.task).lower()
    if model.composite:
        return f"is a part of {model.composite}, and is not run alone"
    if not isinstance(model, ModelSpec):
        return f"has several networks for {task}, and no decoder for their outputs"
    tasks = {decoder.task for _, decoder in DECODERS.items()}
    # Of a model of poses, the outputs may name one.
    if finds_poses(model) or decoded_task(model) in tasks:
        return ""
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
        hint = f"{format_command('get', model)} makes its IR"
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
    """A model with the decoder that its task and outputs name, and its IR; unchanged if it declares
    one.

    Raises:
        InferenceError: no decoder of its task takes its outputs.
    """
    if model.decoder or model.composite:
        return model, irs
    graph = read_graph(irs[model.name])
    if decoder := find_task_decoder(model, graph.distinct_outputs):
        return replace(model, decoder=decoder), {**irs, model.name: graph}
    raise InferenceError(
        f"{model.name}: no decoder for {task_label(model.task).lower()} takes its outputs"
        f" {format_outputs(graph)}"
    )
