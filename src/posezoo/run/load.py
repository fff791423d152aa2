"""Load a model as an estimator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import TRACKING, Model, ModelSpec, finds_poses
from posezoo.core.errors import (
    Advice,
    DownloadError,
    InferenceError,
    PreparationWarning,
    SettingsError,
    SourceError,
)
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.pipeline.get import (
    CONVERT,
    TimeStep,
    get_irs,
    warn_of_deprecated,
    with_checkpoint_dir,
)
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import (
    DEFAULT_DETECTOR,
    Settings,
    compiled_folder,
)
from posezoo.core.values import frozen
from posezoo.poses.decoders import find_decoder, require_named_decoder
from posezoo.poses.people import noun_of
from posezoo.run.default_model import ChosenModel, prepare_default
from posezoo.run.pipeline_spec import (
    PipelineSpec,
    require_detector_used,
    resolve_ir_pipeline,
    resolve_pipeline,
)
from posezoo.run.preparation import explain_wrong_values, require_stated
from posezoo.run.subject import Subject, find_subject

if TYPE_CHECKING:
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.graph import Graph, NamedIrs
    from posezoo.run.runtime.input_description import InputDescription
    from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig

# After these errors another detector is used; after others, such as a wrong digest, none.
_UNAVAILABLE = (SourceError, DownloadError)


@frozen
class Loader:
    """Makes the IR of a model and of its detector, which are downloaded if they are missing.

    Attributes:
        is_video: as for ``resolve_pipeline``.
        conversion: how IR are made; None for the defaults.
        replaces_detector: whether the default detector finds the people if the declared one cannot
            be downloaded.
        time_step: measures the time of each step of ``get``, and of ``compile``.
    """

    context: Context
    is_video: bool = False
    conversion: ConversionOptions | None = None
    replaces_detector: bool = True
    listener: Listener = ignore_event
    time_step: TimeStep = nullcontext

    def prepare(self, subject: Subject) -> PreparedModel:
        """Make the IR.

        Raises:
            DownloadError: a file cannot be downloaded.
            ConversionError: an IR cannot be made, or was not published in this precision.
            LockError: a strict lock does not list the file.
            InferenceError: the decoder that the outputs show takes no detector, and one is named.
        """
        if subject.graph:
            return PreparedModel(self, subject)
        model = subject.model
        if model is None:
            return self._prepare_default(subject)
        self._warn_of_unknown_keys(model)
        require_stated(model)
        if subject.checkpoint is None and model.decoder is None:
            from posezoo.run.runtime.decoder_matching import require_decoded_task

            require_decoded_task(model)
        if not isinstance(model, ModelSpec):  # of models, their files are downloaded or kept
            warn_of_deprecated(model, self.listener)
        irs = self._get_irs(subject, model)
        if subject.checkpoint and model.decoder is None:  # its outputs determine the decoder
            said = replace(subject.said, checkpoint=None, model_name="", precision=None)
            own = find_subject(f"{irs[model.name]}", self.context, said)
            return PreparedModel(self, own)
        model = with_found_decoder(model, irs)
        require_detector_used(subject.said.detector, model)
        pipeline = resolve_pipeline(model, self.context, subject.precision, is_video=self.is_video)
        pipeline, detector = self._get_detector(pipeline)
        return PreparedModel(self, subject, pipeline, detector | irs)

    def compile_file(
        self, subject: Subject, options: LoadOptions, *, is_video: bool = False
    ) -> Estimator:
        """Compile a network without a model.yml, and its detector, which is downloaded if missing.

        Args:
            is_video: as for ``compile_pipeline``.

        Raises:
            InferenceError: it cannot be compiled.
            DownloadError: a file of the detector cannot be downloaded.
        """
        from posezoo.run.runtime.decoder_matching import describe_ir
        from posezoo.run.runtime.loading import load_estimator

        context = self.context
        listener = self.listener
        graph = subject.graph
        if graph is None or graph.takes_images:
            graph = subject.open_file()
        assert graph
        options = subject.said.added_to(options)
        if subject.is_published:
            assert isinstance(subject.model, ModelSpec)
            return self._compile_published(subject.model, graph, options, is_video=is_video)
        architecture = subject.said.architecture
        model, description = describe_ir(graph, architecture, subject.like, options)
        parts, exported = _find_exported_parts(graph, model.name)
        doubts = list(_list_doubts(model, description))
        beside: NamedIrs = {}
        description_beside = None
        if exported and context.settings.detector == "usual":
            detector, description_beside = describe_ir(exported)
            pipeline = PipelineSpec(model, graph.precision, model.people, detector)
            beside = {detector.name: exported}
        else:
            pipeline = resolve_ir_pipeline(graph, model, context, is_video=self.is_video)
        if is_video:
            options = _take_turns_if_tracking(options, pipeline, parts)
        estimator = load_estimator(model, parts, options, description=description)
        for doubt in doubts:
            listener(WarningIssued(f"{graph.path}: {doubt}"))
        if model.assumption:
            listener(WarningIssued(model.assumption))
        if wrong := explain_wrong_values(graph, description.preprocessing):
            warnings.warn(f"{graph.path}: {wrong}", PreparationWarning, stacklevel=1)
        irs = beside or get_detector_irs(pipeline, context, listener)
        return _with_detector(estimator, pipeline, irs, options, description_beside)

    def _compile_published(
        self, model: ModelSpec, graph: Graph, options: LoadOptions, *, is_video: bool
    ) -> Estimator:
        irs: dict[str, Path | Graph] = {model.name: graph}
        pipeline = resolve_pipeline(model, self.context, graph.precision, is_video=self.is_video)
        irs |= get_detector_irs(pipeline, self.context, self.listener)
        return compile_pipeline(pipeline, irs, options, is_video=is_video)

    def _prepare_default(self, subject: Subject) -> PreparedModel:
        said = subject.said

        def prepare(name: str, context: Context, listener: Listener) -> PreparedModel:
            loader = replace(self, context=context, listener=listener, replaces_detector=False)
            prepared = loader.prepare(find_subject(name, context, said))
            return replace(prepared, loader=replace(loader, listener=self.listener))

        prepared, chosen = prepare_default(said, self.context, prepare, self.listener)
        return replace(prepared, chosen=chosen)

    def _warn_of_unknown_keys(self, model: Model | None) -> None:
        for key in model.unknown_keys if model else ():
            self.listener(WarningIssued(str(key)))

    def _get_detector(self, pipeline: PipelineSpec) -> tuple[PipelineSpec, dict[str, Path]]:
        """The IR of a pipeline's detector, and the pipeline: with the default detector if the one
        that the model declares cannot be downloaded.
        """
        get_irs_of = partial(get_detector_irs, listener=self.listener, time_step=self.time_step)
        self._warn_of_unknown_keys(pipeline.detector)
        try:
            return pipeline, get_irs_of(pipeline, self.context)
        except DownloadError as error:
            detector = pipeline.detector
            assert detector  # it was not downloaded
            # The user did not name it, and it finds people, not hands or faces.
            is_usual = self.context.settings.detector == "usual" and self.replaces_detector
            is_usual = is_usual and noun_of(pipeline.model) == "person"
            is_replaceable = is_usual and detector.name != DEFAULT_DETECTOR
            if not is_replaceable or type(error) not in _UNAVAILABLE:
                raise
            instead = f"{DEFAULT_DETECTOR} finds the people instead: {error.problem}"
            self.listener(WarningIssued(instead))
        settings = replace(self.context.settings, detector=DEFAULT_DETECTOR)
        context = replace(self.context, settings=settings)
        pipeline = resolve_pipeline(
            pipeline.model, context, pipeline.precision, is_video=self.is_video
        )
        return pipeline, get_irs_of(pipeline, context)

    def _get_irs(self, subject: Subject, model: Model) -> dict[str, Path]:
        make_irs = partial(
            get_irs, model, subject.precision, options=self.conversion, listener=self.listener
        )
        if subject.checkpoint is None:
            return make_irs(self.context, time_step=self.time_step)
        context = self.context
        if subject.weights_name:
            context = with_checkpoint_dir(context, model)
        with self.time_step(CONVERT):
            return make_irs(context, checkpoint=subject.checkpoint)


@frozen
class PreparedModel:
    """A model whose IR are on this machine; it can be compiled several times."""

    loader: Loader
    subject: Subject
    pipeline: PipelineSpec | None = None  # None for a file
    #: By name, with those of the detector; empty for a file. Compiling a graph that was read adds
    #: preprocessing to it.
    irs: NamedIrs = field(default_factory=dict)
    chosen: ChosenModel | None = None  # which it is, if no model was named

    def compile(self, options: LoadOptions | None = None, *, is_video: bool = False) -> Estimator:
        """Compile it and its detector as was said of it, by default for the device in the settings.

        Args:
            is_video: as for ``compile_pipeline``.

        Raises:
            InferenceError: as for ``compile_pipeline`` and ``Loader.compile_file``.
            DownloadError: the detector of an IR cannot be downloaded.
        """
        from posezoo.run.runtime.runtime_config import LoadOptions

        options = options or LoadOptions(default_runtime(self.loader.context.settings))
        with self.loader.time_step("compile"):
            if self.pipeline is None:
                return self.loader.compile_file(self.subject, options, is_video=is_video)
            said = self.subject.said
            options = said.added_to(options)
            estimator = compile_pipeline(self.pipeline, self.irs, options, is_video=is_video)
            require_named_decoder(said.architecture, estimator.model)
            return estimator


def with_found_decoder(model: Model, irs: NamedIrs) -> Model:
    """The model with the decoder that fits the outputs of its IR, if it finds poses and declares no
    decoder, as those of Open Model Zoo; else unchanged.

    Raises:
        InferenceError: no decoder takes its outputs.
    """
    if not isinstance(model, ModelSpec) or model.decoder or not finds_poses(model):
        return model
    from posezoo.run.runtime.decoder_matching import with_task_decoder

    return with_task_decoder(model, irs)[0]


def get_detector_irs(
    pipeline: PipelineSpec,
    context: Context,
    listener: Listener = ignore_event,
    time_step: TimeStep = nullcontext,
) -> dict[str, Path]:
    """The .xml of each part of a pipeline's detector by its name; empty if there is none. The
    pipeline's doubt is reported.

    Raises:
        DownloadError: a file cannot be downloaded.
        ConversionError: an IR cannot be made, or was not published in this precision.
    """
    if pipeline.detector is None:
        return {}
    if pipeline.doubt:
        listener(WarningIssued(pipeline.doubt))
    detector = pipeline.detector
    precision = pipeline.detector_precision
    try:
        return get_irs(detector, precision, context, listener=listener, time_step=time_step)
    except DownloadError as error:
        error.problem = f"the person detector {detector.name}: {error.problem}"
        raise


def compile_pipeline(
    pipeline: PipelineSpec, irs: NamedIrs, options: LoadOptions, *, is_video: bool = False
) -> Estimator:
    """Compile a model or composite, and its detector, as an estimator that returns the poses in an
    image.

    Args:
        irs: the .xml of each part of the model and of its detector, or the graph that was read from
            it, by name.
        is_video: whether it is for the frames of videos. If the model tracks people in them, they
            are processed one after the other: it then has one request, if the options leave their
            number to the device.

    Raises:
        InferenceError: an IR cannot be read or compiled, or the model has no decoder.
    """
    from posezoo.run.runtime.loading import load_estimator

    if is_video:
        options = _take_turns_if_tracking(options, pipeline, irs)
    return _with_detector(load_estimator(pipeline.model, irs, options), pipeline, irs, options)


def _take_turns_if_tracking(
    options: LoadOptions, pipeline: PipelineSpec, irs: NamedIrs
) -> LoadOptions:
    from posezoo.run.runtime.runtime_config import choose_requests

    if options.runtime.requests or not tracks_people(pipeline, irs):
        return options
    runtime = replace(options.runtime, requests=choose_requests(in_turn=True))
    return replace(options, runtime=runtime)


def tracks_people(pipeline: PipelineSpec, irs: NamedIrs) -> bool:
    """``Estimator.can_track``, before anything is compiled."""
    from posezoo.run.runtime.graph import Graph

    if pipeline.model.decoder is None:
        return False
    record = find_decoder(pipeline.model.decoder.name)
    has_detector = pipeline.detector is not None
    if record.pipeline == "blazepose":
        return not all(isinstance(ir, Graph) and ir.decoded_outputs for ir in irs.values())
    if record.pipeline == "landmarks":
        return has_detector
    is_followed = pipeline.people is not None and pipeline.people.video == TRACKING
    return record.next_crop is not None and (is_followed or not has_detector)


def _list_doubts(model: ModelSpec, description: InputDescription) -> Iterator[str]:
    from posezoo.run.runtime.decoder_matching import AGPL

    for unused in description.unused:
        yield f"its metadata state {unused}, which posezoo does not use"
    if model.license.spdx == AGPL:
        yield (
            "was exported by Ultralytics, whose weights are under AGPL-3.0: a program that uses"
            " them must offer its source code, unless you have another license"
        )


def _find_exported_parts(graph: Graph, name: str) -> tuple[NamedIrs, Graph | None]:
    """The networks of an IR's model, both of an exported composite, and the detector of its people
    if ``posezoo export`` wrote one beside it.
    """
    from posezoo.run.runtime.graph import read_graph

    # A file of this folder, whatever the IR says.
    file = graph.path.parent / Path(graph.read_pipeline("detector")).name
    if not file.is_file():
        return {name: graph}, None
    detector = read_graph(file)
    if graph.read_pipeline("crop") == "body":
        return {"detector": detector, name: graph}, None
    return {name: graph}, detector


def _with_detector(
    estimator: Estimator,
    pipeline: PipelineSpec,
    irs: NamedIrs,
    options: LoadOptions,
    description: InputDescription | None = None,
) -> Estimator:
    from posezoo.run.runtime.loading import load_detector

    people = pipeline.people
    if people and pipeline.detector:
        load = partial(load_detector, pipeline.detector, irs, options, description)
        limits = pipeline.limits
        detector = load(limits.min_score)
        wanted = options.min_person_score
        if wanted is not None and wanted < detector.min_person_score:
            detector = load(wanted)
        whole_image = options.whole_image
        if whole_image is None:
            whole_image = people.whole_image
        stated = estimator.model.decoder.options if estimator.model.decoder else {}
        has_own_limit = "min_pose_score" in {**stated, **options.decoder_options}
        # Without its detector, it tracks one person through a video.
        is_tracking = people.video == TRACKING
        return estimator.with_detector(
            detector,
            tracks_videos=is_tracking,
            whole_image=whole_image,
            min_person_score=wanted,
            min_pose_score=0.0 if has_own_limit else limits.min_pose_score,
        )
    if options.min_person_score is not None and not find_decoder(estimator.decoder).person_score:
        result = "one person" if estimator.finds_people else "classes"
        raise InferenceError(
            f"{estimator.model.full_name} finds {result} in every image, whatever the score",
            hint=Advice("{min_person_score} is for a person detector", min_person_score=""),
        )
    return estimator


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
