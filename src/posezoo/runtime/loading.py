"""Load a model and its IR as an estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from posezoo.errors import InferenceError
from posezoo.plugins import import_attribute
from posezoo.pose.decoders import find_decoder, resolve_options
from posezoo.runtime.decoder_matching import describe_ir
from posezoo.runtime.estimator import Estimator
from posezoo.runtime.graph import Graph, Preprocessing
from posezoo.runtime.inference_pipeline import Pipeline
from posezoo.runtime.load_options import LoadOptions
from posezoo.runtime.pipeline_config import PipelineConfig
from posezoo.runtime.test_time_augmentation import TestTimeAugmentation
from posezoo.spec.model import ColorOrder, CompositeSpec, Decoder, ModelSpec


def load_estimator(
    model: ModelSpec | CompositeSpec,
    irs: Mapping[str, Path],
    options: LoadOptions | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    graphs: Sequence[Graph] = (),
) -> Estimator:
    """Compile the networks of a model.

    Args:
        model: its decoder decides which pipeline runs it.
        irs: the .xml of the model by its name; of a composite, of each stage by the stage's name.
        options: where and how it runs; None: the defaults.
        preprocessing: what the IR leave to be done to images; None: as the model declares.
        graphs: the IR in the order in which they run, if they have been read already.

    Raises:
        InferenceError: the model has no decoder or an unknown one, an option has an invalid value, or an IR
            is missing, damaged or of another network.
        MissingPackageError: OpenVINO is not installed.
    """
    options = options or LoadOptions()
    if preprocessing is None:
        preprocessing = _declared_preprocessing(model)
    decoder = _require_decoder(model)
    record = find_decoder(decoder.name)
    overrides = dict(options.decoder_options)
    # Top-down decoders with an option flip mirror each person, not the image.
    if options.flip and "flip" in {field.name for field in fields(record.options)}:
        overrides["flip"] = True
        options = replace(options, flip=False)
    decoder_options = resolve_options(decoder, overrides)
    config = PipelineConfig(
        model,
        _ir_paths(model, decoder, irs),
        decoder.name,
        decoder_options,
        options.override(preprocessing),
        options,
        tuple(graphs),
    )
    if options.uses_augmentation:
        return Estimator(model, decoder.name, TestTimeAugmentation(config))
    create_pipeline: Callable[[PipelineConfig], Pipeline] = import_attribute(record.pipeline)
    return Estimator(model, decoder.name, create_pipeline(config))


def load_ir(xml: Path, decoder: str | None = None, options: LoadOptions | None = None) -> Estimator:
    """Compile an IR that no model.yml describes.

    Args:
        xml: of the IR.
        decoder: a name of ``pose.decoders.DECODERS``; None: the one that the IR names in its metadata, as our
            converter and Open Model Zoo write it, else the one that its outputs fit.
        options: where and how it runs; its preprocessing overrides that of the IR's metadata.

    Raises:
        DecoderError: the outputs fit no known decoder, or not this one; it names the one that they fit.
        InferenceError: as for ``load_estimator``.
        MissingPackageError: OpenVINO is not installed.
    """
    graph = Graph(xml)
    model, preprocessing = describe_ir(graph, decoder)
    return load_estimator(model, {model.name: xml}, options, preprocessing=preprocessing, graphs=(graph,))


def _require_decoder(model: ModelSpec | CompositeSpec) -> Decoder:
    if model.decoder is not None:
        return model.decoder
    if isinstance(model, ModelSpec) and model.composite:
        raise InferenceError(
            f"{model.name} finds no poses alone: it is a part of {model.composite}",
            hint=f"run {model.composite}",
        )
    raise InferenceError(f"{model.name} declares no decoder, so its outputs cannot be decoded to poses")


def _ir_paths(
    model: ModelSpec | CompositeSpec, decoder: Decoder, irs: Mapping[str, Path]
) -> tuple[Path, ...]:
    names = model.stages if isinstance(model, CompositeSpec) else (model.name,)
    needed = len(find_decoder(decoder.name).networks)
    if len(names) != needed:
        raise InferenceError(
            f"{model.name}: decoder {decoder.name} needs {needed} networks, not {len(names)}"
        )
    for name in names:
        if name not in irs:
            raise InferenceError(
                f"{model.name}: no IR of {name} was given", hint=f"posezoo convert {model.name}"
            )
    return tuple(irs[name] for name in names)


def _declared_preprocessing(model: ModelSpec | CompositeSpec) -> Preprocessing:
    """What the IR of a model of the zoo leaves to be done: mean and scale are in the IR already."""
    if isinstance(model, CompositeSpec) or not model.inputs:
        return Preprocessing()
    image = model.inputs[0]
    return Preprocessing(layout=image.ir_layout, reverse_input_channels=image.ir_color is ColorOrder.RGB)
