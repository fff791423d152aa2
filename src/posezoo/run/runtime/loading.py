"""Load a model and its IR as an estimator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Decoder, Model, ModelSpec, with_skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.layout import precision_of
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.decoders import MASKS, find_decoder, require_masks, resolve_options
from posezoo.run.runtime.decoder_matching import with_task_decoder
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.graph import Graph, NamedIrs
from posezoo.run.runtime.input_description import InputDescription, describe_declared_input
from posezoo.run.runtime.network_pipeline import PipelineConfig
from posezoo.run.runtime.pipelines import find_pipeline
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig


def load_estimator(
    model: Model,
    irs: NamedIrs,
    options: LoadOptions | None = None,
    *,
    description: InputDescription | None = None,
) -> Estimator:
    """Compile the networks of a model.

    Args:
        irs: the .xml, or the graph that was read from it, by the model's name, or by stages' names.
        options: where and how it runs; None: the defaults.
        description: how images get into the networks; None: as the model declares.

    Raises:
        InferenceError: the model has no decoder or an unknown one, an option has an invalid value,
            or an IR is missing, damaged or from another network.
        MissingPackageError: OpenVINO is not installed.
    """
    again = partial(load_estimator, model, irs, options, description=description)
    options = options or LoadOptions()
    if isinstance(model, ModelSpec) and model.name in irs:
        model, irs = with_task_decoder(model, irs)
    model = with_skeleton(model, options.skeleton)
    decoder = _require_decoder(model)
    record = find_decoder(decoder.name)
    is_decoded = any(isinstance(ir, Graph) and ir.decoded_outputs for ir in irs.values())
    if is_decoded:
        _refuse_options_of_others(model, options)
    if options.decoder_options.get(MASKS):
        require_masks(decoder.name, model.full_name)
    if description is None:
        irs, description = describe_declared_input(model, irs)
    options = replace(options, runtime=_choose_precision(options.runtime, model, irs))
    overrides = _decoder_overrides(decoder, record, options, description)
    if overrides.get("flip"):
        options = replace(options, flip=False)
    decoder_options = resolve_options(decoder, overrides)
    if is_decoded and len(irs) < len(record.networks):
        raise InferenceError(
            f"{model.path}: finds no poses by itself: it is one of the networks of {decoder.name}",
            hint="run the model that it is a part of",
        )
    config = PipelineConfig(
        model,
        tuple(irs.values()) if is_decoded else _ir_paths(model, decoder, irs),
        decoder.name,
        decoder_options,
        description=options.override(description),
        options=options,
    )
    create_pipeline = find_pipeline(record.pipeline)
    if options.has_several_passes:
        from posezoo.run.runtime.bottom_up_pipeline import TestTimeAugmentation

        create_pipeline = TestTimeAugmentation
    return Estimator(model, decoder.name, create_pipeline(config), again=again)


def _choose_precision(runtime: RuntimeConfig, model: Model, irs: NamedIrs) -> RuntimeConfig:
    ir = irs.get(model.name)
    path = ir.path if isinstance(ir, Graph) else ir
    return runtime.choose_precision(model, precision_of(path) if path else None)


def _refuse_options_of_others(model: Model, options: LoadOptions) -> None:
    if options.has_several_passes or options.decoder_options.get(MASKS):
        raise InferenceError(
            f"{model.name}: its IR contains the decoder: images are not run mirrored or at several"
            " scales, and there are no masks",
            hint="convert it without --decode",
        )


def _decoder_overrides(
    decoder: Decoder, record: DecoderType, options: LoadOptions, description: InputDescription
) -> dict[str, Any]:
    overrides = dict(options.decoder_options)
    if record.person_score:
        if options.min_person_score is not None:
            if hasattr(record.options, "averages_from"):
                declared = getattr(resolve_options(decoder, overrides), record.person_score)
                overrides.setdefault("averages_from", declared)
            overrides[record.person_score] = options.min_person_score
        if description.min_score is not None:
            overrides.setdefault(record.person_score, description.min_score)
    # Top-down decoders that have the option flip mirror each person instead of the image.
    if options.flip and hasattr(record.options, "flip"):
        overrides["flip"] = True
    return overrides


def _require_decoder(model: Model) -> Decoder:
    if model.decoder:
        return model.decoder
    if model.composite:
        raise InferenceError(
            f"{model.name} finds no poses by itself: it is a part of {model.composite}",
            hint=f"run {model.composite}",
        )
    raise InferenceError(
        f"{model.name} declares no decoder, so its outputs cannot be decoded to poses"
    )


def load_detector(
    model: Model,
    irs: NamedIrs,
    options: LoadOptions | None = None,
    description: InputDescription | None = None,
    min_person_score: float | None = None,
) -> Estimator:
    """Compile a model as the person detector of another model.

    Args:
        options: those of the other model, of which only the runtime is used.
        min_person_score: the least score of a box, 0..1; None: as the detector declares.

    Raises:
        InferenceError, MissingPackageError: as for ``load_estimator``.
    """
    options = options or LoadOptions()
    decoder_options = find_decoder(model.decoder.name).detector_options if model.decoder else {}
    options = LoadOptions(
        options.runtime, decoder_options=decoder_options, min_person_score=min_person_score
    )
    return load_estimator(model, irs, options, description=description)


def _ir_paths(model: Model, decoder: Decoder, irs: NamedIrs) -> tuple[Path | Graph, ...]:
    names = model.stages or (model.name,)
    needed = len(find_decoder(decoder.name).networks)
    if len(names) != needed:
        raise InferenceError(
            f"{model.name}: decoder {decoder.name} needs {needed} networks, not {len(names)}"
        )
    for name in names:
        if name not in irs:
            raise InferenceError(f"{model.name}: no IR of {name} was given")
    return tuple(irs[name] for name in names)
