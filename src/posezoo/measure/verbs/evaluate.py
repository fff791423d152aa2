"""posezoo evaluate: measure COCO's metrics of a model on a data set.

With ``--format json``, the output is one object::

    model, precision, device    str     precision: null if the folder of an .xml does not name it
    people_from                 str     a detector, the whole image, the annotated boxes, or the
                                        model
    AP, AP50, ...               float   COCO's metrics, 0..1; a metric is left out if no person
                                        counts for it; of CrowdPose also AP_easy, AP_medium,
                                        AP_hard; of COCO-WholeBody AP_body, AP_foot, AP_face,
                                        AP_lefthand, AP_righthand
    intervals                   object  by metric: the two bounds of the 95 % confidence interval
    images, people              int     the number that was evaluated
    kept                        int     images whose predictions came from an earlier run
    unreadable                  object  by image name: the reason why the image was left out
    settings                    object  the other conditions that the metrics depend on
    published                   list    of each published value: value, how it was measured, and why
                                        the measured one may differ
    keypoints, pictures         list    a row for each keypoint or image
    groups                      list    a row for images of as many people: title, images, people,
                                        found, wrong, sure (wrong, with a score of 0.3 or more).
                                        People are found by all poses; of an image, the best 20
                                        count in COCO's metrics
    by_size, by_posture         list    a row for each size and posture of people: title, people,
                                        found, AP (null if there are fewer than 10)
    provenance                  object  what ran, as in poses.json of ``posezoo run``
    files                       object  the files that were written: accuracy (as in measured.yml),
                                        results (in COCO's format), tables, worst (a folder of
                                        images)

With ``--results``, it has ``results``, the file, and no values of a model.

If a file cannot be written, ``error`` has the problem and a hint. With ``--heights``, it is an
object whose ``sizes`` are a list of these.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.run_main import command_line
from posezoo.console.labels import format_count
from posezoo.console.report import print_json
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import EvaluationError, PosezooError, import_optional
from posezoo.core.events import RunStarted
from posezoo.core.settings import user_folder
from posezoo.measure.verbs.dataset_flags import (
    DATASET_FLAGS,
    DatasetArgs,
    read_dataset,
)
from posezoo.run.verbs.run_flags import name_target_size, statement_from_args

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.console.json_projection import Json
    from posezoo.core.resolve.stage_context import Context
    from posezoo.measure.coco import CocoDataset
    from posezoo.measure.evaluation.evaluation_report import EvaluationReport
    from posezoo.measure.model_evaluation import EvaluationTask, LoadedModel
    from posezoo.run.runtime.runtime_config import LoadOptions

EXAMPLES = """
posezoo evaluate human-pose-estimation-0001 --precision FP16-INT8 --height 368 --coco_home coco
posezoo evaluate blazepose-full --annotations people.json --images photos --worst 12
posezoo evaluate human-pose-estimation-0001 --heights 256,368,480 --coco_home coco
posezoo evaluate movenet-thunder --annotations people.json --images photos --by posture
posezoo evaluate simple_pose_resnet18_v1b --boxes truth --flip --limit 500
posezoo evaluate my/network.xml --annotations people.json --images photos --format json
posezoo evaluate --results results.json --annotations people.json
posezoo evaluate my/yolox.xml --as yolox-tiny-coco --annotations cats.json --images photos
"""


_ANNOTATIONS = DATASET_FLAGS[0]

#: What may be said of a file of results.
_OF_RESULTS = {
    *("results", "annotations", "images", "coco_home", "category", "skeleton", "limit", "by"),
    *("format", "verbose", "log"),
}


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
    Flag(
        "model MODEL|XML|FILE",
        "the name of a model, the .xml of an IR, an .onnx, or a checkpoint of one of posezoo's"
        " networks",
        nargs="?",
    ),
    Flag(
        "--results FILE",
        "instead of a model: measure the poses in this file of results in COCO's format, which any"
        " program wrote; no image is read, and --annotations is enough",
        excludes="model",
    ),
    replace(_ANNOTATIONS, needs="images results"),
    *DATASET_FLAGS[1:],
    Flag("--limit N", "evaluate only the first N images", flags.whole_number(1)),
    Flag(
        "--skip_unreadable", "evaluate without images that are missing or unreadable, and list them"
    ),
    Flag(
        "--heights PX,PX",
        "evaluate at each of these heights, or shorter sides, and print the metrics by size; each"
        " height has its own folder of results",
        flags.whole_numbers(32, 4096),
        excludes="height by",
    ),
    Flag("--flip", "also run each image mirrored, and average both results"),
    Flag(
        "--scales S[,S]",
        "run each image at several scales, and average the results, such as 0.5,1,1.5,2; 1 must be"
        " one of them (default: 1)",
        _scales,
        default=(1.0,),
    ),
    Flag(
        "--boxes truth|FILE",
        "person boxes for a top-down model: truth for the annotated boxes, or a file of detections"
        " in COCO's format (default: run the detector)",
        excludes="detector",
    ),
    Flag(
        "-nireq, --num_infer_requests N",
        "number of images to process at the same time (default: the device's optimal number)",
        flags.whole_number(0),
        default=0,
    ),
    Flag(
        "--by size|posture",
        "also print how many people are found, and the AP, by COCO's sizes of people, or by the"
        " angle of the torso: upright, leaning (from 30 degrees), lying (from 60), upside down"
        " (from 120)",
        choices=("size", "posture"),
        default="",
    ),
    Flag("--worst N", "draw the N images with the worst results", flags.whole_number(0), default=0),
    flags.output_flag(
        "folder for metrics, results and images; predictions are kept there for the next run",
        "evaluations/MODEL/PRECISION in your cache folder",
    ),
    "record",
    flags.weights_dir_flag("folder of the models' files and IR", former="-d, --download_dir"),
    "precision checkpoint",
    Flag(
        "--model_name M",
        "with --checkpoint: the name of the IR and of its folder (default: a folder named after the"
        " checkpoint's digest)",
    ),
    Flag(
        "--force",
        "convert the model again, and run it on every image again; ignore predictions of earlier"
        " runs",
    ),
    Flag(
        "-v, --verbose",
        "print all metrics, and those of each keypoint and of the worst images; show each"
        " comparison of an IR with its original",
    ),
    f"skeleton self_check {flags.CLUSTER} {flags.PIPELINE} {flags.INFERENCE}"
    f" {flags.CACHE} {flags.TRUST} {flags.CONVERTER_LIMITS} {flags.REGISTRY} {flags.FORMAT}",
)


class _EvaluateArgs(DatasetArgs, flags.CheckpointArgs, flags.PipelineArgs, flags.FormatArgs):
    model: str | None
    results: Path | None
    limit: int | None
    skip_unreadable: bool
    heights: tuple[int, ...] | None
    flip: bool
    scales: tuple[float, ...]
    boxes: str | None
    num_infer_requests: int
    by: str
    worst: int
    output: Path | None
    record: bool
    precision: Precision | None


def run(args: _EvaluateArgs) -> int:
    """Run the model on each image that has no predictions yet; print and write the metrics."""
    from posezoo.measure.evaluation.coco_metrics import keypoint_sigmas
    from posezoo.measure.evaluation.run_evaluation import require_readable, select_labeled
    from posezoo.measure.evaluation_text import print_report, print_sizes
    from posezoo.measure.model_evaluation import require_matching_skeleton, select_keypoints

    for package in ("cv2", "faster_coco_eval"):
        import_optional(package, extra="run")
    if args.results:
        return _evaluate_results(args)
    if not args.model:
        args.parser.error("name a model, or --results FILE")
    context = flags.context_from_args(args, {"detector": "none"} if args.boxes else None)
    with flags.console_from_args(args) as console:
        console(RunStarted(command_line(), 1))
        options = _load_options(args, context)
        chosen = _choose_model(args, context)
        _require_keypoints(args, chosen)
        dataset = read_dataset(args, console, keypoints=not chosen.finds_boxes, task=chosen.task)
        dataset = select_labeled(dataset, console)
        if args.limit:
            dataset = dataset.limited_to(args.limit)
        # Checked before a model is downloaded.
        dataset = select_keypoints(chosen.model, dataset, console)
        require_matching_skeleton(chosen.model, dataset, of_boxes=chosen.finds_boxes)
        if not chosen.finds_boxes:
            keypoint_sigmas(dataset.described_by(chosen.model.own_skeleton))
        require_readable(dataset, skip_unreadable=args.skip_unreadable)
        reports = [
            _evaluate(args, context, chosen, replace(options, target_size=size), dataset, console)
            for size in args.heights or (None,)
        ]
        answers = [report.to_json() for report in reports]
        answer = {"sizes": answers} if args.heights else answers[0]
        if args.format == "text" and args.heights:
            print_sizes(reports)
        elif args.format == "text":
            print_report(reports[0], by=args.by, verbose=args.verbose)
        code = _write(reports, args, answer, console)
        if args.record:
            _record(reports, chosen, console)
        return code


def _evaluate_results(args: _EvaluateArgs) -> int:
    from posezoo.core.declarations.skeletons import find_skeleton
    from posezoo.measure.evaluation import evaluate_results
    from posezoo.measure.evaluation.evaluation_report import describe_result
    from posezoo.measure.evaluation_text import print_results

    assert args.results
    others = " ".join(vars(args).keys() - _OF_RESULTS)
    flags.refuse_flags(args, others, "not with --results, for which no model runs")
    with flags.console_from_args(args) as console:
        dataset = read_dataset(args, console)
        if args.limit:
            dataset = dataset.limited_to(args.limit)
        if args.skeleton:
            dataset = dataset.described_by(find_skeleton(args.skeleton))
        result = evaluate_results(args.results, dataset)
    if args.format == "json":
        print_json({"results": str(args.results), **describe_result(result)})
    else:
        print_results(args.results, result, by=args.by, verbose=args.verbose)
    return 0


def _record(reports: Sequence[EvaluationReport], chosen: EvaluationTask, console: Console) -> None:
    from posezoo.measure.complexity_count import record_measurements

    measurements = [report.measurement for report in reports]
    path = record_measurements(chosen.model, measurements)
    console.print_line(f"{path}: {format_count(len(measurements), 'measurement')}")


def _write(
    reports: Sequence[EvaluationReport],
    args: _EvaluateArgs,
    answer: Json,
    console: Console,
) -> int:
    try:
        for report in reports:
            report.write(console)
    except PosezooError as error:
        console.print_error(error)
        answer["error"] = error.to_json()
    if args.format == "json":
        print_json(answer)
    return int("error" in answer)


def _evaluate(
    args: _EvaluateArgs,
    context: Context,
    chosen: EvaluationTask,
    options: LoadOptions,
    dataset: CocoDataset,
    console: Console,
) -> EvaluationReport:
    from posezoo.measure.complexity_count import require_own_registry
    from posezoo.measure.evaluation.evaluation_report import EvaluationReport
    from posezoo.measure.model_evaluation import evaluate_model

    loaded, folder = _load(args, context, chosen, options, console)
    protocol = loaded.protocol
    if args.record:
        require_own_registry(chosen.model)
    if args.heights:
        folder = folder / str(options.target_size)
    executor = None
    if args.cluster:
        executor = flags.executor_from_args(args, context, *protocol.irs)
    result = evaluate_model(
        loaded,
        dataset,
        folder,
        is_fresh=args.force,
        skip_unreadable=args.skip_unreadable,
        executor=executor,
        listener=console,
    )
    return EvaluationReport(protocol, result, folder, args.worst)


def _load(
    args: _EvaluateArgs,
    context: Context,
    chosen: EvaluationTask,
    options: LoadOptions,
    console: Console,
) -> tuple[LoadedModel, Path]:
    from posezoo.measure.model_evaluation import load_model

    flag = "--heights" if args.heights else "--height"
    with name_target_size(flag, options.target_size or args.height):
        loaded = load_model(chosen, options, context, listener=console)
    return loaded, args.output or user_folder("cache") / "evaluations" / loaded.folder_name


def _require_keypoints(args: _EvaluateArgs, chosen: EvaluationTask) -> None:
    if args.by and (chosen.finds_boxes or chosen.task):
        raise EvaluationError(
            f"{chosen.model.full_name}: finds no keypoints, which --by needs",
        )


def _choose_model(args: _EvaluateArgs, context: Context) -> EvaluationTask:
    from posezoo.measure.model_evaluation import EvaluationTask
    from posezoo.run.subject import find_subject

    said = statement_from_args(args)
    heights = args.heights or (args.height,)
    subject = find_subject(args.model or "", context, replace(said, height=heights[0]))
    said = replace(subject.said, height=args.height)  # each of the heights is an option
    return EvaluationTask(
        replace(subject, said=said),
        boxes=args.boxes or "",
        conversion=flags.conversion_options_from_args(args),
    )


def _load_options(args: _EvaluateArgs, context: Context) -> LoadOptions:
    from posezoo.run.load import default_runtime
    from posezoo.run.runtime.runtime_config import LoadOptions

    return LoadOptions(
        replace(default_runtime(context.settings), requests=args.num_infer_requests),
        flip=args.flip,
        scales=args.scales,
    )
