"""The Python API: models by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import PosezooError, SettingsError, UnknownModelError, import_optional, suggest
from posezoo.events import Listener, ignore_event
from posezoo.networks import build_network, is_network
from posezoo.pipeline.get import get_irs
from posezoo.pipeline.load import (
    compile_estimator,
    compile_ir_estimator,
    default_runtime,
    detector_irs,
    require_detector_used,
)
from posezoo.pipeline.zoo_context import Context, open_context
from posezoo.registry import TAG_MARK
from posezoo.resolve.custom_weights import require_network, spec_with_checkpoint
from posezoo.settings import SETTING_TYPES, read_settings, to_settings
from posezoo.spec.model import CompositeSpec, ModelSpec, NetworkChoice, Precision

if TYPE_CHECKING:
    from torch import nn

    from posezoo.runtime.estimator import Estimator
    from posezoo.runtime.load_options import LoadOptions


def get(
    name: str,
    precision: str = "FP16",
    *,
    tag: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    model_name: str = "",
    force: bool = False,
    trust_on_first_use: bool = False,
    listener: Listener = ignore_event,
    **settings: Any,
) -> dict[str, Path]:
    """A model's IR, downloaded, verified and converted if it is not there yet.

    Args:
        name: a model or composite of the zoo; with ``checkpoint``, a model that is a network of ours, or such
            a network.
        precision: ``FP32`` or ``FP16``.
        tag: one of the model's variants; empty for the default. ``name@tag`` as the name says the same.
        checkpoint: weights of your own in place of the published ones: a .pth, .safetensors or .params file
            whose keys fit; they also decide how many stages, channels and keypoints there are.
        model_name: with ``checkpoint``, the name of the IR and their folder; empty: as ``name``.
        force: convert again what is up to date, and replace IR that were made of other weights.
        trust_on_first_use: accept a file whose publisher states no checksum; its checksum is then recorded in
            posezoo.lock (the setting ``lock``).
        listener: receives events; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Returns:
        The .xml of each part by its name; for a model that is no composite, only its own.

    Raises:
        UnknownModelError: there is no such model.
        FetchError: a file cannot be downloaded.
        ConversionError: the IR cannot be made, does not compute what the original computes, or would replace
            one that was made of other weights.
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
    """
    context = _open(settings, trust_on_first_use)
    own = None if checkpoint is None else Path(checkpoint)
    model = _find_model(context, _full(name, tag), own, model_name)
    return get_irs(model, _precision(precision), context, checkpoint=own, force=force, listener=listener)


def load(
    name: str | os.PathLike[str],
    precision: str = "FP16",
    device: str | None = None,
    *,
    tag: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    model_name: str = "",
    force: bool = False,
    trust_on_first_use: bool = False,
    inference_precision: str | None = None,
    detector: str | None = "usual",
    requests: int = 1,
    streams: str = "",
    threads: int = 0,
    target_size: int | None = None,
    aspect: tuple[int, int] | None = None,
    listener: Listener = ignore_event,
    **settings: Any,
) -> Estimator:
    """A model, ready to use: image in, poses out; downloaded and converted if it is not there yet.

    Args:
        name: a model or composite of the zoo that has a decoder; or the .xml of an IR, whose metadata or
            outputs decide on the decoder.
        precision: of the IR of a model of the zoo: ``FP32`` or ``FP16``, or one that it is published in.
        device: of OpenVINO; None: the setting's, which is CPU by default.
        inference_precision: ``f32``, ``f16``, ``bf16`` or ``default`` (the device's choice); None: the
            setting's, which is f32 by default.
        tag: one of the model's variants; empty for the default.
        checkpoint: weights of your own, as for ``get``, and so ``model_name`` and ``force``; if ``name`` is
            a network, the outputs decide on the decoder.
        trust_on_first_use: as for ``get``.
        detector: the person detector of a top-down model: a model of the zoo; None for none (the whole image
            is one person, unless boxes are given); ``usual`` for the setting's, by default
            person-detection-retail-0013, and none for MoveNet.
        requests: how many images ``stream`` processes at once; 0: the device's optimum.
        streams: how many inferences run in parallel, ``4`` or ``CPU:4,GPU:2``; empty: the device's choice.
        threads: of the CPU; 0: its cores.
        target_size: the size at which images are seen: the height in pixels for OpenPose-like networks, the
            shorter side for those with associative embeddings; None: the size of the IR's input.
        aspect: width and height of the images to come, for which the input is sized once, if possible.
        listener: receives events; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Returns:
        A callable: a uint8 image (height, width, 3) in, BGR unless ``color="RGB"`` is given; a list of
        ``Pose`` out.

    Raises:
        PosezooError: it cannot be downloaded, converted or compiled, or it finds people itself and is given
            a detector.
    """
    flags = {**settings, "device": device, "inference_precision": inference_precision}
    if detector != "usual":
        flags["detector"] = detector or "none"
    context = _open(flags, trust_on_first_use)
    from posezoo.runtime.load_options import LoadOptions

    runtime = default_runtime(context.settings)
    options = LoadOptions(
        replace(runtime, requests=requests, streams=streams, threads=threads),
        target_size=target_size,
        aspect_size=aspect,
    )
    if not isinstance(name, str) or name.endswith(".xml"):
        if checkpoint is not None or model_name or tag or force:
            raise PosezooError(f"{name}: is an IR already", hint="checkpoint, tag and force go with a name")
        return _load_ir(Path(name), context, detector, listener, options)
    own = None if checkpoint is None else Path(checkpoint)
    model = _find_model(context, _full(name, tag), own, model_name)
    require_detector_used(detector, model)
    irs = get_irs(model, _precision(precision), context, checkpoint=own, force=force, listener=listener)
    if own is not None and model.decoder is None:  # of a network alone the outputs decide
        return _load_ir(irs[model.name], context, detector, listener, options)
    irs = {**detector_irs(model, context, listener=listener), **irs}
    return compile_estimator(model, context, irs, options)


def _load_ir(
    xml: Path, context: Context, detector: str | None, listener: Listener, options: LoadOptions
) -> Estimator:
    estimator = compile_ir_estimator(xml, context, options, listener=listener)
    require_detector_used(detector, estimator.model, estimator.decoder)
    return estimator


def network(
    name: str,
    pretrained: bool | str | os.PathLike[str] = True,
    *,
    trust_on_first_use: bool = False,
    listener: Listener = ignore_event,
    **settings: Any,
) -> nn.Module:
    """One of our networks as a PyTorch module, in eval mode, on the CPU, in float32.

    It takes float32 (N, 3, H, W): an image of 0..255 in the colour order, less the mean and over the scale,
    that ``posezoo.networks.NETWORKS`` states (the IR do that themselves). It returns what its class
    documents: a tensor, or a tuple of them in the order of the IR's outputs.

    Args:
        name: of a network, or of a model of the zoo that is one.
        pretrained: True for the zoo's weights, downloaded if they are not there; False for PyTorch's initial
            ones; else a .pth, .safetensors or .params file whose keys fit: they decide how many stages,
            channels and keypoints the network has.
        trust_on_first_use: accept weights without a checksum, which is then recorded in posezoo.lock.
        listener: receives events; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Raises:
        UnknownModelError: there is no such network, or no model of the zoo with its weights.
        FetchError: the weights cannot be downloaded.
        CheckpointError: the file cannot be read, or does not fit the network.
        MissingPackageError: torch is not installed.
    """
    import_optional("torch", extra="torch")
    from posezoo.convert.frontends import verify_source_model
    from posezoo.download.model_download import download_model
    from posezoo.networks.pretrained import read_network_checkpoint

    context = _open(settings, trust_on_first_use)
    if pretrained is True:
        spec = _model_with_network(context, name)
        choice = require_network(spec)
        lock, layout = context.lock, context.layout
        download_model(lock.with_pins(spec), layout, context.download_options, listener=listener)
        path = verify_source_model(lock.with_pins(spec), layout)  # with the pin of a first use
        return read_network_checkpoint(path, choice.name, choice.arguments).load()
    choice = NetworkChoice(name) if is_network(name) else require_network(_model_with_network(context, name))
    if pretrained is False:
        return build_network(choice.name, **choice.arguments)
    return read_network_checkpoint(Path(pretrained), choice.name, assumed=choice.arguments).load()


def _find_model(
    context: Context, name: str, checkpoint: Path | None, model_name: str
) -> ModelSpec | CompositeSpec:
    """The model of this name, or the one that the user's own weights make."""
    if checkpoint is None:
        if model_name:
            raise PosezooError(f"model_name={model_name!r} goes with checkpoint", hint="leave it out")
        return context.registry.find(name)
    means_network = is_network(name) and name not in context.registry.entries
    model = name if means_network else _require_single(context, name)
    return spec_with_checkpoint(model, checkpoint, model_name)


def _require_single(context: Context, name: str) -> ModelSpec:
    model = context.registry.find(name)
    if isinstance(model, CompositeSpec):
        raise UnknownModelError(f"{name} is a composite", hint=f"name {' or '.join(model.stages)}")
    return model


def _model_with_network(context: Context, name: str) -> ModelSpec:
    """The model of this name, else the only one with the network of this name."""
    if is_network(name) and name not in context.registry.entries:
        models = [
            model
            for model in context.registry.select().models
            if model.network is not None and model.network.name == name
        ]
        if len(models) != 1:
            names = ", ".join(model.name for model in models)
            those = "several models have" if models else "no model has"
            raise UnknownModelError(
                f"{name} is a network, and {those} weights for it",
                hint=f"name one of {names}" if models else "pretrained=FILE takes weights of your own",
            )
        return models[0]
    return _require_single(context, name)


def _full(name: str, tag: str) -> str:
    return f"{name}{TAG_MARK}{tag}" if tag else name


def _open(flags: dict[str, Any], trust_on_first_use: bool) -> Context:
    for name in flags:
        if name not in SETTING_TYPES:
            raise SettingsError(f"unknown setting {name!r}", hint=suggest(name, SETTING_TYPES))
    return open_context(to_settings(read_settings(flags)), trust_on_first_use=trust_on_first_use)


def _precision(text: str) -> Precision:
    try:
        return Precision(text)
    except ValueError as error:
        hint = suggest(str(text).upper(), Precision) or f"use one of {', '.join(Precision)}"
        raise PosezooError(f"no precision is called {text!r}", hint=hint) from error
