"""posezoo run: run a model on images; write annotated images, and keypoints as JSON."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.console import Console
from posezoo.errors import ImageError, OutputError, UnknownModelError, explain_windows_path, import_optional
from posezoo.files.staging import staging_dir
from posezoo.files.verified_files import write_atomically
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.demo.frame_rate import StepTimer
    from posezoo.pipeline.zoo_context import Context
    from posezoo.runtime.estimator import Estimator
    from posezoo.spec.model import Model

SUMMARY = "find the poses in images with a model of the zoo"

EXAMPLES = """
posezoo run
posezoo run --input me.jpg --output poses
posezoo run movenet-multipose --input crowd.jpg
posezoo run blazepose-full --input holiday/ 'more/*.png' --precision FP32 --device GPU
posezoo run decoded/public/movenet-lightning/FP16/movenet-lightning.xml --input me.jpg
"""

#: The default model.
DEFAULT_MODEL = "blazepose-full"

DOWNLOAD = "download and verify"

_ANNOTATED = re.compile(r".*_poses(_\d+)?")

FLAGS = (
    Flag(
        "model MODEL|XML",
        f"the name of a model, or the .xml of an IR (default: {DEFAULT_MODEL})",
        nargs="?",
        default=DEFAULT_MODEL,
    ),
    Flag(
        "-i, --input IMAGE", "images, folders or globs (default: two public-domain sample photos)", nargs="+"
    ),
    flags.output_flag("folder for the drawn images and poses.json", "results/MODEL in your cache folder"),
    flags.weights_dir_flag("folder of the models' files and IR", former="-d, --download_dir"),
    "precision",
    Flag(
        "--min_score S",
        "the minimum score of keypoints that are drawn (default: the decoder's, 0.1 to 0.5)",
        flags.parse_fraction,
    ),
    f"min_person_score {flags.ESTIMATOR} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Load the model, after download and conversion if necessary; find and draw the poses in each image."""
    from posezoo.demo.frame_rate import StepTimer
    from posezoo.download.published_photos import download_samples
    from posezoo.pipeline import load
    from posezoo.runtime.runtime_config import require_device
    from posezoo.settings import user_folder

    context = flags.context_from_args(args)
    is_ir = args.model.endswith(".xml")
    name, precision = args.model, args.precision.value
    if is_ir:
        name, parent = Path(args.model).stem, Path(args.model).resolve().parent.name
        precision = parent if parent in list(Precision) else "unknown"
    results = args.output or user_folder("cache") / "results" / name
    timer = StepTimer()
    with Console(quiet=args.quiet) as console:
        try:
            model = None if is_ir else context.registry.find(args.model)
        except UnknownModelError as error:
            from posezoo.images import SUFFIXES

            if os.path.exists(args.model) or Path(args.model).suffix.lower() in SUFFIXES:
                hint = f"to run on an image: --input {shlex.quote(args.model)}"
                raise UnknownModelError(error.problem, hint=hint) from error
            raise
        # The requirements are checked before anything is downloaded.
        import_optional("cv2", extra="run")
        require_device(context.settings.device)
        if model is not None:
            load.require_detector_used(args.detector, model)
            load.select_detector(context, model)
        if args.input:
            images = expand_image_paths(args.input, console.warn)
        else:
            with timer.time_step(DOWNLOAD):
                folder, options = context.layout.samples_dir, context.download_options
                images = list(download_samples(folder, options, listener=console))
        estimator, card = _prepare(context, model, args, timer, console)
        answers, failures = _run_on(images, estimator, results, args.min_score, timer, console)
        summary = {
            "model": estimator.model.full_name,
            "people_from": estimator.people_from,
            "precision": precision,
            "device": estimator.device,
            "executed_precision": estimator.executed_precision,
            "images": answers,
            "failed": failures,
            "card": str(card) if card else None,
            "seconds": {name: round(value, 4) for name, value in timer.seconds.items()},
        }
        if answers:
            write_atomically(results / "poses.json", (json.dumps(summary, indent=2) + "\n").encode())
    # If no image could be read, the errors say all there is to say.
    lines = [*_summary_lines(summary, results)] if answers else []
    if not all(answer["poses"] for answer in answers):
        lines.append(f"hint        {load.explain_no_people(estimator, context, args.min_person_score)}")
    print_result(args, summary, *lines)
    return 1 if failures else 0


def expand_image_paths(names: Sequence[str], warn: Callable[[str], None]) -> list[Path]:
    """The images that files, folders and globs name; the images of a folder are in alphabetical order.

    For folders and globs, annotated images of an earlier run are left out. A name without images causes a
    warning, no images at all an ImageError.
    """
    from posezoo.images import SUFFIXES

    images: list[Path] = []
    for name in names:
        path = Path(name)
        if os.path.isdir(path):
            candidates = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
        elif any(character in name for character in "*?[") and not os.path.exists(path):
            candidates = [Path(match) for match in glob(name, recursive=True)]
        else:
            images.append(path)
            continue
        found = sorted(
            file for file in candidates if os.path.isfile(file) and not _ANNOTATED.fullmatch(file.stem)
        )
        if not found:
            warn(f"{name}: no images there (looked for {' '.join(sorted(SUFFIXES))})")
        images += found
    if not any(os.path.exists(image) for image in images):
        missing = ", ".join(map(str, images)) or ", ".join(names)
        hint = explain_windows_path(names[0]) or "name images, folders or quoted globs"
        raise ImageError(f"no image to work on: {missing}", hint=hint)
    return images


class OutputNames:
    """Gives each annotated image a unique name that is never the name of an input (``images``)."""

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self._folder = folder
        self._taken = {image.resolve() for image in images}

    def output_path(self, image: Path) -> Path:
        """A new path: ``me.jpg`` becomes ``me_poses.jpg``; formats other than JPEG become PNG."""
        suffix = image.suffix.lower() if image.suffix.lower() in (".jpg", ".jpeg") else ".png"
        target, count = self._folder / f"{image.stem}_poses{suffix}", 1
        while target.resolve() in self._taken:
            count += 1
            target = self._folder / f"{image.stem}_poses_{count}{suffix}"
        self._taken.add(target.resolve())
        return target


def _prepare(
    context: Context, model: Model | None, args: argparse.Namespace, timer: StepTimer, console: Console
) -> tuple[Estimator, Path | None]:
    """The estimator, and the card of a model of the zoo."""
    from posezoo.convert.conversion_plan import ConversionOptions
    from posezoo.pipeline import load
    from posezoo.pipeline.get import convert, download, resolve_model, write_model_card
    from posezoo.pipeline.plan import make_plan
    from posezoo.runtime.runtime_config import LoadOptions

    runtime = load.default_runtime(context.settings)
    run_options = LoadOptions(runtime, min_person_score=args.min_person_score)
    if model is None:
        with timer.time_step("compile"):
            xml, detector = Path(args.model), args.detector
            estimator = load.compile_ir_estimator(
                xml, context, run_options, named_detector=detector, listener=console
            )
        return estimator, None
    both = (Precision.FP32, Precision.FP16)
    precisions = both if args.precision in both else (args.precision,)
    irs, options = {}, ConversionOptions()
    for part in context.registry.parts(model):
        with timer.time_step(DOWNLOAD):
            plan = make_plan(resolve_model(part, precisions, context), context, options)
            resolved = download(plan, context, listener=console)
        with timer.time_step("convert and self-check"):
            irs[part.name] = convert(resolved, plan, options, listener=console).irs[args.precision]
    with timer.time_step(DOWNLOAD):
        irs = {**load.detector_irs(model, context, listener=console), **irs}
    card = write_model_card(model, context)
    with timer.time_step("compile"):
        estimator = load.compile_estimator(model, context, irs, run_options)
    return estimator, card


def _run_on(
    paths: list[Path],
    estimator: Estimator,
    results: Path,
    min_score: float | None,
    timer: StepTimer,
    console: Console,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The results and the failures of the images, as JSON values."""
    from posezoo.images import read_image, write_image
    from posezoo.pose.drawing import draw

    least_score = estimator.seen_from if min_score is None else min_score
    answers: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    names = OutputNames(results, paths)
    with staging_dir(results):  # a folder that cannot be written is one error, not one for each image
        pass
    for path in paths:
        try:
            with timer.time_step("read images"):
                image = read_image(path)
            with timer.time_step("find poses"):
                poses = estimator(image)
            target = names.output_path(path)
            with timer.time_step("draw and write"):
                write_image(target, draw(image, poses, min_score=least_score, in_place=True))
        except (ImageError, OutputError) as error:
            console.print_error(error)
            failures.append({"image": str(path), "reason": error.problem})
            continue
        answers.append(
            {
                "image": str(path),
                "picture": str(target),
                "width": image.shape[1],
                "height": image.shape[0],
                "poses": [pose.to_json() for pose in poses],
            }
        )
    return answers, failures


def _summary_lines(summary: dict[str, Any], results: Path) -> Iterator[str]:
    for answer in summary["images"]:
        count = len(answer["poses"])
        yield f"{answer['image']}: {count} {'person' if count == 1 else 'people'} -> {answer['picture']}"
    yield f"keypoints   {results / 'poses.json'}"
    if summary["card"]:
        yield f"model card  {summary['card']}"
    yield (
        f"ran         {summary['model']} ({summary['precision']} IR) on {summary['device']} "
        f"in {summary['executed_precision']}"
    )
    yield f"people from {summary['people_from']}"
    for name, seconds in summary["seconds"].items():
        yield f"{seconds:9.2f} s  {name}"
