"""Load a model's IR as an estimator: choose its detector, and compile both for the device of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import InferenceError, SettingsError, UnknownModelError
from posezoo.events import Listener, ignore_event
from posezoo.pipeline.get import get_irs
from posezoo.pipeline.zoo_context import Context
from posezoo.registry import open_registry
from posezoo.settings import USUAL_DETECTOR, Settings, user_folder
from posezoo.spec.model import Model, Precision

if TYPE_CHECKING:
    from posezoo.runtime.estimator import Estimator
    from posezoo.runtime.runtime_config import LoadOptions, RuntimeConfig

#: The detector to try if the usual one finds no person: it also finds small people.
OTHER_DETECTOR = "nanodet-g"


def select_detector(context: Context, decoder: str, *, if_possible: bool = False) -> Model | None:
    """The person detector for a model with this decoder, from the settings; None if it needs none.

    Args:
        if_possible: also for a model that otherwise gets one only if the settings name it, such as MoveNet.

    Raises:
        UnknownModelError: neither this registry nor posezoo's own has a model of the detector's name.
        InferenceError: the named model is not a detector, but itself takes images of one person.
    """
    from posezoo.pose.decoders import DECODERS, find_decoder

    named = context.settings.detector
    record = DECODERS.find(decoder) if decoder else None
    taken = record.detector if record is not None else ""
    if not taken or named == "none" or (named == "usual" and taken != "usual" and not if_possible):
        return None
    name = USUAL_DETECTOR if named == "usual" else named
    registry = context.registry
    if name not in registry.entries and name in (own := open_registry()).entries:
        registry = own
    try:
        detector = registry.find(name)
    except UnknownModelError as error:
        hint = error.hint or "name another detector, or none"
        raise UnknownModelError(f"the person detector: {error.problem}", hint=hint) from error
    if detector.decoder is not None and find_decoder(detector.decoder.name).detector:
        raise InferenceError(
            f"{name} is not a detector: it processes one person at a time", hint=f"use {USUAL_DETECTOR}"
        )
    return detector


def require_detector_used(detector: str | None, model: Model, decoder: str = "") -> None:
    """Refuse a detector that the user named for a model that needs none.

    A detector from the settings, which are for all models, is not refused.

    Args:
        detector: the detector named for this model; None, ``none`` and ``usual`` are allowed for every model.
        decoder: the model's decoder; if empty, the one that it declares, if any.

    Raises:
        InferenceError: the model finds people itself.
    """
    from posezoo.pose.decoders import require_top_down

    declared = model.decoder.name if model.decoder is not None else ""
    if detector and detector not in ("none", "usual"):
        require_top_down(decoder or declared, model.full_name)


def detector_irs(model: Model, context: Context, *, listener: Listener = ignore_event) -> dict[str, Path]:
    """The FP16 .xml of each part of a model's detector by its name; empty if the model has no detector.

    Raises:
        FetchError: a file cannot be downloaded.
        ConversionError: an IR cannot be made, or was not published in FP16.
    """
    detector = select_detector(context, model.decoder.name) if model.decoder else None
    return get_irs(detector, Precision.FP16, context, listener=listener) if detector else {}


def compile_estimator(
    model: Model, context: Context, irs: Mapping[str, Path], options: LoadOptions | None = None
) -> Estimator:
    """Compile a model or composite, and its detector, as an estimator that returns the poses in an image.

    Args:
        context: names the detector.
        irs: the .xml of each part of the model and of its detector, by name.
        options: where and how it runs; None for the device in the settings.

    Raises:
        InferenceError: an IR cannot be read or compiled, or the model has no decoder.
    """
    from posezoo.runtime.loading import load_estimator
    from posezoo.runtime.runtime_config import LoadOptions

    options = options or LoadOptions(default_runtime(context.settings))
    return _with_detector(load_estimator(model, irs, options), context, options, lambda _detector: irs)


def compile_ir_estimator(
    xml: Path,
    context: Context,
    options: LoadOptions | None = None,
    *,
    decoder: str | None = None,
    named_detector: str | None = None,
    listener: Listener = ignore_event,
) -> Estimator:
    """Compile an IR that no model.yml describes, and its detector, which is downloaded if it is missing.

    Args:
        context: names the detector.
        options: where and how it runs; None for the device in the settings.
        decoder: the decoder of its outputs; None if the IR's metadata or outputs decide.
        named_detector: the detector that the user named for this IR, which must be one that needs a detector.

    Raises:
        InferenceError: it cannot be read or compiled, no decoder is known for its outputs, or it finds people
            itself although a detector is named.
        FetchError: a file of the detector cannot be downloaded.
    """
    from posezoo.runtime.loading import load_ir
    from posezoo.runtime.runtime_config import LoadOptions

    options = options or LoadOptions(default_runtime(context.settings))
    estimator = load_ir(xml, decoder, options)
    require_detector_used(named_detector, estimator.model, estimator.decoder)

    def get_detector(detector: Model) -> dict[str, Path]:
        return get_irs(detector, Precision.FP16, context, listener=listener)

    return _with_detector(estimator, context, options, get_detector)


def _with_detector(
    estimator: Estimator,
    context: Context,
    options: LoadOptions,
    find_irs: Callable[[Model], Mapping[str, Path]],
) -> Estimator:
    from posezoo.pose.decoders import find_decoder
    from posezoo.runtime.loading import load_detector

    detector = select_detector(context, estimator.decoder)
    if detector is not None:
        return estimator.with_detector(load_detector(detector, find_irs(detector), options))
    if options.min_person_score is not None and not find_decoder(estimator.decoder).person_score:
        raise InferenceError(
            f"{estimator.model.full_name} finds one person in every image, whatever the score",
            hint="leave out --min_person_score, or name a --detector",
        )
    return estimator


def explain_no_people(estimator: Estimator, context: Context, min_person_score: float | None = None) -> str:
    """Why a model found no person, and what to try, for a user of the command line.

    Args:
        context: names the detector.
        min_person_score: the minimum score that the user chose; None for the decoder's.
    """
    from posezoo.pose.decoders import find_decoder, resolve_options
    from posezoo.spec.model import Decoder

    detector = select_detector(context, estimator.decoder)
    model = detector or estimator.model
    decoder = model.decoder or Decoder(estimator.decoder)
    option = find_decoder(decoder.name).person_score
    problem = f"{'the person detector ' if detector else ''}{model.full_name} found no person"
    advice = []
    if option:
        least = getattr(resolve_options(decoder), option) if min_person_score is None else min_person_score
        problem += f" with a score of {least:g} or more"
        advice += [f"--min_person_score {least / 2:g}"] if least else []
    if detector is None:
        advice += ["a photo in which people are larger", "another model (posezoo list)"]
    else:
        other = next(name for name in (USUAL_DETECTOR, OTHER_DETECTOR) if name != detector.name)
        advice += [f"--detector {other}", "--detector none if one person fills the photo"]
    return f"{problem}; try {', '.join(advice[:-1])}, or {advice[-1]}"


def default_runtime(settings: Settings) -> RuntimeConfig:
    """The device and precision of the settings, and the folder for networks compiled for the CPU."""
    from posezoo.runtime.runtime_config import RuntimeConfig

    cache_dir = None
    if settings.device == "CPU":
        with suppress(SettingsError):  # a user without a home folder
            cache_dir = user_folder("cache") / "compiled"
    return RuntimeConfig(
        device=settings.device, inference_precision=settings.inference_precision, cache_dir=cache_dir
    )
