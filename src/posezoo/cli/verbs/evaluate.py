"""posezoo evaluate: COCO's figures of a model on a data set.

With ``--format json`` one object::

    model, precision, device    str
    AP, AP50, ...               float   0..1; COCO's, without those that nobody in the set decides
    intervals                   object  by figure: two numbers, in which 95 of 100 such sets would have it
    images, people              int     how many were looked at, and how many there were to find
    unreadable                  object  by the name of each image that was left out: why
    settings                    object  what the figures depend on besides
    published                   list    value, how it was measured, and why ours may differ, of each
    keypoints, pictures         list    a row for each
    files                       object  what was written: accuracy (for posezoo record), results (COCO's
                                        form), tables, worst (a folder of pictures)
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.report import Console
from posezoo.cli.verbs.dataset import add_dataset_flags, read_dataset, refuse_invalid_flags
from posezoo.errors import EvaluationError, import_optional
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from posezoo.coco import CocoBox, CocoDataset
    from posezoo.evaluation.evaluation_protocol import EvaluationProtocol
    from posezoo.pipeline import Model, Zoo
    from posezoo.runtime.estimator import Estimator

EXAMPLES = """
posezoo evaluate human-pose-estimation-0001 --precision FP16-INT8 --height 368 --coco_home coco
posezoo evaluate blazepose-full --annotations people.json --images photos --worst 12
posezoo evaluate simple_pose_resnet18_v1b --boxes truth --flip --limit 500
posezoo evaluate my/network.xml --annotations people.json --images photos --format json
"""

#: How a file is told from a model's name.
SUFFIX = ".xml"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "evaluate", "measure how well a model finds people", EXAMPLES)
    parser.add_argument("model", metavar="MODEL|XML", help="a model's name, or the .xml of an IR")
    add_dataset_flags(parser)
    parser.add_argument("--limit", type=_positive, metavar="N", help="the first N images alone")
    parser.add_argument(
        "--skip_unreadable",
        action="store_true",
        help="measure without the images that are missing or cannot be read, and say which",
    )
    _add_looks(parser)
    parser.add_argument(
        "--worst", type=_count, default=0, metavar="N", help="draw the N images that it does worst on"
    )
    flags.add_results_dir_flag(
        parser,
        "where figures, results and pictures go, and what is found is kept for the next run",
        "evaluations/MODEL/PRECISION",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="look at every image again, whatever an earlier run found"
    )
    flags.add_precision_flag(parser)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="weights of your own in place of the model's, for a network of ours",
    )
    parser.add_argument(
        "--model_name", metavar="M", help="with --checkpoint: what the IR are called (default: as the model)"
    )
    flags.add_force_flag(parser)
    flags.add_detector_flag(parser)
    flags.add_inference_flags(parser)
    flags.add_cache_flags(parser)
    flags.add_trust_flag(parser)
    flags.add_models_dir_flag(parser)
    flags.add_format_flags(parser)
    return parser


def _add_looks(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--height", type=_positive, metavar="PX", help="how high images are seen, by openpose and lifting_3d"
    )
    size.add_argument(
        "--short_side",
        type=_positive,
        metavar="PX",
        help="how long their shorter side is, for associative_embedding",
    )
    parser.add_argument(
        "--flip", action="store_true", help="show the mirrored image, too, and average both answers"
    )
    parser.add_argument(
        "--scales",
        type=_scales,
        default=(1.0,),
        metavar="S[,S]",
        help="show images at these sizes, 1 among them, and average the answers (0.5,1,1.5,2)",
    )
    parser.add_argument(
        "--boxes",
        metavar="truth|FILE",
        help="for a model that sees one person at a time, where people are: as annotated, or a detector's "
        "results in COCO's format (default: the detector's)",
    )
    parser.add_argument(
        "--requests",
        type=_count,
        default=0,
        metavar="N",
        help="how many images are in the works at once (default: as many as the device does best with)",
    )


def run(args: argparse.Namespace) -> int:
    """Load, look at every image that no earlier run has seen, and write and print the figures."""
    from posezoo.cli import evaluation_report as words
    from posezoo.pipeline import open_zoo

    _refuse_odd_flags(args)
    for package in ("cv2", "faster_coco_eval"):
        import_optional(package, extra="evaluate")
    if args.boxes:
        args.detector = "none"
    zoo = open_zoo(flags.settings_from_args(args), trust_on_first_use=args.trust_on_first_use)
    with Console(quiet=args.quiet) as console:
        zoo, model = _model(zoo, args)
        is_detector = model is not None and model.decoder is not None and model.decoder.name == "detection"
        dataset = _dataset(args, keypoints=not is_detector)
        protocol, irs = _load(zoo, model, args, console)
        report = _evaluate(args, dataset, protocol, irs, console)
    if args.format == "json":
        print(json.dumps(report.to_json(), indent=2))
    else:
        words.print_report(report)
    return 0


def _refuse_odd_flags(args: argparse.Namespace) -> None:
    """Wrong usage ends with 2."""
    refuse_invalid_flags(args)
    if args.boxes and args.detector:
        args.parser.error("either --boxes or --detector")
    if args.model_name is not None and args.checkpoint is None:
        args.parser.error("--model_name goes with --checkpoint")
    if args.checkpoint is not None and args.model.endswith(SUFFIX):
        args.parser.error("--checkpoint goes with a model or network, not with an IR")


def _dataset(args: argparse.Namespace, *, keypoints: bool) -> CocoDataset:
    from posezoo.evaluation.prediction import require_readable

    dataset = read_dataset(args, keypoints=keypoints)
    dataset = dataset.limited_to(args.limit) if args.limit else dataset
    if not args.skip_unreadable:  # said before a model is fetched, not after
        require_readable(dataset)
    return dataset


def _model(zoo: Zoo, args: argparse.Namespace) -> tuple[Zoo, Model | None]:
    """The model, and a zoo that knows where its weights lie; None for an IR alone."""
    if args.model.endswith(SUFFIX):
        return zoo, None
    if args.checkpoint is None:
        return zoo, zoo.registry.find(args.model)
    from posezoo.networks import NETWORKS

    is_network = args.model in NETWORKS and args.model not in zoo.registry.entries
    named = args.model if is_network else flags.require_single_model(zoo.registry, args.model)
    return zoo.with_checkpoint(args.checkpoint, named, args.model_name or "")


def _load(
    zoo: Zoo, model: Model | None, args: argparse.Namespace, console: Console
) -> tuple[EvaluationProtocol, list[Path]]:
    from posezoo.evaluation.evaluation_protocol import EvaluationProtocol
    from posezoo.pipeline import estimator_factory
    from posezoo.runtime.load_options import LoadOptions

    decoder_options: dict[str, str | int | float | bool] = {}
    decoder = model.decoder.name if model is not None and model.decoder is not None else ""
    if decoder == "detection":
        decoder_options["min_box_score"] = 0.0  # AP asks for all, however unsure
    options = LoadOptions(
        replace(estimator_factory.default_runtime(zoo.settings), requests=args.requests),
        target_size=args.height or args.short_side,
        flip=args.flip,
        scales=args.scales,
        decoder_options=decoder_options,
    )
    if model is None:
        xml = Path(args.model)
        estimator = estimator_factory.compile_ir_estimator(zoo, xml, options, listener=console)
        estimator_factory.require_detector_used(args.detector, estimator.model, estimator.decoder)
        irs = {xml.stem: xml}
    else:
        estimator_factory.require_detector_used(args.detector, model)
        irs = zoo.get_irs(model, args.precision, force=args.force, listener=console)
        detectors = estimator_factory.detector_irs(zoo, model, listener=console)
        irs = {**detectors, **irs}
        estimator = estimator_factory.compile_estimator(zoo, model, irs, options)
    _refuse_other_side(args, estimator)
    people_from = {"truth": "the annotated boxes"}.get(args.boxes or "", args.boxes or "")
    if (
        not people_from
        and (detector := estimator_factory.select_detector(zoo, estimator.decoder)) is not None
    ):
        people_from = detector.name
    protocol = EvaluationProtocol(
        estimator=estimator,
        precision=_precision(args),
        target_size=args.height or args.short_side,
        flip=args.flip,
        scales=args.scales,
        box_source=people_from,
        options=decoder_options,
    )
    return protocol, list(irs.values())


def _precision(args: argparse.Namespace) -> Precision:
    """Of the IR: an .xml lies in a folder of that name, as converters leave it."""
    folder = Path(args.model).resolve().parent.name if args.model.endswith(SUFFIX) else ""
    return Precision(folder) if folder in list(Precision) else args.precision


def _refuse_other_side(args: argparse.Namespace, estimator: Estimator) -> None:
    by_side = estimator.decoder == "associative_embedding"
    if (args.height and by_side) or (args.short_side and not by_side):
        raise EvaluationError(
            f"{estimator.model.full_name}: its decoder {estimator.decoder} goes by the "
            f"{'shorter side' if by_side else 'height'} of images",
            hint=f"say --{'short_side' if by_side else 'height'}",
        )


def _evaluate(
    args: argparse.Namespace,
    dataset: CocoDataset,
    protocol: EvaluationProtocol,
    irs: Sequence[Path],
    console: Console,
) -> Any:
    from posezoo.cli.evaluation_report import EvaluationReport
    from posezoo.evaluation import evaluate, evaluation_protocol
    from posezoo.settings import user_folder

    estimator = protocol.estimator
    name = estimator.model.full_name
    folder = args.results_dir or user_folder("cache") / "evaluations" / name / protocol.precision.value
    boxes, others = _boxes(args, dataset)
    heading = evaluation_protocol.cache_key(protocol, irs, *others)
    key = hashlib.sha256(json.dumps(heading, sort_keys=True).encode()).hexdigest()[:12]
    keep = folder / f"predictions-{key}.jsonl"
    if args.fresh:
        keep.unlink(missing_ok=True)
    of_boxes = estimator.decoder == "detection"
    accuracy = evaluate(
        estimator,
        dataset,
        of_boxes=of_boxes,
        boxes=boxes,
        skip_unreadable=args.skip_unreadable,
        keep=keep,
        heading=heading,
        at_once=estimator.requests,
        name=name,
        listener=console,
    )
    report = EvaluationReport(protocol, accuracy, of_boxes)
    report.write(folder, worst=args.worst)
    return report


def _boxes(
    args: argparse.Namespace, dataset: CocoDataset
) -> tuple[Mapping[int, Sequence[CocoBox]] | None, list[Path]]:
    """Where people are, where it is said, and the file that says so."""
    from posezoo.coco import read_detector_boxes

    if not args.boxes:
        return None, []
    if args.boxes == "truth":
        return dataset.annotated_boxes(), [dataset.annotations]
    return read_detector_boxes(Path(args.boxes)), [Path(args.boxes)]


def _scales(text: str) -> tuple[float, ...]:
    """An argparse type: numbers above 0, 1 among them."""
    try:
        scales = tuple(sorted({float(each) for each in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers such as 0.5,1,1.5,2, got {text!r}") from error
    if 1.0 not in scales or not scales[0] > 0 or not scales[-1] <= 8:
        raise argparse.ArgumentTypeError(
            f"expected numbers above 0, at most 8, and 1 among them, got {text!r}"
        )
    return scales


def _positive(text: str) -> int:
    """An argparse type: 1 or more."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _count(text: str) -> int:
    """An argparse type: 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)
