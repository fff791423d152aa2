"""Evaluates a model: loads it, and predicts here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import Model
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import EvaluationError, ImageError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.layout import checkpoint_dir, precision_of
from posezoo.core.pipeline.for_each import Executor, for_each
from posezoo.core.pipeline.get import get_irs, with_checkpoint_dir
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.figures.measured import ANNOTATED_BOXES
from posezoo.measure.coco import CocoBox, CocoDataset, DatasetImage, ImageId, read_detector_boxes
from posezoo.measure.evaluation import EvaluationResult, evaluate
from posezoo.measure.evaluation.evaluation_protocol import EvaluationProtocol
from posezoo.measure.evaluation.image_predictions import ImagePredictions, keypoint_indices
from posezoo.measure.evaluation.run_evaluation import ImagePredictor, PredictedImages
from posezoo.poses.decoders import MASKS, find_decoder, finds_boxes, named_task
from posezoo.run import load
from posezoo.run.machine import Machine
from posezoo.run.pipeline_spec import require_detector_used, resolve_pipeline
from posezoo.run.result_journal import describe_estimator, journal_path
from posezoo.run.runtime.decoder_matching import require_decoded_task, undeclared_task
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.result_stream import ResultStream
from posezoo.run.runtime.runtime_config import LoadOptions
from posezoo.run.subject import Subject

#: On a cluster, the images are divided into at least this number of shards of at most this size.
MIN_SHARDS = 8
MAX_SHARD = 64

#: The value of ``EvaluationTask.boxes`` for the annotated boxes.
TRUTH = "truth"


@frozen
class EvaluationTask:
    """What is evaluated, and how its people are found.

    Attributes:
        boxes: ``truth`` for the annotated ones, or a file in COCO's format; empty for the
            detector's.
        conversion: how IR are made.
    """

    subject: Subject
    boxes: str = ""
    conversion: ConversionOptions = field(default_factory=ConversionOptions)

    @property
    def model(self) -> Model:
        """The model of the subject."""
        assert self.subject.model
        return self.subject.model

    @property
    def finds_boxes(self) -> bool:
        """Whether the model is a detector."""
        return finds_boxes(self.model.decoder) or self.task == "detection"

    @property
    def task(self) -> str:
        """As ``undeclared_task`` of the model; of an IR that names its classes, their task."""
        if self.subject.graph and self.model.decoder:
            return named_task(self.model.decoder)
        return undeclared_task(self.model)


@frozen
class LoadedModel:
    """A model that is ready to be evaluated, and a function that loads it in another process."""

    chosen: EvaluationTask
    protocol: EvaluationProtocol
    load: Callable[[], Estimator]

    @property
    def folder_name(self) -> Path:
        """The folder of its results, below that of all evaluations."""
        model = self.protocol.estimator.model
        is_unnamed = self.chosen.subject.weights_name
        name = checkpoint_dir(model) if is_unnamed else Path(model.full_name)
        return name / (self.protocol.precision or "")


def load_model(
    chosen: EvaluationTask,
    options: LoadOptions,
    context: Context,
    *,
    listener: Listener,
) -> LoadedModel:
    """Load a model or IR; a model is downloaded and converted if needed.

    Raises:
        DownloadError: a file cannot be downloaded.
        ConversionError: an IR cannot be made.
        InferenceError: an IR cannot be read or compiled, or a detector is named for a model that
            needs none.
    """
    boxes = ANNOTATED_BOXES if chosen.boxes == TRUTH else chosen.boxes
    if chosen.finds_boxes:  # AP needs all boxes, even those with a low score
        declared = chosen.model.decoder
        option = find_decoder(declared.name).person_score if declared else "min_box_score"
        options = replace(options, decoder_options={option: 0.0})
    subject = chosen.subject
    model = chosen.model
    if xml := subject.file:
        loader = load.Loader(context)
        estimator = replace(loader, listener=listener).compile_file(subject, options)
        name = subject.like.full_name if subject.like else ""
        networks = (network.path for network in estimator.networks)  # also of the detector
        xmls = [*dict.fromkeys((xml, *networks))]
        protocol = EvaluationProtocol(
            estimator,
            precision_of(xml),
            subject.said.added_to(options),
            boxes,
            irs=xmls,
            like=name,
        )
        return LoadedModel(chosen, protocol, partial(loader.compile_file, subject, options))
    options = subject.said.added_to(options)
    require_decoded_task(model)
    require_detector_used(subject.said.detector or boxes, model)
    own_irs = get_irs(
        model,
        subject.precision,
        with_checkpoint_dir(context, model) if subject.weights_name else context,
        checkpoint=subject.checkpoint,
        options=chosen.conversion,
        listener=listener,
    )
    model = load.with_found_decoder(model, own_irs)
    require_detector_used(subject.said.detector or boxes, model)
    pipeline = resolve_pipeline(model, context, subject.precision)
    irs = load.get_detector_irs(pipeline, context, listener) | own_irs
    load_again = partial(load.compile_pipeline, pipeline, irs, options)
    protocol = EvaluationProtocol(
        load_again(),
        subject.precision,
        options,
        boxes,
        irs=[*irs.values()],
        weights_name=subject.weights_name,
    )
    return LoadedModel(chosen, protocol, load_again)


def require_matching_skeleton(model: Model, dataset: CocoDataset, *, of_boxes: bool) -> None:
    """Make sure that a model finds what is annotated, if both declare their keypoints: an AP of 0
    for hands on photos of people would say nothing.

    Raises:
        EvaluationError: the model's skeleton lacks annotated keypoints, or it finds no keypoints.
    """
    if model.decoder and model.decoder.name == MASKS:
        raise EvaluationError(
            f"{model.full_name}: finds the pixels of people, and the annotations have keypoints",
            hint="name a model of poses",
        )
    skeleton = model.own_skeleton or SKELETONS.get(model.skeleton)
    is_of_people = any(body.keypoints == dataset.keypoints for body in SKELETONS.values())
    if skeleton and skeleton.keypoints and (is_of_people or not of_boxes):
        keypoint_indices(skeleton, dataset.keypoints)


def select_keypoints(model: Model, dataset: CocoDataset, listener: Listener) -> CocoDataset:
    """The data set with the keypoints that a model can find: of COCO-WholeBody maybe only the body,
    with a warning.
    """
    skeleton = model.own_skeleton or SKELETONS.get(model.skeleton)
    body = dataset.with_body_only()
    if skeleton is None or body is dataset or set(dataset.keypoints) <= set(skeleton.keypoints):
        return dataset
    listener(
        WarningIssued(
            f"{dataset.annotations}: has the {len(dataset.keypoints)} keypoints of COCO-WholeBody;"
            f" {model.full_name} finds the {len(body.keypoints)} of the body, which are compared"
        )
    )
    return body


def evaluate_model(
    loaded: LoadedModel,
    dataset: CocoDataset,
    folder: Path,
    *,
    is_fresh: bool = False,
    skip_unreadable: bool = False,
    executor: Executor | None = None,
    listener: Listener,
) -> EvaluationResult:
    """Run a model on each image that has no predictions yet, and compute the metrics.

    Args:
        is_fresh: whether earlier predictions, in ``folder``, are deleted.
        skip_unreadable: as for ``posezoo.evaluation.evaluate``.
        executor: the processes that predict; None for this one.

    Raises:
        EvaluationError: see ``posezoo.evaluation.evaluate``.
        DatasetError: the file of boxes cannot be read.
    """
    protocol = loaded.protocol
    model = protocol.estimator.model
    name = model.full_name
    dataset = select_keypoints(model, dataset, listener)
    require_matching_skeleton(model, dataset, of_boxes=protocol.of_boxes)
    dataset = dataset.described_by(model.own_skeleton)
    boxes, box_files = _read_boxes(loaded.chosen.boxes, dataset, listener)
    on_machines = executor is not None and executor.on_machines
    heading = {
        **describe_estimator(
            protocol.estimator, protocol.options, *box_files, on_machines=on_machines
        ),
        "settings": protocol.to_settings(),
    }
    predictions = journal_path(folder, "predictions", heading)
    if is_fresh:
        predictions.unlink(missing_ok=True)
    elsewhere = None
    if executor:
        task = _ShardTask(loaded.load, boxes, dataset.limited_to(0))
        elsewhere = partial(_predict_elsewhere, executor, task, name, listener)
    result = evaluate(
        protocol.estimator,
        dataset,
        of_boxes=protocol.of_boxes,
        boxes=boxes,
        skip_unreadable=skip_unreadable,
        keep=predictions,
        heading=heading,
        at_once=protocol.estimator.requests,
        predict_elsewhere=elsewhere,
        name=name,
        listener=listener,
    )
    if result.people and result.image_scores and not any(s.found for s in result.image_scores):
        listener(
            WarningIssued(
                f"{dataset.annotations}: no annotated person was found (of"
                f" {result.people}): are the annotations of these images, in their pixels?"
            )
        )
    return result


def _read_boxes(
    source: str, dataset: CocoDataset, listener: Listener
) -> tuple[Mapping[ImageId, Sequence[CocoBox]] | None, list[Path]]:
    if not source:
        return None, []
    annotated = dataset.annotated_boxes()
    if source == TRUTH:
        return annotated, [dataset.annotations]
    boxes = read_detector_boxes(Path(source), dataset)
    with_people = [image for image, people in annotated.items() if people]
    without_boxes = [image for image in with_people if not boxes.get(image)]
    if without_boxes:
        listener(
            WarningIssued(
                f"{source}: has no boxes for {len(without_boxes)} of {len(with_people)} images with"
                " people: no person is found in these"
            )
        )
    return boxes, [Path(source)]


@frozen
class _Shard:
    full_name: str
    images: Sequence[DatasetImage]
    names: tuple[str, ...]  # of the keypoints


@frozen
class _PredictedShard:
    processor: str
    predictions: Sequence[tuple[DatasetImage, ImagePredictions | ImageError]]


@dataclass
class _ShardTask:
    """Predicts the people in the images of a shard; it is pickled, and loads its model when it
    first runs.
    """

    load: Callable[[], Estimator]
    boxes: Mapping[ImageId, Sequence[CocoBox]] | None
    dataset: CocoDataset
    estimator: Estimator | None = None

    def __call__(self, shard: _Shard, _listener: Listener) -> _PredictedShard:
        estimator = self.estimator = self.estimator or self.load()
        predict = ImagePredictor(estimator, shard.names, self.boxes, self.dataset)
        slots = estimator.requests
        with ResultStream(shard.images, predict, slots, ahead=slots) as stream:
            return _PredictedShard(Machine.here().processor, list(stream))


def _predict_elsewhere(
    executor: Executor,
    task: _ShardTask,
    name: str,
    listener: Listener,
    images: Sequence[DatasetImage],
    names: tuple[str, ...],
) -> PredictedImages:
    size = max(1, min(MAX_SHARD, len(images) // MIN_SHARDS))
    shards = []
    for start in range(0, len(images), size):
        title = f"{name}: images {start + 1} to {start + size}"
        shards.append(_Shard(title, images[start : start + size], names))
    shared = tuple(image.path for image in images if image.path.is_file())[:1]
    executor = executor.with_files(shared)
    here = Machine.here().processor
    processors = {here}
    for outcome in for_each(shards, task, executor=executor, listener=listener):
        if outcome.error:
            raise outcome.error
        if not outcome.result:
            continue
        processor = outcome.result.processor
        if processor not in processors:
            processors.add(processor)
            listener(
                WarningIssued(
                    f"{name}: a worker has the processor {processor}, this machine has {here}:"
                    " INT8 gives slightly different poses on them"
                )
            )
        yield from outcome.result.predictions
