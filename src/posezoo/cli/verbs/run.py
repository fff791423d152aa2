"""posezoo run: a model on images, to annotated pictures and keypoints as JSON."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.image_inputs import OutputNames, expand_image_paths
from posezoo.cli.report import Console
from posezoo.errors import ImageError, OutputError, UnknownModelError, import_optional
from posezoo.files.verified_files import write_atomically
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.pipeline.zoo_context import Context
    from posezoo.pose.keypoints import Pose
    from posezoo.runtime.estimator import Estimator
    from posezoo.spec.model import Model

EXAMPLES = """
posezoo run
posezoo run --input me.jpg --output_dir poses
posezoo run blazepose-full --input holiday/ 'more/*.png' --precision FP32 --device GPU
"""

#: The model that is used where none is named.
DEFAULT_MODEL = "blazepose-full"

DOWNLOAD = "download and verify"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "run", "find the poses in images with a model of the zoo", EXAMPLES)
    parser.add_argument(
        "model",
        nargs="?",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help=f"its name (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "-i",
        "--input",
        nargs="+",
        metavar="IMAGE",
        help="images, folders or globs (default: two public-domain sample photos)",
    )
    flags.add_results_dir_flag(parser, "where pictures and poses.json go", "results/MODEL")
    flags.add_flags(parser, "precision")
    parser.add_argument(
        "--min_score",
        type=flags.parse_fraction,
        metavar="S",
        help="draw keypoints from this score on (default: what the model's decoder calls seen, 0.1 to 0.5)",
    )
    flags.add_flags(parser, *flags.ESTIMATOR)
    flags.add_format_flags(parser)
    return parser


@dataclass(slots=True)
class StageTimer:
    """How long each stage took, in seconds and in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time_stage(self, name: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        start_time = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start_time


def run(args: argparse.Namespace) -> int:
    """Fetch, convert and load what is not there yet; then every image: poses, a picture, a line."""
    from posezoo.pipeline import load
    from posezoo.pipeline.zoo_context import open_context
    from posezoo.settings import user_folder

    settings = flags.settings_from_args(args)
    context = open_context(settings, trust_on_first_use=args.trust_on_first_use)
    results = args.results_dir or user_folder("cache") / "results" / args.model
    stages = StageTimer()
    with Console(quiet=args.quiet) as console:
        model = _find(context, args.model)
        # What would stop us at the end is better said before anything is fetched.
        _check_packages_and_device(settings.device)
        load.require_detector_used(args.detector, model)
        if model.decoder is not None:
            load.select_detector(context, model.decoder.name)
        images = (
            expand_image_paths(args.input, console.warn) if args.input else _samples(context, stages, console)
        )
        estimator, card = _prepare(context, model, args.precision, stages, console)
        answers, failed = _run_on(images, estimator, results, args.min_score, stages, console)
        summary = {
            "model": model.full_name,
            "precision": args.precision.value,
            "device": estimator.device,
            "executed_precision": estimator.executed_precision,
            "images": answers,
            "failed": failed,
            "card": str(card),
            "seconds": {name: round(value, 4) for name, value in stages.seconds.items()},
        }
        if answers:
            write_atomically(results / "poses.json", (json.dumps(summary, indent=2) + "\n").encode())
    if args.format == "json":
        print(json.dumps(summary, indent=2))
    else:
        _print_summary(summary, results)
    return 1 if failed else 0


def _find(context: Context, name: str) -> Model:
    try:
        return context.registry.find(name)
    except UnknownModelError as error:
        if os.path.exists(name):
            raise UnknownModelError(error.problem, hint=f"for an image say: --input {name}") from error
        raise


def _check_packages_and_device(device: str) -> None:
    from posezoo.runtime.devices import require_device

    import_optional("cv2", extra="run")
    require_device(device)


def _samples(context: Context, stages: StageTimer, console: Console) -> list[Path]:
    from posezoo.download.sample_images import download_samples

    with stages.time_stage(DOWNLOAD):
        return list(download_samples(context.layout.samples_dir, context.download_options, listener=console))


def _prepare(
    context: Context, model: Model, precision: Precision, stages: StageTimer, console: Console
) -> tuple[Estimator, Path]:
    from posezoo.convert.conversion_plan import ConversionOptions
    from posezoo.pipeline import load
    from posezoo.pipeline.get import convert, download, resolve_model, write_model_card
    from posezoo.pipeline.plan import make_plan

    both = (Precision.FP32, Precision.FP16)
    precisions = both if precision in both else (precision,)
    irs, options = {}, ConversionOptions()
    for part in context.registry.parts(model):
        with stages.time_stage(DOWNLOAD):
            plan = make_plan(resolve_model(part, precisions, context), context, options)
            resolved = download(plan, context, listener=console)
        with stages.time_stage("convert and self-check"):
            irs[part.name] = convert(resolved, plan, options, listener=console).irs[precision]
    with stages.time_stage(DOWNLOAD):
        irs = {**load.detector_irs(model, context, listener=console), **irs}
    card = write_model_card(model, context)
    with stages.time_stage("compile"):
        estimator = load.compile_estimator(model, context, irs)
    return estimator, card


def _run_on(
    images: list[Path],
    estimator: Estimator,
    results: Path,
    min_score: float | None,
    stages: StageTimer,
    console: Console,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    from posezoo import images as pictures
    from posezoo.pose.drawing import draw

    seen_from = estimator.seen_from if min_score is None else min_score
    answers: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    names = OutputNames(results, images)
    for path in images:
        try:
            with stages.time_stage("read images"):
                image = pictures.read_image(path)
            with stages.time_stage("find poses"):
                poses = estimator(image)
            target = names.output_path(path)
            with stages.time_stage("draw and write"):
                pictures.write_image(target, draw(image, poses, min_score=seen_from, in_place=True))
        except (ImageError, OutputError) as error:
            console.print_error(error)
            failed.append({"image": str(path), "reason": error.problem})
            continue
        answers.append(_answer(path, target, image.shape, poses))
    return answers, failed


def _answer(path: Path, target: Path, shape: tuple[int, ...], poses: list[Pose]) -> dict[str, Any]:
    return {
        "image": str(path),
        "picture": str(target),
        "width": shape[1],
        "height": shape[0],
        "poses": [pose.to_json() for pose in poses],
    }


def _print_summary(summary: dict[str, Any], results: Path) -> None:
    for answer in summary["images"]:
        count = len(answer["poses"])
        print(f"{answer['image']}: {count} {'person' if count == 1 else 'people'} -> {answer['picture']}")
    if summary["images"]:
        print(f"keypoints   {results / 'poses.json'}")
    print(f"model card  {summary['card']}")
    print(
        f"ran         {summary['model']} ({summary['precision']} IR) on {summary['device']} "
        f"in {summary['executed_precision']}"
    )
    for name, seconds in summary["seconds"].items():
        print(f"{seconds:9.2f} s  {name}")
