"""The Python API: models by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import PosezooError, SettingsError, UnknownModelError, import_optional, suggest
from posezoo.events import Listener, ignore_event
from posezoo.networks import NETWORKS, build_network
from posezoo.pipeline import Model, Zoo, estimator_factory, open_zoo
from posezoo.registry import TAG_MARK
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
    """A model's IR, downloaded, verified and converted where it is not there yet.

    Args:
        name: a model or composite of the zoo; with ``checkpoint``, a model that is a network of ours, or such
            a network.
        precision: ``FP32`` or ``FP16``.
        tag: one of the model's variants; empty for the default. ``name@tag`` as the name says the same.
        checkpoint: weights of your own in place of the published ones: a .pth, .safetensors or .params file
            whose keys fit; they also tell how many stages, channels and keypoints there are.
        model_name: with ``checkpoint``, what the IR and their folder are called; as ``name`` where empty.
        force: convert again what is up to date, and replace IR that were made of other weights.
        trust_on_first_use: take what comes for a file whose publisher states no checksum, and remember it in
            posezoo.lock (the setting ``lock``).
        listener: told what happens; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Returns:
        The .xml of each part by its name; of a model that is no composite, its own alone.

    Raises:
        UnknownModelError: there is no such model.
        FetchError: a file is to be had nowhere.
        ConversionError: the IR cannot be made, does not compute what the original computes, or would replace
            one that was made of other weights.
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
    """
    zoo, model = _chosen(_open(settings, trust_on_first_use), _full(name, tag), checkpoint, model_name)
    return zoo.get_irs(model, _precision(precision), force=force, listener=listener)


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
    """A model, ready to use: image in, poses out; downloaded and converted where it is not there yet.

    Args:
        name: a model or composite of the zoo that has a decoder; or the .xml of an IR, which itself or whose
            outputs tell what it is.
        precision: of the IR of a model of the zoo: ``FP32`` or ``FP16``, or one that it is published in.
        device: of OpenVINO; where None, the setting's, which is CPU by default.
        inference_precision: ``f32``, ``f16``, ``bf16`` or ``default`` (the device's choice); where None, the
            setting's, which is f32 by default.
        tag: one of the model's variants; empty for the default.
        checkpoint: weights of your own, as for ``get``, and so ``model_name`` and ``force``; of a network's
            alone the outputs tell how they become poses.
        trust_on_first_use: as for ``get``.
        detector: who finds people for a model that sees one at a time: a model of the zoo; None for nobody
            (the whole image is one person, unless boxes are given); ``usual`` for what the setting says, by
            default person-detection-retail-0013, and nobody for MoveNet.
        requests: how many images ``stream`` has in the works at once; 0: as many as the device does best
            with.
        streams: how many inferences really run side by side, ``4`` or ``CPU:4,GPU:2``; empty: the device's
            choice.
        threads: of the CPU; 0: its cores.
        target_size: how large images are seen: the height in pixels for OpenPose-like networks, the shorter
            side for those with associative embeddings; None: as the IR's own input.
        aspect: width and height of the images to come, for which the input is made once, if it can be.
        listener: told what happens; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Returns:
        A callable: a uint8 image (height, width, 3) in, BGR unless ``color="RGB"`` is said; a list of
        ``Pose`` out.

    Raises:
        PosezooError: it cannot be had, converted or compiled, or finds people itself and is given a detector.
    """
    flags = {**settings, "device": device, "inference_precision": inference_precision}
    if detector != "usual":
        flags["detector"] = detector or "none"
    zoo = _open(flags, trust_on_first_use)
    from posezoo.runtime.load_options import LoadOptions

    runtime = estimator_factory.default_runtime(zoo.settings)
    options = LoadOptions(
        replace(runtime, requests=requests, streams=streams, threads=threads),
        target_size=target_size,
        aspect_size=aspect,
    )
    if not isinstance(name, str) or name.endswith(".xml"):
        if checkpoint is not None or model_name or tag or force:
            raise PosezooError(f"{name}: is an IR already", hint="checkpoint, tag and force go with a name")
        return _of_ir(zoo, Path(name), detector, listener, options)
    zoo, model = _chosen(zoo, _full(name, tag), checkpoint, model_name)
    estimator_factory.require_detector_used(detector, model)
    irs = zoo.get_irs(model, _precision(precision), force=force, listener=listener)
    if checkpoint is not None and model.decoder is None:  # a network alone: its outputs tell what it is
        return _of_ir(zoo, irs[model.name], detector, listener, options)
    irs = {**estimator_factory.detector_irs(zoo, model, listener=listener), **irs}
    return estimator_factory.compile_estimator(zoo, model, irs, options)


def _of_ir(zoo: Zoo, xml: Path, detector: str | None, listener: Listener, options: LoadOptions) -> Estimator:
    estimator = estimator_factory.compile_ir_estimator(zoo, xml, options, listener=listener)
    estimator_factory.require_detector_used(detector, estimator.model, estimator.decoder)
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
        pretrained: True for the zoo's weights, fetched where they are not there; False for PyTorch's initial
            ones; else a .pth, .safetensors or .params file whose keys fit: how many stages, channels and
            keypoints the network has is then told by the keys.
        trust_on_first_use: take weights that have no pin as they come, and pin them from then on.
        listener: told what happens; see ``posezoo.events``.
        settings: any of ``posezoo.settings.Settings``, such as ``output_dir`` or ``mirror``.

    Raises:
        UnknownModelError: there is no such network, or no model of the zoo with its weights.
        FetchError: the weights are to be had nowhere.
        CheckpointError: the file cannot be read, or does not fit the network.
        MissingPackageError: torch is not installed.
    """
    import_optional("torch", extra="torch")
    from posezoo.networks.pretrained import read_network_checkpoint

    zoo = _open(settings, trust_on_first_use)
    if pretrained is True:
        spec = _model_with(zoo, name)
        choice = zoo.require_network(spec)
        path = zoo.download_checkpoint(spec, listener=listener)
        return read_network_checkpoint(path, choice.name, choice.arguments).load()
    choice = NetworkChoice(name) if name in NETWORKS else zoo.require_network(_model_with(zoo, name))
    if pretrained is False:
        return build_network(choice.name, **choice.arguments)
    return read_network_checkpoint(Path(pretrained), choice.name, assumed=choice.arguments).load()


def _chosen(
    zoo: Zoo, name: str, checkpoint: str | os.PathLike[str] | None, model_name: str
) -> tuple[Zoo, Model]:
    """The model of that name, or the one that weights of the user's own make, in a zoo that has these."""
    if checkpoint is not None:
        is_network = name in NETWORKS and name not in zoo.registry.entries
        return zoo.with_checkpoint(Path(checkpoint), name if is_network else _single(zoo, name), model_name)
    if model_name:
        raise PosezooError(f"model_name={model_name!r} goes with checkpoint", hint="leave it out")
    return zoo, zoo.registry.find(name)


def _single(zoo: Zoo, name: str) -> ModelSpec:
    """The model of that name, which is no composite."""
    model = zoo.registry.find(name)
    if isinstance(model, CompositeSpec):
        raise UnknownModelError(f"{name} is a composite", hint=f"name {' or '.join(model.stages)}")
    return model


def _model_with(zoo: Zoo, name: str) -> ModelSpec:
    """The model of that name, else the only one whose network is called so."""
    if name in NETWORKS and name not in zoo.registry.entries:
        models = [
            model
            for model in zoo.registry.select().models
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
    return _single(zoo, name)


def _full(name: str, tag: str) -> str:
    return f"{name}{TAG_MARK}{tag}" if tag else name


def _open(flags: dict[str, Any], trust_on_first_use: bool) -> Zoo:
    for name in flags:
        if name not in SETTING_TYPES:
            raise SettingsError(f"unknown setting {name!r}", hint=suggest(name, SETTING_TYPES))
    return open_zoo(to_settings(read_settings(flags)), trust_on_first_use=trust_on_first_use)


def _precision(text: str) -> Precision:
    try:
        return Precision(text)
    except ValueError as error:
        hint = suggest(str(text).upper(), Precision) or f"use one of {', '.join(Precision)}"
        raise PosezooError(f"no precision is called {text!r}", hint=hint) from error
