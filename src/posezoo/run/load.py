"""Load a model as an estimator: make its IR, choose its detector, and compile both for the device
of the settings.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import (
    TRACKING,
    WHOLE_IMAGE,
    Decoder,
    Model,
    ModelSpec,
    People,
    Precision,
    finds_poses,
)
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import UNKNOWN
from posezoo.core.download.folder_sync import folder_sync
from posezoo.core.errors import (
    DownloadError,
    InferenceError,
    SettingsError,
    SourceError,
    UnknownModelError,
)
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.ir.provenance import ranges_key
from posezoo.core.layout import precision_of
from posezoo.core.pipeline.get import CONVERT, DOWNLOAD, TimeStep, get_irs, with_checkpoint_dir
from posezoo.core.registry import Registry, open_registry
from posezoo.core.resolve.resolved import INT8_PRECISIONS
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import (
    DEFAULT_DETECTOR,
    DEFAULT_MODEL,
    SECOND_MODEL,
    Settings,
    compiled_folder,
)
from posezoo.core.values import frozen
from posezoo.poses.decoders import (
    MASKS,
    find_decoder,
    require_masks,
    require_top_down,
    resolve_options,
)
from posezoo.poses.people import declared_people, noun_of, resolve_people

if TYPE_CHECKING:
    from posezoo.run.measured import Measurement
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.graph import Graph, NamedIrs
    from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig

# How long to wait for the default model's server before the second model is used.
_DEFAULT_TIMEOUT_S = 5.0

#: The model to suggest if no person was found: it needs no detector, and finds people whom others
#: miss.
FALLBACK_MODEL = "posenet-mobilenet-v1"

# After these errors another model is used. After others, such as a wrong digest, the user decides.
_UNAVAILABLE = (SourceError, DownloadError)


@frozen
class ChosenModel:
    """What the user wants to load: a model, with the user's own weights or without, or an IR.

    If neither a model nor an IR is named, it is the default model.
    """

    model: Model | None = None  # None for an IR
    precision: Precision = Precision.FP16  # of the IR of a model
    xml: Path | None = None  # the IR; None for a model
    checkpoint: Path | None = None  # the user's own weights
    like: ModelSpec | None = None  # the model that describes an IR without metadata
    #: Whether the IR of these weights have a folder of their own, so that they do not replace those
    #: of the published model.
    is_unnamed: bool = True


@frozen
class Loader:
    """Makes the IR of a model and of its detector, which are downloaded if they are missing.

    Attributes:
        context: the registry, the folders and the settings, which name the detector.
        named_detector: the detector that the user named for this model.
        decoder: the decoder to use; None for the one that the model declares or its outputs fit.
        is_video: as for ``select_detector``.
        conversion: how IR are made; None for the defaults.
        with_both: as for ``get_irs``.
        masks: whether poses get their ``mask``.
        time_step: measures the time of each step of ``get``, and of ``compile``.
    """

    context: Context
    named_detector: str | None = None
    decoder: str | None = None
    is_video: bool = False
    conversion: ConversionOptions | None = None
    with_both: bool = False
    masks: bool = False
    listener: Listener = ignore_event
    time_step: TimeStep = nullcontext

    def prepare(self, chosen: ChosenModel) -> PreparedModel:
        """Make the IR.

        Raises:
            FetchError: a file cannot be downloaded.
            ConversionError: an IR cannot be made, or was not published in this precision.
            InferenceError: a detector is named, and the model finds people itself; or masks are
                requested, and it has none.
        """
        if chosen.xml:
            return PreparedModel(self, xml=chosen.xml, like=chosen.like)
        model = chosen.model
        if model is None:
            return self._prepare_default(chosen.precision)
        require_detector_used(self.named_detector, model, self.decoder or "")
        if chosen.checkpoint is None and model.decoder is None:
            from posezoo.run.runtime.decoder_matching import require_decoded_task

            require_decoded_task(model)
        if self.masks:
            require_masks(model.decoder.name if model.decoder else "", model.full_name)
        irs = self._get_irs(chosen, model)
        if chosen.checkpoint and model.decoder is None:
            return PreparedModel(self, xml=irs[model.name])  # its outputs determine the decoder
        model = with_found_decoder(model, irs)
        require_detector_used(self.named_detector, model)
        with self.time_step(DOWNLOAD):
            loader, detector = self._get_detector(model, chosen.precision)
        return PreparedModel(loader, model, detector | irs)

    def compile_ir(
        self, xml: Path | Graph, options: LoadOptions | None = None, like: ModelSpec | None = None
    ) -> Estimator:
        """Compile an IR without a model.yml, and its detector, which is downloaded if missing.

        Args:
            xml: its path, or the graph that was read from it. A graph that was compiled before is
                read again.
            options: where and how it runs; None for the device in the settings.
            like: as in ``ChosenModel``.

        Raises:
            InferenceError: it cannot be read or compiled, no decoder fits its outputs, or a
                detector is named, and it finds people itself.
            FetchError: a file of the detector cannot be downloaded.
        """
        from posezoo.run.runtime.decoder_matching import AGPL, describe_ir, find_similar
        from posezoo.run.runtime.graph import Graph, Preprocessing, read_graph
        from posezoo.run.runtime.input_description import original_preprocessing
        from posezoo.run.runtime.loading import load_estimator
        from posezoo.run.runtime.runtime_config import LoadOptions

        context = self.context
        listener = self.listener
        options = options or LoadOptions(default_runtime(context.settings))
        graph = read_graph(xml)
        if graph.takes_images:
            graph = Graph(graph.path)
        model, description = describe_ir(graph, self.decoder, like, options=options)
        similar = None
        if like is None and not options.states_preprocessing and model.decoder:
            similar = find_similar(graph, model.decoder.name)
        estimator = load_estimator(model, {model.name: graph}, options, description=description)
        for unused in description.unused:
            problem = f"its metadata state {unused}, which posezoo does not use"
            listener(WarningIssued(f"{graph.path}: {problem}"))
        if similar and original_preprocessing(similar) != Preprocessing():
            listener(
                WarningIssued(
                    f"{graph.path}: does not say how images are prepared for it, so it gets them"
                    f" unchanged: is it like {similar.name}? Run with --as {similar.name}"
                )
            )
        require_detector_used(self.named_detector, estimator.model, estimator.decoder)
        if estimator.model.license.spdx == AGPL:
            listener(
                WarningIssued(
                    f"{graph.path}: was exported by Ultralytics, whose weights are under AGPL-3.0:"
                    " a program that uses them must offer its source code, unless you have another"
                    " license"
                )
            )

        def get_detector(detector: Model) -> NamedIrs:
            return _get_detector_irs(detector, precision_of(graph.path), context, listener)

        return _with_detector(estimator, context, options, get_detector, is_video=self.is_video)

    def _prepare_default(self, precision: Precision) -> PreparedModel:
        """As ``prepare``, for the default model, or the second one if it cannot be downloaded."""
        registry = self.context.registry
        if DEFAULT_MODEL not in registry.entries:  # for example in a mirror's registry
            return self._prepare_second(precision)
        options = self.context.download_options
        timeout_s = min(_DEFAULT_TIMEOUT_S, options.timeout_s)
        one_attempt = replace(options, attempts=1, timeout_s=timeout_s)
        first = replace(self, context=replace(self.context, download_options=one_attempt))
        try:
            return first.prepare(ChosenModel(registry.find(DEFAULT_MODEL), precision))
        except DownloadError as error:
            if type(error) not in _UNAVAILABLE:
                raise
            self.listener(
                WarningIssued(
                    f"{DEFAULT_MODEL} cannot be downloaded now, so {SECOND_MODEL} runs:"
                    f" {error.problem}"
                )
            )
        return self._prepare_second(precision)

    def _prepare_second(self, precision: Precision) -> PreparedModel:
        """As ``prepare``, for the second model; in FP16 if its INT8 cannot be made here."""
        model = self.context.registry.find(SECOND_MODEL)
        if precision in INT8_PRECISIONS and not is_quantized_here(model, precision, self.context):
            self.listener(
                WarningIssued(
                    f"{SECOND_MODEL} runs in FP16: it has no {precision} IR, and no ranges for one"
                )
            )
            precision = Precision.FP16
        return self.prepare(ChosenModel(model, precision))

    def _get_detector(self, model: Model, precision: Precision) -> tuple[Loader, dict[str, Path]]:
        """The IR of a model's detector in this precision, and a loader whose settings name it.

        If the detector that the model declares cannot be downloaded, the default one is used.
        """
        get_irs_of = partial(
            detector_irs,
            model,
            precision=precision,
            is_video=self.is_video,
            listener=self.listener,
        )
        try:
            return self, get_irs_of(self.context)
        except DownloadError as error:
            settings = self.context.settings
            people = resolve_people(model, settings.detector)
            is_named = settings.detector != "usual"
            if is_named or people is None or people.photo == DEFAULT_DETECTOR:
                raise
            detector = _find_detector(people, self.context.registry, self.is_video)
            # The default detector cannot replace one that also finds keypoints, of hands or faces.
            if type(error) not in _UNAVAILABLE or (detector and detector.skeleton):
                raise
            self.listener(
                WarningIssued(
                    f"{people.photo} cannot be downloaded now, so {DEFAULT_DETECTOR} finds the"
                    f" people: {error.problem}"
                )
            )
        settings = replace(settings, detector=DEFAULT_DETECTOR)
        context = replace(self.context, settings=settings)
        return replace(self, context=context), get_irs_of(context)

    def _get_irs(self, chosen: ChosenModel, model: Model) -> dict[str, Path]:
        make_irs = partial(
            get_irs, model, chosen.precision, options=self.conversion, listener=self.listener
        )
        if chosen.checkpoint is None:
            return make_irs(self.context, time_step=self.time_step, with_both=self.with_both)
        context = self.context
        if chosen.is_unnamed:
            context = with_checkpoint_dir(context, model)
        with self.time_step(CONVERT):
            return make_irs(context, checkpoint=chosen.checkpoint)


@frozen
class PreparedModel:
    """A model whose IR are on this machine; it can be compiled several times."""

    loader: Loader
    model: Model | None = None
    #: By name, with those of the detector; empty for an IR. Compiling a graph that was read adds
    #: preprocessing to it.
    irs: NamedIrs = field(default_factory=dict)
    xml: Path | Graph | None = None
    like: ModelSpec | None = None  # as in ``ChosenModel``

    def compile(self, options: LoadOptions | None = None) -> Estimator:
        """Compile it and its detector. Without options, it runs on the device in the settings.

        Raises:
            InferenceError: as for ``compile_estimator`` and ``Loader.compile_ir``.
            FetchError: the detector of an IR cannot be downloaded.
        """
        loader = self.loader
        if loader.masks and options:
            options = replace(options, decoder_options={**options.decoder_options, MASKS: True})
        with loader.time_step("compile"):
            if self.model:
                return compile_estimator(
                    self.model, loader.context, self.irs, options, is_video=loader.is_video
                )
            assert self.xml
            return loader.compile_ir(self.xml, options, self.like)


def select_detector(
    context: Context, model: Model, decoder: str = "", *, is_video: bool = False
) -> Model | None:
    """The person detector in the settings, or else the model's own; None if it needs no detector.

    Args:
        decoder: the decoder in use; empty for the one that the model declares.
        is_video: whether it runs on the frames of one video, in which some models track a person
            without a detector.

    Raises:
        UnknownModelError: neither this registry nor posezoo's own has a model with the detector's
            name.
        InferenceError: the named model is not a detector, and needs one itself.
    """
    people = resolve_people(model, context.settings.detector, decoder)
    return _find_detector(people, context.registry, is_video)


def _find_detector(people: People | None, registry: Registry, is_video: bool) -> Model | None:
    if people is None:
        return None
    name = people.video if is_video else people.photo
    if name in (WHOLE_IMAGE, TRACKING):
        return None
    if name not in registry.entries:
        builtin = open_registry()
        if name in builtin.entries:
            registry = builtin
    try:
        detector = registry.find(name)
    except UnknownModelError as error:
        hint = error.hint or "name another detector, or none"
        raise UnknownModelError(f"the person detector: {error.problem}", hint=hint) from error
    if declared_people(detector):
        raise InferenceError(
            f"{name} is not a detector: it processes one person at a time",
            hint=f"use {DEFAULT_DETECTOR}",
        )
    return detector


def require_detector_used(detector: str | None, model: Model, decoder: str = "") -> None:
    """Refuse a detector that the user named for a model that needs none.

    A detector in the settings is allowed for every model, because they apply to all models.

    Args:
        detector: the detector named for this model; None, ``none`` and ``usual`` are allowed for
            every model.
        decoder: the model's decoder; if empty, the one that it declares, if any.

    Raises:
        InferenceError: the model finds people itself.
    """
    declared = model.decoder.name if model.decoder else model.task
    if detector and detector not in ("none", "usual"):
        require_top_down(decoder or declared, model.full_name)


def with_found_decoder(model: Model, irs: NamedIrs) -> Model:
    """The model with the decoder that fits the outputs of its IR, if it finds poses and declares no
    decoder, as the models of Open Model Zoo; any other model is returned unchanged.

    Raises:
        InferenceError: no decoder takes its outputs.
    """
    if not isinstance(model, ModelSpec) or model.decoder or not finds_poses(model):
        return model
    from posezoo.run.runtime.decoder_matching import with_task_decoder

    return with_task_decoder(model, irs)[0]


def detector_irs(
    model: Model,
    context: Context,
    *,
    precision: Precision | None = Precision.FP16,
    is_video: bool = False,
    listener: Listener = ignore_event,
) -> dict[str, Path]:
    """The .xml of each part of a model's detector by its name; empty if the model has no detector.

    Args:
        precision: the precision of the model's IR; None if unknown. The detector is in INT8 if this
            is INT8 and ``is_quantized_here`` is true for it, else in FP16. Its publisher's INT8 is
            not used: with it, person-detection-retail-0013 finds 254 people in 17 photos without
            people, and with FP16 4.
        is_video: as for ``select_detector``.

    Raises:
        FetchError: a file cannot be downloaded.
        ConversionError: an IR cannot be made, or was not published in FP16.
    """
    detector = select_detector(context, model, is_video=is_video)
    if detector:
        return _get_detector_irs(detector, precision, context, listener)
    return {}


def _get_detector_irs(
    detector: Model, precision: Precision | None, context: Context, listener: Listener
) -> dict[str, Path]:
    if precision is None or not is_quantized_here(detector, precision, context):
        precision = Precision.FP16
    return get_irs(detector, precision, context, listener=listener)


def is_quantized_here(model: Model, precision: Precision, context: Context) -> bool:
    """Whether each part of a model has an INT8 IR that was compared with FP32: its ranges are in
    the registry, or ``posezoo quantize`` made it on this machine.
    """
    if precision not in INT8_PRECISIONS:
        return False
    layout = context.layout
    sync = folder_sync(layout.output_dir)
    for part in context.registry.parts(model):
        if ranges_key(part, precision):
            continue
        sync.bring_irs(part, layout, (precision,))
        if precision in part.precisions or not layout.ir_path(part, precision).is_file():
            return False
    return True


def compile_estimator(
    model: Model,
    context: Context,
    irs: NamedIrs,
    options: LoadOptions | None = None,
    *,
    is_video: bool = False,
) -> Estimator:
    """Compile a model or composite, and its detector, as an estimator that returns the poses in an
    image.

    Args:
        context: the settings name the detector.
        irs: the .xml of each part of the model and of its detector, or the graph that was read from
            it, by name.
        options: where and how it runs; None for the device in the settings.
        is_video: as for ``select_detector``.

    Raises:
        InferenceError: an IR cannot be read or compiled, or the model has no decoder.
    """
    from posezoo.run.runtime.loading import load_estimator
    from posezoo.run.runtime.runtime_config import LoadOptions

    options = options or LoadOptions(default_runtime(context.settings))
    estimator = load_estimator(model, irs, options)
    return _with_detector(estimator, context, options, lambda _detector: irs, is_video=is_video)


def _with_detector(
    estimator: Estimator,
    context: Context,
    options: LoadOptions,
    find_irs: Callable[[Model], NamedIrs],
    is_video: bool,
) -> Estimator:
    from posezoo.run.runtime.loading import load_detector

    people = resolve_people(estimator.model, context.settings.detector, estimator.decoder)
    detector = _find_detector(people, context.registry, is_video)
    if people and detector:
        loaded = load_detector(detector, find_irs(detector), options)
        whole_image = people.whole_image if options.whole_image is None else options.whole_image
        return estimator.with_detector(
            loaded, tracks_videos=people.video == TRACKING, whole_image=whole_image
        )
    if options.min_person_score is not None and not find_decoder(estimator.decoder).person_score:
        result = "classes"
        hint = "leave out min_person_score"
        if estimator.finds_people:
            result = "one person"
            hint += ", or name a detector"
        raise InferenceError(
            f"{estimator.model.full_name} finds {result} in every image, whatever the score",
            hint=hint,
        )
    return estimator


def explain_no_people(
    estimator: Estimator,
    context: Context,
    min_person_score: float | None,
    inputs: Sequence[str] = (),
) -> str:
    """Why a model found no person, and what a user of the command line can try.

    Args:
        context: the settings name the detector.
        min_person_score: the minimum score that the user chose; None for the decoder's.
        inputs: the values of ``--input``, for the command in the text.
    """
    noun = noun_of(estimator.model) if estimator.finds_people else "object"
    detector = None
    if estimator.people_from != WHOLE_IMAGE:
        detector = select_detector(context, estimator.model, estimator.decoder)
    model = detector or estimator.model
    decoder = model.decoder or Decoder(estimator.decoder)
    option = find_decoder(decoder.name).person_score
    problem = f"{f'the {noun} detector ' if detector else ''}{model.full_name} found no {noun}"
    advice = []
    if option:
        least = min_person_score
        if least is None:
            least = getattr(resolve_options(decoder), option)
        problem += f" with a score of {least:g} or more"
        if least:
            advice.append(f"--min_person_score {least / 2:g}")
    if detector:
        advice.append(f"--detector none if one {noun} fills the photo")
    if noun != "person":
        advice.append(f"a photo in which {noun}s are larger")
    elif estimator.model.name != FALLBACK_MODEL and estimator.model.task != "detection":
        given = ["--input", *inputs] if inputs else []
        advice.append(shlex.join(["posezoo", "run", FALLBACK_MODEL, *given]))
    else:
        advice.append("a photo in which people are larger")
    return f"{problem}; try {', or '.join(advice)}"


def describe_assumed_skeleton(model: Model, skeletons: Iterable[Skeleton]) -> str:
    """What is assumed about the keypoints of a model that declares no skeleton; else empty.

    Args:
        model: as in ``Estimator.model``.
        skeletons: the skeletons of the poses. COCO's is the usual one, and not reported.
    """
    for skeleton in skeletons:
        count = len(skeleton.keypoints)
        if skeleton.name.startswith(UNKNOWN):
            return f"the {count} keypoints are numbered, and drawn as points"
        if not model.skeleton and skeleton.name not in ("box", "class", "coco-17"):
            return f"{count} keypoints are assumed to be {skeleton.name}"
    return ""


def advise_for_groups(model: Model, context: Context) -> str:
    """Which model finds more of several people, if measured APs say so; else empty."""
    if model.full_name in (DEFAULT_MODEL, FALLBACK_MODEL):
        return ""  # these have the highest APs
    own_found = _pipeline_accuracy(model)
    if own_found is None or FALLBACK_MODEL not in context.registry.entries:
        return ""
    other_found = _pipeline_accuracy(context.registry.find(FALLBACK_MODEL))
    if other_found is None or own_found.intervals["AP"][1] >= other_found.figures["AP"]:
        return ""
    from posezoo.run.measurement_selection import format_measurement_setting

    if format_measurement_setting(own_found) != format_measurement_setting(other_found):
        return ""
    return (
        f"does it miss people? In photos of several people, {FALLBACK_MODEL} finds"
        f" {other_found.figures['AR50_several']:.0%} of them, and {model.full_name}"
        f" {own_found.figures['AR50_several']:.0%}: posezoo run {FALLBACK_MODEL}"
    )


def _pipeline_accuracy(model: Model) -> Measurement | None:
    """The measured accuracy of a model with its usual detector, if confidence intervals are known:
    of FP16, or else of any precision.
    """
    from posezoo.run.measurement_selection import MeasurementSelection

    measured = [
        each
        for each in MeasurementSelection().select_of_pipeline(model, "accuracy")
        if "AP" in each.intervals and "AR50_several" in each.figures
    ]
    measured.sort(key=lambda each: each.precision is not Precision.FP16)
    return next(iter(measured), None)


def default_runtime(settings: Settings) -> RuntimeConfig:
    """The device and precision in the settings, and the folder that caches networks compiled for
    the CPU.
    """
    from posezoo.run.runtime.runtime_config import RuntimeConfig

    cache_dir = None
    if settings.device == "CPU":
        with suppress(SettingsError):  # the user has no home folder
            cache_dir = compiled_folder()
    return RuntimeConfig(
        device=settings.device,
        inference_precision=settings.inference_precision,
        cache_dir=cache_dir,
    )
