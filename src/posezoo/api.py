"""The Python API: models by name; and what plug-ins import (``_FOR_PLUGINS``), such as ``from
posezoo.api import DecoderType``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from posezoo.console.console import show_progress
from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import ModelSpec, NetworkChoice, Precision
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import find_skeleton
from posezoo.core.errors import (
    PosezooError,
    SettingsError,
    UnknownModelError,
    import_optional,
    suggest,
)
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.other_words import explain_other_word
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.own_networks import require_network
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import (
    SETTING_TYPES,
    describe_folders,
    read_settings,
    suggest_setting,
    to_settings,
)
from posezoo.networks import build_network, is_network
from posezoo.networks.custom_weights import with_known_network
from posezoo.run.default_model import default_names
from posezoo.run.load import Loader, default_runtime
from posezoo.run.load_arguments import (
    GROUPED,
    Options,
    Preparation,
    explain_argument,
    require_group,
    spell_argument,
    spell_for_convert,
    spell_in_python,
)
from posezoo.run.subject import Statement, find_subject

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import Unpack

    # The names of ``_FOR_PLUGINS``.
    from posezoo.cli.flags import Flag as Flag
    from posezoo.cli.flags import context_from_args as context_from_args
    from posezoo.cli.parsers import Args as Args
    from posezoo.cli.verbs import Verb as Verb
    from posezoo.core.convert.formats import ModelFormat as ModelFormat
    from posezoo.core.declarations.field_types import Key as Key
    from posezoo.core.declarations.field_types import matching as matching
    from posezoo.core.declarations.field_types import record as record
    from posezoo.core.declarations.model import Input as Input
    from posezoo.core.declarations.model import Output as Output
    from posezoo.core.download.candidates import ByteStream as ByteStream
    from posezoo.core.download.source_types import SourceType as SourceType
    from posezoo.export.decoded.graphs import DecoderGraph as DecoderGraph
    from posezoo.export.target_type import ExportTarget as ExportTarget
    from posezoo.figures.model_facts import ModelFacts
    from posezoo.lint.finding import RuleViolation as RuleViolation
    from posezoo.lint.rule import rule as rule
    from posezoo.networks import NetworkDefinition as NetworkDefinition
    from posezoo.poses.decoder_type import BOTTOM_UP as BOTTOM_UP
    from posezoo.poses.decoder_type import TOP_DOWN as TOP_DOWN
    from posezoo.poses.decoder_type import DecoderType as DecoderType
    from posezoo.poses.keypoints import create_poses as create_poses
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.runtime_config import LoadOptions

_Path = str | Path
_Paths = _Path | Sequence[_Path]
_Texts = str | Sequence[str]


class SettingValues(TypedDict, total=False):
    """What the Python API takes for ``Settings``, of which ``load`` has some as parameters."""

    weights_dir: _Path
    cache_dir: _Path
    mirror: _Paths
    models_dir: _Paths
    registries: _Texts
    default: str
    attempts: int
    stall_timeout: float
    header: _Texts
    allow_http: bool
    allow_private_redirects: bool
    jobs: int
    connections: int
    conversion_timeout: float
    conversion_memory: float
    require_proof: bool
    mo: _Path
    allow_upstream_code: bool | str
    lock: _Path
    locked: bool
    inference_precision: str
    allow_licenses: _Texts


_FOR_PLUGINS = {
    "posezoo.cli.flags": ("Flag", "context_from_args"),
    "posezoo.cli.parsers": ("Args",),
    "posezoo.cli.verbs": ("Verb",),
    "posezoo.core.convert.formats": ("ModelFormat",),
    "posezoo.core.declarations.field_types": ("Key", "matching", "record"),
    "posezoo.core.declarations.model": ("Input", "Output"),
    "posezoo.core.download.candidates": ("ByteStream",),
    "posezoo.core.download.source_types": ("SourceType",),
    "posezoo.export.decoded.graphs": ("DecoderGraph",),
    "posezoo.export.target_type": ("ExportTarget",),
    "posezoo.lint.finding": ("RuleViolation",),
    "posezoo.lint.rule": ("rule",),
    "posezoo.networks": ("NetworkDefinition",),
    "posezoo.poses.decoder_type": ("BOTTOM_UP", "TOP_DOWN", "DecoderType"),
    "posezoo.poses.keypoints": ("create_poses",),
}


if not TYPE_CHECKING:  # a checker sees the imports above, and refuses all other names

    def __getattr__(name):
        """Import what plug-ins use when it is first used."""
        from importlib import import_module

        for module, names in _FOR_PLUGINS.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module 'posezoo.api' has no attribute {name!r}")


def get(
    name: str,
    precision: str = "FP16",
    *,
    tag: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    model_name: str = "",
    force: bool = False,
    trust_on_first_use: bool = False,
    skeleton: Skeleton | str | os.PathLike[str] | None = None,
    listener: Listener | None = show_progress,
    **settings: Unpack[SettingValues],
) -> dict[str, Path]:
    """Download, verify and convert a model to IR; an IR that is up to date is kept.

    Args:
        name: a model or composite of the zoo; with ``checkpoint``, a model that is one of our
            networks, or the name of such a network.
        precision: ``FP32``, ``FP16``, or ``FP16-INT8`` if the registry has ranges for it.
        tag: one of the model's variants; empty for the default. ``name@tag`` as the name has the
            same effect.
        checkpoint: your own weights, which replace the published ones: a .pth, .safetensors or
            .params file whose keys fit; the keys also decide how many stages, channels and
            keypoints there are.
        model_name: with ``checkpoint``, the name of the IR and their folder; empty for ``name``.
        force: convert again even if the IR are up to date, and replace IR that were made from other
            weights.
        trust_on_first_use: accept a file whose publisher states no checksum; its checksum is then
            recorded in posezoo.lock (the setting ``lock``).
        skeleton: with ``checkpoint``, that of the network's keypoints, as for ``load``.
        listener: receives events, see ``posezoo.core.events``; by default they are shown on the
            standard error, as by the command line; None shows nothing.
        settings: any of ``posezoo.core.settings.Settings``, such as ``weights_dir`` or ``mirror``.

    Returns:
        The .xml of each part by its name; for a model that is not a composite, only its own.

    Raises:
        UnknownModelError: there is no such model.
        DownloadError: a file cannot be downloaded.
        ConversionError: the IR cannot be made, its outputs differ from those of the original, or it
            would replace an IR that was made from other weights.
        CheckpointError: the checkpoint cannot be read, or does not fit the network.
    """
    listener = listener or ignore_event
    context = _open(get, settings, trust_on_first_use, listener)
    said = Statement(
        checkpoint=None if checkpoint is None else Path(checkpoint),
        model_name=model_name,
        tag=tag,
        skeleton=_as_skeleton(skeleton),
    )
    subject = find_subject(name, context, said, takes_files=False)
    assert subject.model
    conversion = ConversionOptions(force=force)
    return get_irs(
        subject.model,
        _precision(precision, name, context),
        context,
        checkpoint=subject.checkpoint,
        options=conversion,
        listener=listener,
    )


def list_models(*patterns: str, **settings: Unpack[SettingValues]) -> list[ModelFacts]:
    """The models of the zoo, as ``posezoo list`` shows them: composites first.

    Args:
        patterns: names or case-sensitive globs, such as ``human-pose-*``; none: all models.
        settings: any of ``posezoo.core.settings.Settings``, such as ``models_dir``.

    Returns:
        For each model its ``name``, ``licenses``, ``frameworks``, ``precisions``, ``size_bytes``,
        ``download_bytes``, and the declared ``model`` with ``task`` and ``description``.

    Raises:
        UnknownModelError: a pattern matches no name.
        SpecError: a model.yml of the selected models has a mistake.
    """
    from posezoo.figures.model_facts import describe_models

    registry = _open(list_models, settings, False, show_progress).registry
    selection = registry.select(patterns or None)
    for problem in selection.problems:
        raise problem
    return describe_models(selection, registry)


def load(
    name: str | os.PathLike[str] | None = None,
    precision: str = "FP16",
    device: str | None = None,
    *,
    tag: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    model_name: str = "",
    force: bool = False,
    trust_on_first_use: bool = False,
    detector: str | None = "usual",
    preparation: Preparation | None = None,
    options: Options | None = None,
    listener: Listener | None = show_progress,
    **settings: Unpack[SettingValues],
) -> Estimator:
    """Load a model that returns the poses in an image; it is downloaded and converted if needed.

    Args:
        name: a model of the zoo; or a file: the .xml of an IR, an .onnx, or a checkpoint that one
            of our networks reads. None: the network that reads ``checkpoint``; without that,
            the default, with a warning: it is chosen once for each user of a machine, as the first
            of the registry's list that the machine reaches.
        precision: of a zoo model's IR: ``FP32``, ``FP16``, or one that it is published in, has
            ranges for, or was quantized to; with INT8, its detector is INT8, too, if it can be.
        device: OpenVINO's device; None: as in the settings, by default CPU.
        tag, checkpoint, force, trust_on_first_use: of a model's name, as for ``get``.
        model_name: as for ``get``; empty: the IR of ``checkpoint`` get a folder of their own.
        detector: finds the people for a top-down model: a model of the zoo; None: the whole image
            is one person; ``usual``: as in the settings, by default as the model declares.
        preparation: how images are prepared for a file that does not say it.
        options: sizes, scores, and how many images are processed at the same time.
        listener: receives events, see ``posezoo.events``; by default they are shown on the
            standard error; None shows nothing.
        settings: of ``posezoo.core.settings.Settings``, such as ``weights_dir``, ``mirror`` or
            ``inference_precision``.

    Returns:
        A callable that takes the path of an image, the bytes of an image file, or a uint8 image
        (height, width, 3), BGR unless ``color="RGB"`` is given, and returns ``Poses``, a list of
        ``Pose``; for a list of images, a list of them. Several threads may call it at once.

    Raises:
        PosezooError: it cannot be downloaded, converted or compiled, or takes no such argument.
    """
    require_group("options", options)
    require_group("preparation", preparation)
    listener = listener or ignore_event
    preparation = preparation or Preparation()
    flags: dict[str, object] = {**settings, "device": device}
    if detector != "usual":
        flags["detector"] = detector or "none"
    context = _open(load, flags, trust_on_first_use, listener)
    options = options or Options()
    if name is None and checkpoint is None and (given := _given(tag=tag, model_name=model_name)):
        raise PosezooError(f"{', '.join(given)}: no model is named")
    text = None if name is None else os.fspath(name)
    said = Statement(
        checkpoint=None if checkpoint is None else Path(checkpoint),
        model_name=model_name,
        tag=tag,
        force=force,
        precision=None if precision == "FP16" else _precision(precision, text, context),
        detector=detector,
        height=options.height,
        decoder_options=options.decoder_options or {},
        skeleton=_as_skeleton(preparation.skeleton),
        like=preparation.like,
        decoder=preparation.decoder,
        reverse_input_channels=preparation.reverse_input_channels,
        mean_values=cast("tuple[float, ...] | None", preparation.mean_values),
        scale_values=cast("tuple[float, ...] | None", preparation.scale_values),
        flags=spell_for_convert(preparation),
        others=("boxes",),  # a call may have them
    )
    loader = Loader(context, conversion=ConversionOptions(force=force), listener=listener)
    try:
        subject = find_subject(text, context, said)
        prepared = loader.prepare(subject)
        if prepared.chosen:
            _warn_of_unnamed()
        return prepared.compile(_to_load_options(options, context))
    except PosezooError as error:
        error.hint = spell_in_python(error.hint)
        raise


@cache  # once in a process
def _warn_of_unnamed() -> None:
    message = "no model named: name it, so that another machine gives the same"
    # The caller of ``load``, which a decorator wraps.
    warnings.warn(message, UserWarning, stacklevel=3)


def _to_load_options(options: Options, context: Context) -> LoadOptions:
    from posezoo.run.runtime.runtime_config import LoadOptions

    return LoadOptions(
        replace(
            default_runtime(context.settings),
            requests=options.requests,
            streams=str(options.streams),
            threads=options.threads,
        ),
        min_person_score=options.min_person_score,
        whole_image=options.whole_image,
        aspect_size=options.aspect,
    )


def _given(**arguments: object) -> list[str]:
    return [name for name, value in arguments.items() if value]


def network(
    name: str,
    pretrained: bool | str | os.PathLike[str] = True,
    *,
    trust_on_first_use: bool = False,
    listener: Listener | None = show_progress,
    **settings: Unpack[SettingValues],
) -> nn.Module:
    """One of our networks as a PyTorch module, in eval mode, on the CPU, in float32.

    It takes float32 (N, 3, H, W): an image of 0..255, minus the mean and divided by the scale. The
    colour order, mean and scale are in ``posezoo.networks.NETWORKS``; the IR contain this
    preprocessing. The class of the module documents its result: a tensor, or a tuple of tensors in
    the order of the IR's outputs.

    Args:
        name: the name of a network, or of a model of the zoo that is one of our networks.
        pretrained: True for the zoo's weights, which are downloaded if needed; False for PyTorch's
            initial weights; or the path of a .pth, .safetensors or .params file whose keys fit:
            they decide how many stages, channels and keypoints the network has.
        trust_on_first_use: accept weights without a checksum, which is then recorded in
            posezoo.lock.
        listener: receives events, see ``posezoo.core.events``; by default they are shown on the
            standard error, as by the command line; None shows nothing.
        settings: any of ``posezoo.core.settings.Settings``, such as ``weights_dir`` or ``mirror``.

    Raises:
        UnknownModelError: there is no such network, or no model of the zoo with its weights.
        DownloadError: the weights cannot be downloaded.
        CheckpointError: the file cannot be read, or does not fit the network.
        MissingPackageError: torch is not installed.
    """
    listener = listener or ignore_event
    import_optional("torch", extra="torch")
    from posezoo.core.convert.frontends import verify_source_model
    from posezoo.core.download.model_download import download_model
    from posezoo.networks.pretrained import read_network_checkpoint

    context = _open(network, settings, trust_on_first_use, listener)
    if pretrained is True:
        spec = with_known_network(_model_with_network(context, name))
        choice = require_network(spec)
        lock = context.lock
        layout = context.layout
        options = context.download_options
        download_model(lock.with_pins(spec), layout, options, listener=listener)
        path = verify_source_model(lock.with_pins(spec), layout)  # with the pin of a first use
        return read_network_checkpoint(path, choice.name, choice.arguments).load()
    choice = NetworkChoice(name)
    if not is_network(name):
        choice = require_network(with_known_network(_model_with_network(context, name)))
    if pretrained is False:
        return build_network(choice.name, **choice.arguments)
    return read_network_checkpoint(Path(pretrained), choice.name, assumed=choice.arguments).load()


def _as_skeleton(skeleton: Skeleton | str | os.PathLike[str] | None) -> Skeleton | None:
    if skeleton is None or isinstance(skeleton, Skeleton):
        return skeleton
    return find_skeleton(os.fspath(skeleton))


def _model_with_network(context: Context, name: str) -> ModelSpec:
    """The model of this name; if it is the name of a network, the only model with that network."""
    if name not in context.registry.entries and is_network(name):
        models = []
        for model in context.registry.select().models:
            if model.network and model.network.name == name:
                models.append(model)
        if len(models) == 1:
            return models[0]
        subject = "no model has"
        hint = "pretrained=FILE takes weights of your own"
        if models:
            subject = "several models have"
            hint = f"name one of {', '.join(model.name for model in models)}"
        raise UnknownModelError(f"{name} is a network, and {subject} weights for it", hint=hint)
    return context.registry.find_single(name)


def _open(
    caller: Callable[..., object],
    flags: Mapping[str, object],
    trust_on_first_use: bool,
    listener: Listener = ignore_event,
) -> Context:
    for name in flags:
        if name not in SETTING_TYPES:
            is_load = caller is load
            grouped = GROUPED if is_load else ()
            known = [*signature(caller).parameters, *grouped, *SETTING_TYPES]
            other = explain_argument(name, flags[name]) if is_load else ""
            similar = suggest(name, known, spell=_spell_known) or suggest_setting(name)
            hint = other or explain_other_word(name) or similar
            raise SettingsError(f"unknown setting {name!r}", hint=hint)
    try:
        found = read_settings(flags)
    except SettingsError as error:  # which names the flag of an argument
        raise SettingsError(error.problem.removeprefix("--"), hint=error.hint) from error
    if folders := describe_folders(found):
        listener(WarningIssued(f"this program uses {folders}"))
    return open_context(to_settings(found), trust_on_first_use=trust_on_first_use)


def _spell_known(name: str) -> str:
    return spell_argument(name) if name in GROUPED else name


def _precision(text: str, name: str | None, context: Context) -> Precision:
    try:
        return Precision(text)
    except ValueError as error:
        from posezoo.figures.model_facts import ModelFacts

        registry = context.registry
        is_known = name is not None and registry.real_name(name) in registry.entries
        names = (name,) if name and is_known else default_names(context)
        models = [registry.find(each) for each in names]
        facts = [ModelFacts(model, tuple(registry.parts(model))) for model in models]
        offered = {each for one in facts for each in one.precisions}
        shown = [each for each in Precision if each in offered]
        hint = (
            f"{models[0].full_name if is_known else 'the default'} has {', '.join(shown) or 'none'}"
        )
        hint = suggest(str(text).upper(), shown) or hint
        raise PosezooError(f"no precision is called {text!r}", hint=hint) from error
