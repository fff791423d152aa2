"""posezoo evaluate: measure COCO's metrics of a model on a data set.

With ``--format json``, the output is one object::

    model, precision, device    str
    people_from                 str     a detector, the whole image, the annotated boxes, or the
                                        model
    AP, AP50, ...               float   COCO's metrics, 0..1; a metric is left out if no person
                                        counts for it
    intervals                   object  by metric: the two bounds of the 95 % confidence interval
    images, people              int     the number that was evaluated
    kept                        int     images whose predictions came from an earlier run
    unreadable                  object  by image name: the reason why the image was left out
    settings                    object  the other conditions that the metrics depend on
    published                   list    of each published value: value, how it was measured, and why
                                        the measured one may differ
    keypoints, pictures         list    a row for each keypoint or image
    files                       object  the files that were written: accuracy (for posezoo record),
                                        results (in COCO's format), tables, worst (a folder of
                                        images)
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.dataset_flags import DATASET_FLAGS, read_dataset, refuse_invalid_flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.report import print_json
from posezoo.cli.run_main import command_line
from posezoo.console import Console
from posezoo.errors import EvaluationError, import_optional
from posezoo.events import RunStarted
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.cli.evaluation_report import EvaluationReport
    from posezoo.coco import CocoBox, CocoDataset, DatasetImage
    from posezoo.errors import ImageError
    from posezoo.evaluation.evaluation_protocol import EvaluationProtocol
    from posezoo.evaluation.image_predictions import ImagePredictions
    from posezoo.events import Listener
    from posezoo.pipeline.for_each import Executor
    from posezoo.pipeline.zoo_context import Context
    from posezoo.runtime.estimator import Estimator
    from posezoo.spec.model import Model

EXAMPLES = """
posezoo evaluate human-pose-estimation-0001 --precision FP16-INT8 --height 368 --coco_home coco
posezoo evaluate blazepose-full --annotations people.json --images photos --worst 12
posezoo evaluate simple_pose_resnet18_v1b --boxes truth --flip --limit 500
posezoo evaluate my/network.xml --annotations people.json --images photos --format json
"""

#: With --cluster, the images are divided into at least this number of shards of at most this size.
MIN_SHARDS, MAX_SHARD = 8, 64

#: A name with this suffix is an IR; any other name is a model.
SUFFIX = ".xml"


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(sorted({float(scale) for scale in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected numbers such as 0.5,1,1.5,2, got {text!r}"
        ) from error
    if 1.0 not in scales or not scales[0] > 0 or not scales[-1] <= 8:
        raise argparse.ArgumentTypeError(
            f"expected numbers above 0, up to 8, including 1, got {text!r}"
        )
    return scales


FLAGS = (
    Flag("model MODEL|XML", "a model's name, or the .xml of an IR"),
    *DATASET_FLAGS,
    Flag("--limit N", "evaluate only the first N images", flags.whole_number(1)),
    Flag(
        "--skip_unreadable", "evaluate without images that are missing or unreadable, and list them"
    ),
    FlagGroup(
        Flag(
            "--height PX",
            "resize images to this height; for the decoders openpose and lifting_3d",
            flags.whole_number(1),
        ),
        Flag(
            "--short_side PX",
            "resize the shorter side of images to this; for the decoder associative_embedding",
            flags.whole_number(1),
        ),
    ),
    Flag("--flip", "also run each image mirrored, and average both results"),
    Flag(
        "--scales S[,S]",
        "run each image at several scales, and average the results, such as 0.5,1,1.5,2; 1 must be"
        " one of them",
        _scales,
        default=(1.0,),
    ),
    Flag(
        "--boxes truth|FILE",
        "person boxes for a top-down model: truth for the annotated boxes, or a file of detections"
        " in COCO's format (default: run the detector)",
    ),
    Flag(
        "--requests N",
        "number of images to process at the same time (default: the device's optimal number)",
        flags.whole_number(0),
        default=0,
    ),
    Flag("--worst N", "draw the N images with the worst results", flags.whole_number(0), default=0),
    flags.output_flag(
        "folder for metrics, results and images; predictions are kept there for the next run",
        "evaluations/MODEL/PRECISION in your cache folder",
    ),
    flags.weights_dir_flag("folder of the models' files and IR", former="-d, --download_dir"),
    Flag("--fresh", "run the model on every image again; ignore predictions of earlier runs"),
    "precision",
    Flag(
        "--checkpoint FILE",
        "your own weights for one of posezoo's networks, instead of the model's",
    ),
    Flag(
        "--model_name M",
        "with --checkpoint: the name of the IR and of its folder (default: a folder named after the"
        " checkpoint's digest)",
    ),
    f"self_check force {flags.CLUSTER} {flags.ESTIMATOR} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Run the model on each image that has no predictions yet; write and print the metrics."""
    from posezoo.cli.evaluation_report import print_report
    from posezoo.evaluation.run_evaluation import require_readable
    from posezoo.pose.decoders import finds_boxes

    _refuse_invalid_flags(args)
    for package in ("cv2", "faster_coco_eval"):
        import_optional(package, extra="evaluate")
    if args.boxes:
        args.detector = "none"
    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        console(RunStarted(command_line(), 1))
        model = _choose_model(args, context)
        of_boxes = model is not None and finds_boxes(model.decoder)
        dataset = read_dataset(args, keypoints=not of_boxes)
        dataset = dataset.limited_to(args.limit) if args.limit else dataset
        if not args.skip_unreadable:  # checked before a model is downloaded
            require_readable(dataset)
        protocol, load = _load(context, model, args, console)
        report = _evaluate(args, context, dataset, protocol, load, console)
    if args.format == "json":
        print_json(report.to_json())
    else:
        print_report(report)
    return 0


def _refuse_invalid_flags(args: argparse.Namespace) -> None:
    refuse_invalid_flags(args)
    if args.boxes and args.detector:
        args.parser.error("either --boxes or --detector")
    if args.model_name is not None and args.checkpoint is None:
        args.parser.error("--model_name requires --checkpoint")
    if args.checkpoint is not None and args.model.endswith(SUFFIX):
        args.parser.error("--checkpoint requires a model or network, not an IR")


def _choose_model(args: argparse.Namespace, context: Context) -> Model | None:
    """The model; None for an IR, which describes itself."""
    if args.checkpoint is not None:
        return flags.model_with_checkpoint(
            context.registry, args.model, args.checkpoint, args.model_name or ""
        )
    return None if args.model.endswith(SUFFIX) else context.registry.find(args.model)


def _load(
    context: Context, model: Model | None, args: argparse.Namespace, console: Console
) -> tuple[EvaluationProtocol, Callable[[], Estimator]]:
    """The loaded model, and a function that loads it in another process."""
    from posezoo.evaluation.evaluation_protocol import EvaluationProtocol
    from posezoo.measured import ANNOTATED_BOXES
    from posezoo.pipeline import load
    from posezoo.pipeline.get import get_irs, with_checkpoint_dir
    from posezoo.pose.decoders import finds_boxes
    from posezoo.runtime.runtime_config import LoadOptions

    decoder_options: dict[str, str | int | float | bool] = {}
    if model is not None and finds_boxes(model.decoder):
        decoder_options["min_box_score"] = 0.0  # AP needs all boxes, even those with a low score
    options = LoadOptions(
        replace(load.default_runtime(context.settings), requests=args.requests),
        target_size=args.height or args.short_side,
        flip=args.flip,
        scales=args.scales,
        decoder_options=decoder_options,
    )
    precision = args.precision
    if model is None:
        xml = Path(args.model)
        compiled = partial(
            load.compile_ir_estimator, xml, context, options, named_detector=args.detector
        )
        estimator = compiled(listener=console)
        irs = {xml.stem: xml}
        if (folder := xml.resolve().parent.name) in list(Precision):  # as converters name it
            precision = Precision(folder)
    else:
        load.require_detector_used(args.detector, model)
        is_unnamed = args.checkpoint is not None and not args.model_name
        irs = get_irs(
            model,
            args.precision,
            with_checkpoint_dir(context, model) if is_unnamed else context,
            checkpoint=args.checkpoint,
            options=flags.conversion_options_from_args(args),
            listener=console,
        )
        detectors = load.detector_irs(model, context, listener=console)
        irs = {**detectors, **irs}
        compiled = partial(load.compile_estimator, model, context, irs, options)
        estimator = compiled()
    _require_resized_side(args, estimator)
    given_boxes = ANNOTATED_BOXES if args.boxes == "truth" else args.boxes or ""
    return EvaluationProtocol(estimator, precision, options, given_boxes, [*irs.values()]), compiled


def _require_resized_side(args: argparse.Namespace, estimator: Estimator) -> None:
    """Raise an EvaluationError if the decoder does not use the side that a flag names."""
    decoder = f"{estimator.model.full_name}: its decoder {estimator.decoder}"
    uses_short_side = estimator.decoder == "associative_embedding"
    if args.height and uses_short_side:
        problem = f"{decoder} uses the shorter side of images"
        raise EvaluationError(problem, hint="use --short_side")
    if args.short_side and not uses_short_side:
        raise EvaluationError(f"{decoder} uses the height of images", hint="use --height")


def _evaluate(
    args: argparse.Namespace,
    context: Context,
    dataset: CocoDataset,
    protocol: EvaluationProtocol,
    load: Callable[[], Estimator],
    console: Console,
) -> EvaluationReport:
    from posezoo.cli.evaluation_report import EvaluationReport
    from posezoo.coco import read_detector_boxes
    from posezoo.evaluation import evaluate
    from posezoo.evaluation.evaluation_protocol import cache_key
    from posezoo.resolve.custom_weights import checkpoint_dir
    from posezoo.settings import user_folder

    model = protocol.estimator.model
    name = model.full_name
    is_unnamed = args.checkpoint is not None and not args.model_name
    place = checkpoint_dir(model) if is_unnamed else Path(name)
    folder = args.output or user_folder("cache") / "evaluations" / place / protocol.precision.value
    boxes, box_files = None, []
    if args.boxes == "truth":
        boxes, box_files = dataset.annotated_boxes(), [dataset.annotations]
    elif args.boxes:
        boxes, box_files = read_detector_boxes(Path(args.boxes)), [Path(args.boxes)]
    heading = cache_key(protocol, *box_files)
    key = hashlib.sha256(json.dumps(heading, sort_keys=True).encode()).hexdigest()[:12]
    predictions = folder / f"predictions-{key}.jsonl"
    if args.fresh:
        predictions.unlink(missing_ok=True)
    executor = flags.executor_from_args(args, context, *protocol.irs)
    elsewhere = partial(_predict_elsewhere, executor, load, boxes, name, console)
    result = evaluate(
        protocol.estimator,
        dataset,
        of_boxes=protocol.of_boxes,
        boxes=boxes,
        skip_unreadable=args.skip_unreadable,
        keep=predictions,
        heading=heading,
        at_once=protocol.estimator.requests,
        predict_elsewhere=elsewhere if args.cluster else None,
        name=name,
        listener=console,
    )
    report = EvaluationReport(protocol, result)
    report.write(folder, worst=args.worst)
    return report


@dataclass(frozen=True, slots=True)
class _Shard:
    """Some images of an evaluation, which one process evaluates."""

    full_name: str
    images: Sequence[DatasetImage]


class _ShardTask:
    """Predicts the people in the images of a shard; it is pickled, and loads its model when it
    first runs.
    """

    def __init__(
        self,
        load: Callable[[], Estimator],
        names: tuple[str, ...],
        boxes: Mapping[int, Sequence[CocoBox]] | None,
    ) -> None:
        self._load, self._names, self._boxes = load, names, boxes
        self._estimator: Estimator | None = None

    def __call__(
        self, shard: _Shard, _listener: Listener
    ) -> list[tuple[DatasetImage, ImagePredictions | ImageError]]:
        from posezoo.evaluation.run_evaluation import ImagePredictor
        from posezoo.runtime.result_stream import ResultStream

        estimator = self._estimator = self._estimator or self._load()
        predict = ImagePredictor(estimator, self._names, self._boxes)
        with ResultStream(shard.images, predict, estimator.requests) as stream:
            return list(stream)


def _predict_elsewhere(
    executor: Executor,
    load: Callable[[], Estimator],
    boxes: Mapping[int, Sequence[CocoBox]] | None,
    name: str,
    listener: Listener,
    images: Sequence[DatasetImage],
    names: tuple[str, ...],
) -> Generator[tuple[DatasetImage, ImagePredictions | ImageError], None, None]:
    """The predictions for all images, in their order; the images are divided into shards."""
    from posezoo.pipeline.for_each import for_each

    size = max(1, min(MAX_SHARD, len(images) // MIN_SHARDS))
    shards = [
        _Shard(f"{name}: images {start + 1} to {start + size}", images[start : start + size])
        for start in range(0, len(images), size)
    ]
    shared = tuple(image.path for image in images if image.path.is_file())[:1]
    executor = replace(executor, folders=(*executor.folders, *shared))
    for outcome in for_each(
        shards, _ShardTask(load, names, boxes), executor=executor, listener=listener
    ):
        if outcome.error is not None:
            raise outcome.error
        yield from outcome.result or ()
