"""model.yml -> ModelSpec: every key, its type and its allowed values.

Two forms, which the keys show, are read into the same values: ours (docs/model_yml.md), and Open
Model Zoo's of 2021.4 and of its newest state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.core.declarations import model, quantization_file
from posezoo.core.declarations.field_types import (
    BOOLEAN,
    FILE_NAME,
    LINE,
    MODEL_NAME,
    OLDER_BOOLEAN,
    SCALAR,
    WORD,
    FieldType,
    ItemT,
    Key,
    Schema,
    integer,
    list_of,
    mapping_of,
    mapping_schema,
    matching,
    names_of,
    one_of,
    positive,
    read_keys,
    record,
    ref,
    required_key,
)
from posezoo.core.declarations.inputs_outputs import (
    INPUT_INFO,
    INPUT_KEYS,
    INPUTS,
    OUTPUT_KEYS,
    OUTPUTS,
    VALUES,
)
from posezoo.core.declarations.mo_args import (
    ARGUMENT_SCHEMA,
    MoArguments,
    read_arguments,
    read_export_arguments,
)
from posezoo.core.declarations.safe_names import TAG, case_folded
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeleton_yml import SKELETON, read_skeleton
from posezoo.core.declarations.skeletons import FOLDER
from posezoo.core.declarations.source_files import FILES, SHA384, STEP
from posezoo.core.declarations.sources import WEB_URL
from posezoo.core.declarations.supported_mo_args import freeze
from posezoo.core.declarations.upstream_steps import UPSTREAM_STEPS
from posezoo.core.declarations.yaml_nodes import YamlMapping, YamlNode, read_yaml
from posezoo.core.errors import SpecError, sanitize, suggest
from posezoo.core.versions import parse_version, release_version

#: Our tasks, and all tasks of both generations of Open Model Zoo.
TASKS = (
    "human_pose_estimation", "human_pose_estimation_3d", "detection",
    "action_recognition", "background_matting", "classification", "colorization",
    "face_recognition", "feature_extraction", "head_pose_estimation", "image_inpainting",
    "image_processing", "image_translation", "instance_segmentation", "machine_translation",
    "monocular_depth_estimation", "named_entity_recognition", "noise_suppression",
    "object_attributes", "optical_character_recognition", "place_recognition", "question_answering",
    "salient_object_detection", "semantic_segmentation", "sound_classification",
    "speech_recognition", "style_transfer", "text_prediction", "text_to_speech", "time_series",
    "token_recognition",
)  # fmt: skip
#: Open Model Zoo's keys, and ``published``, which may give the reason of a change; a file with any
#: other key is in our form.
OMZ_KEYS = frozenset((
    "description", "task_type", "framework", "license", "files", "postprocessing", "stages_order",
    "input_info", "model_optimizer_args", "conversion_to_onnx_args", "model_info", "quantizable",
    "quantized", "published",
))  # fmt: skip
#: Only one of each pair may be given: inputs and outputs are declared in our form or in Open Model
#: Zoo's.
EXCLUSIVE = (
    ("inputs", "input_info"), ("inputs", "model_optimizer_args"),
    ("outputs", "input_info"), ("outputs", "model_optimizer_args"),
)  # fmt: skip
#: Keys that may differ between variants; all other keys are given once for all variants.
VARIANT_KEYS = (
    "framework", "license_note", "files", "postprocessing", "checkpoint", "inputs", "frozen_inputs",
    "outputs", "recorded_outputs", "quantization", "int8_ranges", "published", "training",
)  # fmt: skip
#: The largest plausible value by metric: MPJPE is in millimetres, others are fractions.
METRICS = {"AP": 1.0, "MPJPE": 10_000.0, "PCK@0.1": 1.0, "PCK@0.2": 1.0, "AUC": 1.0}
MAX_COMPLEXITY = 1e9
#: More samples take longer and do not change the result: Open Model Zoo's quantizer took 300.
MAX_SAMPLES = 10_000
#: A keypoint that moves farther is a different keypoint.
MAX_SHIFT_PX = 64.0
#: OpenVINO's names of operations: Convolution, MVN, ROIPooling.
OPERATION = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
#: A plain version of posezoo: 0.4, 1.0.2.
VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,2}")


def _read_framework(node: YamlNode) -> model.Framework:
    try:
        return model.Framework(node.text())  # also a framework that a plug-in adds
    except ValueError:
        return model.Framework(node.choice(_FRAMEWORKS))


def _read_network_argument(node: YamlNode) -> str | int | bool:
    value = node.scalar()
    if isinstance(value, float):
        raise node.make_error(f"expected a whole number, true or false, or a word, got {value:g}")
    return value


def _read_share(node: YamlNode) -> float:
    share = node.number()
    if not 0 < share < 1:
        raise node.make_error("expected a share between 0 and 1")
    return share


def _read_limit(node: YamlNode) -> float:
    limit = node.number()
    if not 0 <= limit <= 1:
        raise node.make_error(f"expected a score, 0 to 1, got {limit:g}")
    return limit


def _make_accuracy(**values: Any) -> model.PublishedAccuracy:
    defaults = {"value": values.get("converted", 0.0), "is_of_ir": "value" not in values}
    return model.PublishedAccuracy(**(defaults | values))


def _check_values(fields: YamlMapping, accuracy: model.PublishedAccuracy) -> None:
    if accuracy.is_of_ir and accuracy.converted is None:
        raise fields.node.make_error("the key value is missing")
    for name in ("value", "converted"):
        node = fields.get(name)
        if node:
            _METRICS[accuracy.metric].read(node)


def _check_layers(fields: YamlMapping, layers: model.FloatLayers) -> None:
    if not layers.layers and not layers.types:
        raise fields.node.make_error("names no layers: give layers or types")


def _read_finder(node: YamlNode) -> str:
    word = LINE.read(node)
    return model.WHOLE_IMAGE if word in ("whole_image", "none") else word


def _make_people(photo: str, **others: Any) -> model.People:
    return model.People(photo, **{"video": photo, **others})


def _check_people(fields: YamlMapping, people: model.People) -> None:
    if people.photo == model.TRACKING:
        raise fields["photo"].make_error("a person can be tracked only in a video")
    if people.video not in (people.photo, model.TRACKING):
        problem = (
            f"is {people.video}, and photo is {people.photo}: one of both, or {model.TRACKING}"
        )
        raise fields["video"].make_error(problem)


def _named(
    make: Callable[[str, dict[str, Any]], ItemT], argument: FieldType[Any]
) -> FieldType[ItemT]:
    def read(node: YamlNode) -> ItemT:
        fields = node.as_mapping()
        arguments = {key: argument.read(value) for key, value in fields.items() if key != "name"}
        return make(WORD.read(fields["name"]), arguments)

    schema = {
        "type": "object",
        "properties": {"name": WORD.schema},
        "required": ["name"],
        "additionalProperties": argument.schema,
    }
    return FieldType(read, schema)


_FRAMEWORKS = [*map(str, model.list_frameworks())]
_FRAMEWORK = FieldType(_read_framework, {"enum": _FRAMEWORKS})
_SPDX_LICENSE = record(model.License, required_key("spdx", WORD), required_key("text", FILE_NAME))


def _read_license(node: YamlNode) -> model.License:
    """A text that is no address is the name of a license; posezoo lint reports what is unusual."""
    if node.value is None:
        return model.License()
    if not node.is_text():
        return _SPDX_LICENSE.read(node)
    with suppress(SpecError):
        return model.License(url=WEB_URL.read(node))
    return model.License(LINE.read(node))


def _read_skeleton(node: YamlNode) -> str | Skeleton:
    """The skeleton in model.yml itself, which gets the name of the model, or in a file of the
    registry, in the nearest folder above; else the name of one of the package.
    """
    path = Path(node.file)
    if not isinstance(node.value, str):
        name = path.parent.name if path.name == "model.yml" else path.stem
        return replace(SKELETON.read(node), name=name)
    name = WORD.read(node)
    for root in path.parents[1:4]:  # models without a family lie in the root, parts lie deeper
        file = root / FOLDER / f"{name}.yml"
        if file.is_file():
            return read_skeleton(file)
    return name


_SKELETON = FieldType(_read_skeleton, {"anyOf": [WORD.schema, ref("skeleton")]})
_LICENSE = FieldType(_read_license, {"anyOf": [WEB_URL.schema, _SPDX_LICENSE.schema]})
_NETWORK_ARGUMENT = FieldType(
    _read_network_argument, {"allOf": [ref("text"), {"type": ["string", "integer", "boolean"]}]}
)
_NETWORK = _named(model.NetworkChoice, _NETWORK_ARGUMENT)
_SHARE = FieldType(_read_share, {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})


# The keys of a self-check that need a reason.
_WITH_REASON = ("measure", "inputs", "tolerance")


def _check_self_check(fields: YamlMapping, settings: model.SelfCheckSettings) -> None:
    for name in _WITH_REASON:
        if name in fields and not settings.reason:
            raise fields[name].make_error("is given without `reason`: say why the default is wrong")


_SELF_CHECK = record(
    model.SelfCheckSettings,
    Key("measure", one_of(("max", "p99", "median"))),
    Key("inputs", one_of(("noise", "photo"))),
    Key("tolerance", mapping_of(_SHARE)),
    Key("reason", LINE),
    Key(
        "samples",
        list_of(FILE_NAME, minimum=1, unique=str),
        "Files beside model.yml with right inputs: images, or .npz with arrays by input name.",
    ),
    check=_check_self_check,
    schema={"dependentRequired": {key: ["reason"] for key in _WITH_REASON}},
)
_FILE_BESIDE = (
    required_key("file", FILE_NAME, "A safetensors file beside model.yml."),
    required_key("checksum", SHA384, "SHA-384 of the file in hex."),
)
_RECORDED_OUTPUTS = record(
    model.RecordedOutputs,
    required_key("runtime", LINE, "The publisher's runtime that computed them, with its version."),
    *_FILE_BESIDE,
)
_INT8_RANGES = record(
    model.RecordedRanges,
    required_key("photos", LINE, "On which they were measured."),
    *_FILE_BESIDE,
)
_DEPRECATED = record(
    model.Deprecation,
    required_key("since", WORD, "A date or a version."),
    Key("use", MODEL_NAME, "The model to use instead."),
)
_METRICS = {name: positive(most) for name, most in METRICS.items()}
_AP = _METRICS["AP"]
_METRIC = positive(max(METRICS.values()))
_HAS_A_VALUE: Schema = {"anyOf": [{"required": ["value"]}, {"required": ["converted"]}]}
_ACCURACY = record(
    _make_accuracy,
    required_key("metric", one_of(METRICS)),
    Key("value", _METRIC, "Of the original; left out if only the IR's value is published."),
    Key("dataset", LINE),
    Key(
        "boxes",
        LINE,
        "Where the people were: annotated, whole photo (the network finds them), or the detector.",
    ),
    Key("size", integer(1, 8192), "The shorter side or the height of the images, in pixels."),
    Key("protocol", LINE, "What else decides."),
    Key("flip", BOOLEAN),
    Key("AP50", _AP, attribute="ap50"),
    Key("AP75", _AP, attribute="ap75"),
    Key("converted", _METRIC, "Of the publisher's IR."),
    check=_check_values,
    schema=_HAS_A_VALUE,
)
PUBLISHED = record(
    model.PublishedMetrics,
    Key("accuracy", list_of(_ACCURACY)),
    Key("gflops", positive(MAX_COMPLEXITY)),
    Key("mparams", positive(MAX_COMPLEXITY)),
    Key("known_difference", LINE, "Why a value is not what the published weights have."),
)
TRAINING = record(model.Training, Key("command", WEB_URL), Key("log", WEB_URL))
_OPERATION = matching(OPERATION, "an operation such as MVN", numbers=False)


def _names_layers(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"minItems": 1}}}


_FLOAT_LAYERS = record(
    model.FloatLayers,
    Key("layers", list_of(LINE), "Globs of names in the FP32 IR."),
    Key("types", list_of(_OPERATION), "OpenVINO's operations."),
    required_key("reason", LINE),
    check=_check_layers,
    schema={"anyOf": [_names_layers("layers"), _names_layers("types")]},
)
_QUANTIZATION = record(
    model.QuantizationSettings,
    Key("preset", one_of(("performance", "mixed"))),
    Key("subset_size", integer(1, MAX_SAMPLES), "The largest number of samples for calibration."),
    Key("model_type", one_of(("transformer",))),
    Key("max_shift_px", positive(MAX_SHIFT_PX)),
    Key("min_agreement", positive(1.0)),
    Key("in_float", list_of(_FLOAT_LAYERS), "What stays in floating point, and why."),
    Key("refused", LINE, "Why it is not quantized, with the AP that INT8 keeps."),
)
#: The model that detects people, or a word for the whole image.
_FINDER = FieldType(_read_finder, LINE.schema)
_LIMIT = FieldType(_read_limit, {"type": "number", "minimum": 0, "maximum": 1})
_PAIR_LIMITS = record(
    model.PairLimits,
    Key("min_score", _LIMIT, "The least score of a box; the detector's own if left out."),
    Key(
        "min_pose_score",
        _LIMIT,
        "The least score of a person: that of the box times that of the keypoints.",
    ),
)
_PEOPLE = record(
    _make_people,
    required_key(
        "photo", _FINDER, "The model that detects them, or whole_image; none is the same."
    ),
    Key("video", _FINDER, f"The same, or {model.TRACKING}; that of photo if it is left out."),
    Key("whole_image", positive(1.0), "The lowest score of the whole photo, if nobody is found."),
    Key(
        "detectors",
        mapping_of(_PAIR_LIMITS),
        "The limits with each detector that was measured with the model, by its name.",
    ),
    check=_check_people,
)
#: The arguments are read together with the inputs; see ``mo_args``.
_ARGUMENT_LIST = FieldType(
    lambda node: node,
    {"type": "array", "items": ARGUMENT_SCHEMA, "minItems": 0, "maxItems": 10_000},
)

_VERSION = matching(VERSION, "a version such as 0.4", numbers=False)
_ORIGIN = record(
    model.ModelOrigin,
    Key("repository", WEB_URL),
    Key("paper", WEB_URL),
    Key("based_on", list_of(WEB_URL), "Other papers whose methods it uses."),
    Key("framework", _FRAMEWORK, "In which it was trained, if its files are published as IR."),
)
_SHARED_KEYS = (
    required_key("description", LINE, "What it finds, and its architecture in two sentences."),
    required_key("task_type", one_of(TASKS), attribute="task"),
    required_key("framework", _FRAMEWORK),
    required_key("license", _LICENSE, "The license of the weights: {spdx, text}, or a URL."),
    Key("decoder", _named(model.Decoder, SCALAR)),
    Key("skeleton", _SKELETON, "A name: of a file in skeletons/, or of posezoo's. Or its keys."),
    Key("limits", LINE, "What it cannot do."),
    Key("deprecated", _DEPRECATED),
    Key(
        "requires_posezoo",
        _VERSION,
        "The least version that reads it rightly; an earlier one refuses it. Without this key, it"
        " leaves out what it does not know.",
    ),
)
_FILE_KEYS = (
    Key("origin", _ORIGIN),
    Key("revision", integer(1, 1_000_000), "Increased when the files change."),
    Key("files", FILES),
    Key("postprocessing", list_of(STEP)),
    Key(
        "network",
        _NETWORK,
        "A network of posezoo, and its arguments; the weights are in the checkpoint.",
    ),
    Key(
        "checkpoint",
        FILE_NAME,
        "The file to convert: one of the files, a member of an archive among them, or"
        " $conv_dir/FILE, which a pre-convert.py beside model.yml makes.",
    ),
)
_USE_KEYS = (
    Key("inputs", INPUTS),
    Key("frozen_inputs", mapping_of(VALUES), "Inputs that become constants, and their values."),
    Key("outputs", OUTPUTS),
    Key("people", _PEOPLE, "How the people are found for a top-down model."),
    Key(
        "target_size",
        integer(32, 4096),
        "The size in pixels to which images are resized, as its publisher measured; of the side"
        " that the decoder names, usually the height.",
    ),
    Key(
        "compute_types",
        list_of(one_of(("bf16",)), unique=str),
        "In which it keeps its accuracy; f32 is always allowed.",
    ),
    Key("self_check", _SELF_CHECK),
    Key("recorded_outputs", _RECORDED_OUTPUTS, "Each conversion is compared with them."),
)
_PUBLISHED_REF = FieldType(PUBLISHED.read, ref("published"))
_TRAINING_REF = FieldType(TRAINING.read, ref("training"))
_PUBLISHER_KEYS = (
    Key("published", _PUBLISHED_REF, "What the publisher states about it."),
    Key("training", _TRAINING_REF),
    Key("license_note", LINE, "Shown before a download."),
)
_EXPORT_ARGUMENTS = FieldType(read_export_arguments, _ARGUMENT_LIST.schema)
_PLAIN: FieldType[Any] = FieldType(YamlNode.to_plain, ref("plain"))
_CONVERSION_KEYS = (
    Key("input_info", INPUT_INFO, "Open Model Zoo's inputs."),
    Key("model_optimizer_args", _ARGUMENT_LIST, "Open Model Zoo's preprocessing and outputs."),
    Key(
        "conversion_to_onnx_args",
        _EXPORT_ARGUMENTS,
        "Run with --allow_upstream_code alone.",
        attribute="upstream_export",
    ),
    Key("model_info", mapping_of(_PLAIN)),
    Key("quantizable", OLDER_BOOLEAN),
    Key("quantized", one_of(("INT8",)), "Its weights are INT8 already: it is not quantized again."),
    Key("quantization", _QUANTIZATION, "How it becomes INT8."),
    Key("int8_ranges", _INT8_RANGES, "With them, INT8 needs no photos."),
)
MODEL_KEYS = (*_SHARED_KEYS, *_FILE_KEYS, *_USE_KEYS, *_PUBLISHER_KEYS, *_CONVERSION_KEYS)
#: A model without a license can be read: posezoo lint reports it.
_READ_KEYS = tuple(
    replace(key, required=key.required and key.name != "license") for key in MODEL_KEYS
)
_MODEL_NAMES = (*names_of(MODEL_KEYS), "variants")
#: An input or output of a variant needs only the keys that differ.
_PORT_KEYS = {"inputs": INPUT_KEYS, "outputs": OUTPUT_KEYS}


def _variant_schema() -> Schema:
    keys = [key for key in MODEL_KEYS if key.name in VARIANT_KEYS]
    schema = mapping_schema(Key(key.name, key.type) for key in keys)
    for name, port_keys in _PORT_KEYS.items():
        ports = mapping_schema(port_keys, complete=False)
        schema["properties"][name] = {"type": "array", "items": ports}
    return schema


VARIANTS_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": f"^(?:{TAG.pattern})$"},
    "minProperties": 1,
    "additionalProperties": _variant_schema(),
    "description": "By tag, the default first: what differs from what is given once.",
}
_STAGES = list_of(MODEL_NAME, unique=str)
COMPOSITE_KEYS = (
    *(replace(key, required=key.name == "task_type") for key in _SHARED_KEYS),
    Key("stages", _STAGES, "In the order they run in."),
    Key("stages_order", _STAGES, "Open Model Zoo's word for stages."),
)
_COMPOSITE_NAMES = names_of(COMPOSITE_KEYS)
#: Keys that Open Model Zoo does not have.
OURS = frozenset((*_MODEL_NAMES, *_COMPOSITE_NAMES)) - OMZ_KEYS


def read_model(
    path: Path, *, family: model.Family, name: str, composite: str = "", parent: str | None = None
) -> model.ModelSpec:
    """The model that a model.yml declares; name, family and ``parent`` as in ``ModelSpec``.

    Unknown keys are left out and listed: those of a later version, or of a fork of Open Model Zoo.

    Raises:
        SpecError: the first mistake in the file, with its position; or it needs a later posezoo.
    """
    node = read_yaml(path)
    _refuse_newer(node)
    unknown_keys = node.collect_unknown_keys()
    top = node.as_mapping(_MODEL_NAMES)
    variants = top.get("variants")
    identity = {"path": path, "family": family, "name": name}
    identity |= {"composite": composite, "parent": parent}
    if variants is None:
        spec = _read_variant(top, identity)
        return replace(spec, unknown_keys=tuple(unknown_keys)) if unknown_keys else spec
    tags: dict[str, str] = {}
    specs: list[model.ModelSpec] = []
    for tag, variant in variants.as_mapping().items():
        if not TAG.fullmatch(tag):
            raise variant.make_error("a tag has up to 40 letters, digits, - and _")
        twin = tags.setdefault(case_folded(tag), tag)
        if twin != tag:
            raise variant.make_error(f"is the same tag as {twin} if case is ignored")
        differing = variant.as_mapping(VARIANT_KEYS)
        fields = top.merged_with(differing, ("inputs", "outputs"))
        spec = _read_variant(fields, identity)
        specs.append(replace(spec, tag=tag, is_default=not specs))
    if not specs:
        raise variants.make_error("is empty: a model needs at least one variant")
    if unknown_keys:
        specs = [replace(spec, unknown_keys=tuple(unknown_keys)) for spec in specs]
    return replace(specs[0], variants=tuple(specs[1:]))


def _refuse_newer(node: YamlNode) -> None:
    """Raise a SpecError if a model.yml states a later version of posezoo, whose keys may decide
    what this one would leave out.
    """
    stated = _fields_of(node).get("requires_posezoo")
    if stated is None:
        return
    least = _VERSION.read(stated)
    if parse_version(release_version()) < parse_version(least):
        raise stated.make_error(
            f"needs posezoo {least} or newer, and this is {release_version()}",
            hint="install a newer posezoo",
        )


def read_needed_version(path: Path) -> str:
    """The least version of posezoo that reads a model.yml, as it says; empty for any version.

    Raises:
        SpecError: it is not YAML.
    """
    stated = _fields_of(read_yaml(path)).get("requires_posezoo")
    return _VERSION.read(stated) if stated else ""


def _fields_of(node: YamlNode) -> Mapping[str, YamlNode]:
    return node.value if isinstance(node.value, dict) else {}


def is_in_our_form(node: YamlNode) -> bool:
    """Whether a file has a key, or a value of ``license``, that Open Model Zoo does not have."""
    keys = _fields_of(node)
    terms = keys.get("license")
    return not OURS.isdisjoint(keys) or (terms is not None and isinstance(terms.value, dict))


def _read_variant(top: YamlMapping, identity: Mapping[str, Any]) -> model.ModelSpec:
    path: Path = identity["path"]
    _refuse_both_forms(top)
    top["files"]
    values = {"license": model.License(), **read_keys(top, _READ_KEYS)}
    values.pop("requires_posezoo", None)
    _give_to_decoder(values, top)
    arguments = MoArguments(values.pop("input_info", ()))
    if "model_optimizer_args" in values:
        arguments = read_arguments(values.pop("model_optimizer_args"), arguments.inputs)
    frozen = [
        freeze(name, f"[{' '.join(f'{number:g}' for number in numbers)}]")
        for name, numbers in values.pop("frozen_inputs", {}).items()
    ]
    has_pre_convert = (path.parent / "pre-convert.py").is_file()
    input_model = arguments.input_model
    if values.get("checkpoint", "").startswith("$conv_dir/"):  # upstream code makes it
        input_model = values.pop("checkpoint")
    # Two models of Open Model Zoo name a downloaded file so: its own tools use one folder for both.
    folder, _, made = input_model.partition("/")
    is_made = folder == "$conv_dir" and not has_pre_convert
    if is_made and any(file.name == made for file in values["files"]):
        input_model = f"$dl_dir/{made}"
    spec = model.ModelSpec(
        has_pre_convert=has_pre_convert,
        mo_args=(*arguments.kept, *frozen),
        input_model=input_model,
        inputs=values.pop("inputs", ()) or arguments.inputs,
        outputs=values.pop("outputs", ()) or arguments.outputs,
        **identity,
        **values,
    )
    _check_references(top, spec)
    other_settings = path.with_name(quantization_file.NAME)
    if spec.quantization is None and other_settings.is_file():
        spec = replace(spec, quantization=quantization_file.READER.part.read(other_settings))
    return UPSTREAM_STEPS.part.with_original(spec)


def _refuse_both_forms(top: YamlMapping) -> None:
    for ours, theirs in EXCLUSIVE:
        node = top.get(theirs)
        if node and ours in top:
            raise node.make_error(
                f"is given together with {ours}: declare inputs and outputs in one of the two forms"
                " only"
            )


def _give_to_decoder(values: dict[str, Any], top: YamlMapping) -> None:
    skeleton = values.get("skeleton")
    if not isinstance(skeleton, Skeleton):
        return
    if "decoder" not in values:
        raise top["skeleton"].make_error("is given without a decoder, which finds its keypoints")
    values["decoder"] = replace(values["decoder"], skeleton=skeleton)
    values["skeleton"] = skeleton.name


def _check_references(top: YamlMapping, spec: model.ModelSpec) -> None:
    published = spec.file_names
    if spec.is_ir:
        _check_precisions(top, published)
    unpacked = False
    for index, step in enumerate(spec.postprocessing):
        names = {} if unpacked else {"file": step.file}
        if isinstance(step, model.UnpackArchive):
            names["index"] = step.index
            unpacked = True
        for key, name in names.items():
            if name and name not in published:
                fields = top["postprocessing"].as_list()[index].as_mapping()
                raise fields[key].make_error(f"{name} is not listed under files")
    _check_checkpoint(top, spec, is_listed=unpacked or spec.checkpoint in published)
    if spec.self_check.tolerance:
        tolerance = top["self_check"].as_mapping()["tolerance"].as_mapping()
        for name, value in tolerance.items():
            if name not in (*spec.output_names, "*"):
                known = ", ".join([*spec.output_names, "*"])
                raise value.make_error(f"is the name of no output: {known}")
    _refuse_itself(top, spec)


def _check_precisions(top: YamlMapping, names: Iterable[str]) -> None:
    for index, name in enumerate(names):
        folder, _, rest = name.partition("/")
        if rest and folder not in model.IR_FOLDERS and name.endswith((".xml", ".bin")):
            node = top["files"].as_list()[index].as_mapping()["name"]
            known = f"known: {', '.join(model.IR_FOLDERS)}"
            hint = suggest(folder.upper(), model.IR_FOLDERS) or known
            raise node.make_error(f"the folder {sanitize(folder)} is no precision", hint=hint)


def _check_checkpoint(top: YamlMapping, spec: model.ModelSpec, *, is_listed: bool) -> None:
    if spec.network is None and "checkpoint" not in top:
        return
    named = top["checkpoint"]
    folder = spec.checkpoint.partition("/")[0]
    if folder.startswith("$"):  # $conv_dir is an input_model instead
        raise named.make_error(f"no such variable: {folder[:60]}", hint="did you mean $conv_dir?")
    if spec.network is None and spec.framework is model.Framework.PYTORCH:
        raise named.make_error(
            "is given without `network`: declare the network that these weights belong to"
        )
    if spec.checkpoint and not is_listed:
        raise named.make_error(
            f"{spec.checkpoint} is not listed under files, and no archive is unpacked"
        )


def _refuse_itself(top: YamlMapping, spec: model.ModelSpec | model.CompositeSpec) -> None:
    if spec.deprecated and spec.deprecated.use == spec.name:
        use = top["deprecated"].as_mapping()["use"]
        raise use.make_error(
            "is the model itself: name the model that replaces it, or leave it out"
        )


def read_composite(
    path: Path, *, family: model.Family, name: str, parent: str | None = None
) -> model.CompositeSpec:
    """The composite that a composite-model.yml declares.

    If it names no stages, as in Open Model Zoo 2021.4, they are its subfolders that contain a
    model.yml, in alphabetical order. Unknown keys are treated as in a model.yml.

    Raises:
        SpecError: the first mistake in the file, with its position.
    """
    node = read_yaml(path)
    _refuse_newer(node)
    unknown_keys = node.collect_unknown_keys()
    top = node.as_mapping(_COMPOSITE_NAMES)
    if "stages" in top and "stages_order" in top:
        raise top["stages_order"].make_error(
            "is given in addition to stages: only one of them is allowed"
        )
    values = read_keys(top, COMPOSITE_KEYS)
    values.pop("requires_posezoo", None)
    _give_to_decoder(values, top)
    listed = values.pop("stages_order", None)
    stages = values.pop("stages", listed)
    if stages is None:
        parts = path.parent.glob("*/model.yml")
        stages = tuple(sorted(part.parent.name for part in parts))
    if not stages:
        list_node = top.get("stages") or top.get("stages_order") or node
        raise list_node.make_error(
            "is empty: a composite needs its parts, in the order they run in"
        )
    values.setdefault("description", "")
    composite = model.CompositeSpec(
        name=name,
        family=family,
        path=path,
        parent=parent,
        stages=stages,
        unknown_keys=tuple(unknown_keys),
        **values,
    )
    _refuse_itself(top, composite)
    return composite
