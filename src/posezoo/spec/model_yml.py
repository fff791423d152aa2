"""model.yml -> ModelSpec: every key, its type, and what it may hold.

Two forms are read into the same values: ours, described by example in docs/model_yml.md, and Open Model
Zoo's of 2021.4 and of its newest state. Their keys tell them apart, not the folder they lie in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from posezoo.spec.field_types import read_line, read_list, read_word, refuse_duplicates
from posezoo.spec.inputs_outputs import read_input_info, read_inputs, read_outputs
from posezoo.spec.mo_args import read_arguments, read_export_arguments
from posezoo.spec.model import (
    CompositeSpec,
    Decoder,
    Deprecation,
    Family,
    Framework,
    License,
    ModelOrigin,
    ModelSpec,
    NetworkChoice,
    Plain,
    PostprocessingStep,
    SelfCheckSettings,
    SourceFile,
    UnpackArchive,
)
from posezoo.spec.published_metrics import read_published_metrics, read_training
from posezoo.spec.quantization_settings import read_quantization
from posezoo.spec.safe_names import case_folded, explain_invalid_model_name
from posezoo.spec.source_files import read_file_name, read_files, read_postprocessing_step, read_web_url
from posezoo.spec.yaml_nodes import YamlMapping, YamlNode, read_yaml, sanitize

MODEL_KEYS = (
    "description", "task_type", "framework", "license", "origin", "revision",
    "files", "postprocessing", "network", "checkpoint",
    "inputs", "outputs", "decoder", "skeleton", "self_check",
    "published", "training", "license_note", "limits", "deprecated", "variants",
    "input_info", "model_optimizer_args", "conversion_to_onnx_args", "model_info", "quantizable", "quantized",
    "quantization",
)  # fmt: skip
#: What differs from variant to variant; all else is said once for all of them.
VARIANT_KEYS = ("files", "checkpoint", "inputs", "outputs", "published", "training")
COMPOSITE_KEYS = (
    "description", "task_type", "framework", "license", "stages", "stages_order", "decoder", "skeleton",
    "limits", "deprecated",
)  # fmt: skip
#: Of each pair only one may be given: what goes in and out is said in our form, or in Open Model Zoo's.
EXCLUSIVE = (
    ("inputs", "input_info"), ("inputs", "model_optimizer_args"),
    ("outputs", "input_info"), ("outputs", "model_optimizer_args"),
)  # fmt: skip
#: Keys that Open Model Zoo has not: a file with one of them is in our form.
OURS = (
    "origin", "revision", "network", "checkpoint", "inputs", "outputs", "decoder", "skeleton", "self_check",
    "published", "training", "license_note", "limits", "deprecated", "variants", "stages", "quantization",
)  # fmt: skip
#: Ours, and all of Open Model Zoo's two generations.
TASKS = (
    "human_pose_estimation", "human_pose_estimation_3d", "detection",
    "action_recognition", "background_matting", "classification", "colorization", "face_recognition",
    "feature_extraction", "head_pose_estimation", "image_inpainting", "image_processing", "image_translation",
    "instance_segmentation", "machine_translation", "monocular_depth_estimation", "named_entity_recognition",
    "noise_suppression", "object_attributes", "optical_character_recognition", "place_recognition",
    "question_answering", "salient_object_detection", "semantic_segmentation", "sound_classification",
    "speech_recognition", "style_transfer", "text_prediction", "text_to_speech", "time_series",
    "token_recognition",
)  # fmt: skip
QUANTIZED = ("INT8",)
MEASURES = ("max", "p99", "median")
CHECK_INPUTS = ("noise", "photo")
MAX_REVISION = 1_000_000
#: Part of a folder's name, after an @.
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def read_model(path: Path, *, family: Family, name: str, composite: str = "") -> ModelSpec:
    """The model that a model.yml declares; its name and family are those of its folders.

    An unknown key is a mistake in our form. In Open Model Zoo's, whose own tools do not look at what they do
    not know, it is left out, and the model has a warning.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    node = read_yaml(path)
    left_out = _left_out(node)
    top = node.as_mapping(MODEL_KEYS)
    tagged = top.get("variants")
    if tagged is None:
        model = _read_variant(top, path, family, name, composite)
        return replace(model, warnings=tuple(left_out)) if left_out else model
    default, *others = (
        replace(_read_variant(fields, path, family, name, composite), tag=tag, is_default=not index)
        for index, (tag, fields) in enumerate(_variants(top, tagged).items())
    )
    return replace(default, variants=tuple(others))


def _left_out(node: YamlNode) -> list[str]:
    """Where the unknown keys will be told of a file in Open Model Zoo's form; in ours they are errors."""
    keys = node.value if isinstance(node.value, dict) else {}
    terms = keys.get("license")
    ours = any(key in keys for key in OURS) or (terms is not None and not terms.is_text())
    return [] if ours else node.collect_unknown_keys()


def _variants(top: YamlMapping, node: YamlNode) -> dict[str, YamlMapping]:
    """What is declared of each variant by its tag: its own keys, and those that are said once for all."""
    tags: dict[str, str] = {}
    variants = {}
    for tag, variant in node.as_mapping():
        if not TAG.fullmatch(tag):
            raise variant.make_error("a tag has up to 40 letters, digits, - and _")
        if (twin := tags.setdefault(case_folded(tag), tag)) != tag:
            raise variant.make_error(f"is one tag with {twin} where case is ignored")
        variants[tag] = top.merged_with(variant.as_mapping(VARIANT_KEYS), ("inputs", "outputs"))
    if not variants:
        raise node.make_error("is empty: a model needs at least one variant")
    return variants


def _read_variant(top: YamlMapping, path: Path, family: Family, name: str, composite: str) -> ModelSpec:
    _refuse_mixed(top)
    arguments = read_arguments(top.get("model_optimizer_args"), read_input_info(top.get("input_info")))
    outputs = read_outputs(top.get("outputs")) or arguments.outputs
    files = read_files(top["files"])
    steps = read_list(top.get("postprocessing"), read_postprocessing_step)
    _refuse_strangers(top.get("postprocessing"), files, steps)
    network = _network(top.get("network"))
    if network is None and (stranger := top.get("checkpoint")) is not None:
        raise stranger.make_error("is given without the network that its weights are for")
    note, limits = top.get("license_note"), top.get("limits")
    quantizable, quantized = top.get("quantizable"), top.get("quantized")
    return ModelSpec(
        name=name,
        family=family,
        composite=composite,
        path=path,
        description=read_line(top["description"]),
        task=top["task_type"].choice(TASKS),
        framework=Framework(top["framework"].choice(Framework)),
        license=_license(top["license"]),
        files=files,
        inputs=read_inputs(top.get("inputs")) or arguments.inputs,
        outputs=outputs,
        decoder=_decoder(top.get("decoder")),
        skeleton=read_word(top.get("skeleton")),
        origin=_origin(top.get("origin")),
        self_check=_self_check(top.get("self_check"), [output.name for output in outputs]),
        revision=_revision(top.get("revision")),
        postprocessing=steps,
        mo_args=arguments.kept,
        upstream_export=read_export_arguments(top.get("conversion_to_onnx_args")),
        has_pre_convert=(path.parent / "pre-convert.py").is_file(),
        model_info=_model_info(top.get("model_info")),
        quantizable=quantizable.boolean(older=True) if quantizable is not None else False,
        quantized=quantized.choice(QUANTIZED) if quantized is not None else "",
        quantization=read_quantization(top.get("quantization")),
        input_model=arguments.input_model,
        network=network,
        published=read_published_metrics(top.get("published")),
        training=read_training(top.get("training")),
        license_note=read_line(note) if note is not None else "",
        limits=read_line(limits) if limits is not None else "",
        deprecated=_deprecated(top.get("deprecated"), name),
        checkpoint=_checkpoint(top, files, steps) if network is not None else "",
    )


def read_composite(path: Path, *, family: Family, name: str) -> CompositeSpec:
    """The composite that a composite-model.yml declares.

    Where it names no stages, as in Open Model Zoo 2021.4, they are the folders below with a model.yml, in
    alphabetical order. An unknown key is what it is in a model.yml.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    node = read_yaml(path)
    left_out = _left_out(node)
    top = node.as_mapping(COMPOSITE_KEYS)
    ours, reference = top.get("stages"), top.get("stages_order")
    if ours is not None and reference is not None:
        raise reference.make_error("is given beside stages: one of them is enough")
    listing = ours or reference
    stages = read_list(listing, _stage) if listing is not None else _folders_below(path)
    refuse_duplicates(listing, list(stages))
    if not stages:
        raise (listing or node).make_error("is empty: a composite needs its parts, in the order they run in")
    description, framework, terms = top.get("description"), top.get("framework"), top.get("license")
    limits = top.get("limits")
    return CompositeSpec(
        name=name,
        family=family,
        path=path,
        description=read_line(description) if description is not None else "",
        task=top["task_type"].choice(TASKS),
        stages=stages,
        decoder=_decoder(top.get("decoder")),
        skeleton=read_word(top.get("skeleton")),
        framework=Framework(framework.choice(Framework)) if framework is not None else None,
        license=_license(terms) if terms is not None else License(),
        limits=read_line(limits) if limits is not None else "",
        deprecated=_deprecated(top.get("deprecated"), name),
        warnings=tuple(left_out),
    )


def _refuse_mixed(top: YamlMapping) -> None:
    for ours, reference in EXCLUSIVE:
        if (node := top.get(reference)) is not None and ours in top:
            raise node.make_error(f"is given beside {ours}: declare what goes in and out in one form")


def _refuse_strangers(
    node: YamlNode | None, files: tuple[SourceFile, ...], steps: tuple[PostprocessingStep, ...]
) -> None:
    """A step works on a published file, or on one that an archive before it left there."""
    published = {file.name for file in files}
    unpacked = False
    for index, step in enumerate(steps):
        if node is not None and step.file not in published and not unpacked:
            raise node.as_list()[index].as_mapping()["file"].make_error(f"{step.file} is none of the files")
        unpacked = unpacked or isinstance(step, UnpackArchive)


def _stage(node: YamlNode) -> str:
    name = node.text()
    if reason := explain_invalid_model_name(name):
        raise node.make_error(f"{sanitize(name)} is no model's name: {reason}")
    return name


def _folders_below(path: Path) -> tuple[str, ...]:
    return tuple(sorted(part.parent.name for part in path.parent.glob("*/model.yml")))


def _revision(node: YamlNode | None) -> int:
    return node.integer(minimum=1, maximum=MAX_REVISION) if node is not None else 1


def _deprecated(node: YamlNode | None, name: str) -> Deprecation | None:
    if node is None:
        return None
    fields = node.as_mapping(("since", "use"))
    use = fields.get("use")
    if use is not None and _stage(use) == name:
        raise use.make_error("is the model itself: name the one to take in its place, or none")
    return Deprecation(since=read_word(fields["since"]), use=_stage(use) if use is not None else "")


def _network(node: YamlNode | None) -> NetworkChoice | None:
    if node is None:
        return None
    fields = node.as_mapping()
    return NetworkChoice(
        name=read_word(fields["name"]),
        arguments={key: _argument(value) for key, value in fields if key != "name"},
    )


def _argument(node: YamlNode) -> str | int | bool:
    value = node.scalar()
    if isinstance(value, float):
        raise node.make_error(f"expected a whole number, true or false, or a word, got {value:g}")
    return value


def _checkpoint(
    top: YamlMapping, files: tuple[SourceFile, ...], steps: tuple[PostprocessingStep, ...]
) -> str:
    node = top["checkpoint"]
    name = read_file_name(node)
    if name not in {file.name for file in files} and not any(isinstance(s, UnpackArchive) for s in steps):
        raise node.make_error(f"{name} is none of the files, and no archive is unpacked")
    return name


def _decoder(node: YamlNode | None) -> Decoder | None:
    if node is None:
        return None
    fields = node.as_mapping()
    options = {key: value.scalar() for key, value in fields if key != "name"}
    return Decoder(read_word(fields["name"]), options)


def _license(node: YamlNode) -> License:
    if node.is_text():
        return License(url=read_web_url(node))
    fields = node.as_mapping(("spdx", "text"))
    return License(spdx=read_word(fields["spdx"]), text=read_file_name(fields["text"]))


def _origin(node: YamlNode | None) -> ModelOrigin:
    if node is None:
        return ModelOrigin()
    fields = node.as_mapping(("repository", "paper"))
    return ModelOrigin(
        repository=read_web_url(fields.get("repository")), paper=read_web_url(fields.get("paper"))
    )


def _self_check(node: YamlNode | None, outputs: list[str]) -> SelfCheckSettings:
    if node is None:
        return SelfCheckSettings()
    fields = node.as_mapping(("measure", "inputs", "tolerance", "reason"))
    measure, inputs, tolerance = fields.get("measure"), fields.get("inputs"), fields.get("tolerance")
    return SelfCheckSettings(
        measure=measure.choice(MEASURES) if measure is not None else "max",
        inputs=inputs.choice(CHECK_INPUTS) if inputs is not None else "noise",
        tolerance=_tolerance(tolerance, outputs) if tolerance is not None else {},
        reason=read_line(fields["reason"]),
    )


def _tolerance(node: YamlNode, outputs: list[str]) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name, value in node.as_mapping([*outputs, "*"]):
        bounds[name] = value.number()
        if not 0 < bounds[name] < 1:
            raise value.make_error("expected a share between 0 and 1")
    return bounds


def _model_info(node: YamlNode | None) -> dict[str, Plain]:
    return {key: value.to_plain() for key, value in node.as_mapping()} if node is not None else {}
