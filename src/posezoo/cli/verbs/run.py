"""posezoo run: run a model on images and videos; write them with the poses, and keypoints as JSON.

The results folder then has an annotated image for each image, an annotated video and a JSON file
with the keypoints of each frame for each video, and poses.json, which ``--format json`` prints::

    images    list    image, picture, width, height, poses
    videos    list    video, picture, keypoints (a file: frames with frame, width, height, poses),
                      frames, people (the most in one frame), people_from, width, height
    failed    list    image or video, and reason
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.cli.run_inputs import (
    VIDEO_SUFFIXES,
    ImageInput,
    OutputNames,
    RunInputs,
    VideoInput,
    open_inputs,
)
from posezoo.cli.selection import DEFAULT_MODEL
from posezoo.console import Console
from posezoo.errors import (
    DiskError,
    ImageError,
    OutputError,
    PosezooError,
    UnknownModelError,
    import_optional,
)
from posezoo.facts.labels import format_count
from posezoo.files.staging import staging_dir
from posezoo.files.verified_files import write_atomically
from posezoo.spec.model import TRACKING, Precision
from posezoo.workers.signals import SignalExit

if TYPE_CHECKING:
    from posezoo.demo.frame_rate import StepTimer
    from posezoo.pipeline.zoo_context import Context
    from posezoo.runtime.estimator import Estimator
    from posezoo.runtime.runtime_config import LoadOptions
    from posezoo.spec.model import Model

EXAMPLES = """
posezoo run
posezoo run --input me.jpg --output poses
posezoo run movenet-multipose --input crowd.jpg https://example.org/crowd.mp4
posezoo run blazepose-full --input holiday/ 'more/*.png' --precision FP32 --device GPU
posezoo run --input 0 --limit 300
posezoo run decoded/public/movenet-lightning/FP16/movenet-lightning.xml --input me.jpg
posezoo run mine.pth --input me.jpg
"""

DOWNLOAD = "download and verify"
CONVERT = "convert and self-check"

#: The suffixes of checkpoints, to tell a missing file from the name of a model.
CHECKPOINTS = (".pth", ".pt", ".safetensors", ".params")

FLAGS = (
    Flag(
        "model MODEL|XML|FILE",
        "the name of a model, the .xml of an IR, or a checkpoint of one of posezoo's networks "
        f"(default: {DEFAULT_MODEL})",
        nargs="?",
    ),
    Flag(
        "-i, --input INPUT",
        "images, folders, globs, videos, a camera's number, or addresses (http, rtsp) (default: two"
        " public-domain sample photos)",
        nargs="+",
    ),
    flags.output_flag(
        "folder for the drawn images and videos, and poses.json",
        "results/MODEL in your cache folder",
    ),
    flags.weights_dir_flag("folder of the models' files and IR", former="-d, --download_dir"),
    Flag(
        "--limit N",
        "the number of frames of a video, camera or stream (default: all; a camera until ^C)",
        flags.whole_number(1),
    ),
    "precision checkpoint",
    Flag(
        "--min_score S",
        "the minimum score of keypoints that are drawn (default: the decoder's, 0.1 to 0.5)",
        flags.parse_fraction,
    ),
    f"min_person_score {flags.ESTIMATOR} {flags.FORMAT}",
)


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What the user wants to run."""

    name: str  # for the folder of the results
    model: Model | None  # None for an IR
    checkpoint: Path | None  # the user's own weights


def run(args: argparse.Namespace) -> int:
    """Load the model, after download and conversion if necessary; find and draw the poses in each
    input.
    """
    from posezoo.demo.frame_rate import StepTimer
    from posezoo.pipeline import load
    from posezoo.runtime.runtime_config import require_device
    from posezoo.settings import user_folder

    context = flags.context_from_args(args)
    timer = StepTimer()
    failures: list[dict[str, str]] = []
    with Console(quiet=args.quiet) as console, ExitStack() as stack:

        def report_video(error: PosezooError) -> None:
            console.print_error(error)
            failures.append({"video": error.problem.partition(": ")[0], "reason": error.problem})

        chosen = _choose_model(args, context)
        results = args.output or user_folder("cache") / "results" / chosen.name
        # The requirements are checked before anything is downloaded.
        import_optional("cv2", extra="run")
        require_device(context.settings.device)
        if chosen.model is not None:
            load.require_detector_used(args.detector, chosen.model)
            load.select_detector(context, chosen.model)
        if args.input:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="posezoo-")))
            inputs = open_inputs(
                args.input,
                folder,
                context.download_options,
                listener=console,
                warn=console.warn,
                report_error=report_video,
            )
        else:
            with timer.time_step(DOWNLOAD):
                inputs = _download_samples(context, console)
        estimator, card = _Loader(context, args, timer, console, inputs.is_video).load(chosen)
        runner = _Runner(args, estimator, results, inputs, timer, console, failures)
        runner.run_all()
        summary = {
            "model": estimator.model.full_name,
            "people_from": ", ".join(runner.people_from),
            "precision": _precision_of(args, chosen),
            "device": estimator.device,
            "executed_precision": estimator.executed_precision,
            "images": runner.images,
            "videos": runner.videos,
            "failed": failures,
            "card": str(card) if card else None,
            "seconds": {name: round(value, 4) for name, value in timer.seconds.items()},
        }
        if runner.has_results:
            write_atomically(
                results / "poses.json", (json.dumps(summary, indent=2) + "\n").encode()
            )
    # If no input could be read, the errors say all there is to say.
    lines = [*_summary_lines(summary, results)] if runner.has_results else []
    if runner.has_empty_result:
        given = args.input or ()
        reason = load.explain_no_people(estimator, context, args.min_person_score, given)
        lines.append(f"hint        {reason}")
    print_result(args.format, summary, *lines)
    if runner.ended_by is not None:
        raise runner.ended_by
    return 1 if failures else 0


def _choose_model(args: argparse.Namespace, context: Context) -> ChosenModel:
    """The model that the user names: by a name, an IR, or a checkpoint."""
    text = args.model or DEFAULT_MODEL
    path = Path(text)
    if text.endswith(".xml"):
        if args.checkpoint is not None:
            args.parser.error("--checkpoint requires a model or network, not an IR")
        return ChosenModel(path.stem, None, None)
    if args.checkpoint is not None:
        return _choose_checkpoint(args.checkpoint, args.model, context)
    if path.suffix.lower() in CHECKPOINTS and os.path.isfile(text):
        return _choose_checkpoint(path, None, context)
    try:
        return ChosenModel(text, context.registry.find(text), None)
    except UnknownModelError as error:
        from posezoo.images import SUFFIXES

        suffix = path.suffix.lower()
        if suffix in CHECKPOINTS:
            raise UnknownModelError(f"{text}: no such file, and no model of the zoo") from error
        if os.path.exists(text) or "://" in text or suffix in SUFFIXES or suffix in VIDEO_SUFFIXES:
            kind = "a video" if suffix in VIDEO_SUFFIXES else "an image"
            hint = f"to run on {kind}: --input {shlex.quote(text)}"
            raise UnknownModelError(error.problem, hint=hint) from error
        raise


def _choose_checkpoint(checkpoint: Path, name: str | None, context: Context) -> ChosenModel:
    """A model with the user's own weights.

    Args:
        name: the name of a model or of one of our networks; None for the only network that reads
            the weights.
    """
    from posezoo.demo.model_loading import find_fitting_network

    name = name or find_fitting_network(checkpoint)
    model = flags.model_with_checkpoint(context.registry, name, checkpoint)
    return ChosenModel(checkpoint.stem, model, checkpoint)


def _precision_of(args: argparse.Namespace, chosen: ChosenModel) -> str:
    """The precision of the IR; that of an .xml by its path is the name of its folder."""
    if chosen.model is not None:
        return str(args.precision.value)
    folder = Path(args.model).resolve().parent.name
    return folder if folder in list(Precision) else "unknown"


def _download_samples(context: Context, console: Console) -> RunInputs:
    from posezoo.download.published_photos import download_samples

    photos = download_samples(
        context.layout.samples_dir, context.download_options, listener=console
    )
    return RunInputs(tuple(ImageInput(photo, str(photo)) for photo in photos))


@dataclass(frozen=True, slots=True)
class _Loader:
    """Loads the chosen model, after download and conversion if necessary."""

    context: Context
    args: argparse.Namespace
    timer: StepTimer
    console: Console
    is_video: bool  # whether it processes only videos

    def load(self, chosen: ChosenModel) -> tuple[Estimator, Path | None]:
        """The estimator, and the card of a model of the zoo."""
        from posezoo.pipeline.get import write_model_card

        if chosen.model is None:
            return self._compile_ir(Path(self.args.model)), None
        if chosen.checkpoint is None:
            irs = self._get_irs(chosen.model)
            card = write_model_card(chosen.model, self.context)
            return self._compile(chosen.model, irs), card
        irs = self._convert_checkpoint(chosen.model, chosen.checkpoint)
        if chosen.model.decoder is None:  # the outputs decide on the decoder
            return self._compile_ir(irs[chosen.model.name]), None
        return self._compile(chosen.model, irs), None

    def _get_irs(self, model: Model) -> dict[str, Path]:
        """Download and convert all parts of a model of the zoo."""
        from posezoo.convert.conversion_plan import ConversionOptions
        from posezoo.pipeline.get import convert, download, resolve_model
        from posezoo.pipeline.plan import make_plan

        both = (Precision.FP32, Precision.FP16)
        precision = self.args.precision
        irs, options = {}, ConversionOptions()
        for part in self.context.registry.parts(model):
            # One reading of the original makes both; of a published IR only the files in use are
            # downloaded.
            precisions = both if precision in both and not part.is_ir else (precision,)
            with self.timer.time_step(DOWNLOAD):
                plan = make_plan(
                    resolve_model(part, precisions, self.context), self.context, options
                )
                resolved = download(plan, self.context, listener=self.console)
            with self.timer.time_step(CONVERT):
                irs[part.name] = convert(resolved, plan, options, listener=self.console).irs[
                    precision
                ]
        return irs

    def _convert_checkpoint(self, model: Model, checkpoint: Path) -> dict[str, Path]:
        """Convert a model with the user's own weights, into a folder of its own."""
        from posezoo.pipeline.get import get_irs, with_checkpoint_dir

        with self.timer.time_step(CONVERT):
            place = with_checkpoint_dir(self.context, model)
            return get_irs(
                model, self.args.precision, place, checkpoint=checkpoint, listener=self.console
            )

    def _compile(self, model: Model, irs: dict[str, Path]) -> Estimator:
        from posezoo.pipeline import load

        with self.timer.time_step(DOWNLOAD):
            detector = load.detector_irs(
                model, self.context, is_video=self.is_video, listener=self.console
            )
        with self.timer.time_step("compile"):
            return load.compile_estimator(
                model, self.context, {**detector, **irs}, self._options, is_video=self.is_video
            )

    def _compile_ir(self, xml: Path) -> Estimator:
        from posezoo.pipeline import load

        with self.timer.time_step("compile"):
            return load.compile_ir_estimator(
                xml,
                self.context,
                self._options,
                named_detector=self.args.detector,
                is_video=self.is_video,
                listener=self.console,
            )

    @property
    def _options(self) -> LoadOptions:
        from posezoo.pipeline import load
        from posezoo.runtime.runtime_config import LoadOptions

        runtime = load.default_runtime(self.context.settings)
        return LoadOptions(runtime, min_person_score=self.args.min_person_score)


class _Runner:
    """Runs a model on all inputs, and collects the results and failures as JSON values."""

    def __init__(
        self,
        args: argparse.Namespace,
        estimator: Estimator,
        results: Path,
        inputs: RunInputs,
        timer: StepTimer,
        console: Console,
        failures: list[dict[str, str]],
    ) -> None:
        self._limit = args.limit
        self._estimator, self._results, self._inputs = estimator, results, inputs
        self._timer, self._console, self._failures = timer, console, failures
        self._min_score = estimator.seen_from if args.min_score is None else args.min_score
        videos = (Path(video.source.name) for video in inputs.videos)
        self._names = OutputNames(results, [*(image.path for image in inputs.images), *videos])
        self.images: list[dict[str, Any]] = []
        self.videos: list[dict[str, Any]] = []
        self.ended_by: BaseException | None = None  # ^C, which ends a camera

    @property
    def people_from(self) -> list[str]:
        """Where people come from in the images, and in the videos."""
        found = [self._estimator.people_from] if self.images or not self.videos else []
        return list(dict.fromkeys([*found, *(video["people_from"] for video in self.videos)]))

    @property
    def has_results(self) -> bool:
        """Whether an input could be read."""
        return bool(self.images or self.videos)

    @property
    def has_empty_result(self) -> bool:
        """Whether an image, or all frames of a video, have no person."""
        has_empty_image = any(not image["poses"] for image in self.images)
        return has_empty_image or any(not video["people"] for video in self.videos)

    def run_all(self) -> None:
        """Run the model on the images, then on the videos."""
        # A folder that cannot be written is one error, not one for each image.
        with staging_dir(self._results):
            pass
        for image in self._inputs.images:
            try:
                self._run_on_image(image)
            except DiskError:
                raise
            except (ImageError, OutputError) as error:
                self._console.print_error(error)
                self._failures.append({"image": image.name, "reason": error.problem})
        for video in self._inputs.videos:
            if self.ended_by is None:
                self._run_on_video(video)

    def _run_on_image(self, image: ImageInput) -> None:
        from posezoo.images import read_image, write_image
        from posezoo.pose.drawing import draw

        with self._timer.time_step("read images"):
            pixels = read_image(image.path)
        with self._timer.time_step("find poses"):
            poses = self._estimator(pixels)
        target = self._names.output_path(image.path)
        with self._timer.time_step("draw and write"):
            write_image(target, draw(pixels, poses, min_score=self._min_score, in_place=True))
        self.images.append(
            {
                "image": image.name,
                "picture": str(target),
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "poses": [pose.to_json() for pose in poses],
            }
        )

    def _run_on_video(self, video: VideoInput) -> None:
        """Write the annotated video and the keypoints of each frame; ^C ends it, and keeps what is
        done.
        """
        from posezoo.demo.frame_outputs import JsonListWriter, frame_to_json, open_output
        from posezoo.pose.drawing import draw

        source = video.source
        target = self._names.path_for(video.stem, ".mp4")
        keypoints = self._names.path_for(video.stem, ".json")
        frames = people = 0
        with (
            closing(source.frames()) as read,
            closing(open_output(target, source, may_drop=video.is_live)) as output,
            JsonListWriter(keypoints, "frames") as written,
            self._timer.time_step("videos"),
        ):
            try:
                results = self._estimator.stream(
                    islice(read, self._limit), attrgetter("image"), is_video=True
                )
                with closing(results):
                    for frame, poses in results:
                        written.append(frame_to_json(frame, poses))
                        output.write(
                            frame,
                            draw(frame.image, poses, min_score=self._min_score, in_place=True),
                        )
                        frames += 1
                        people = max(people, len(poses))
            except (KeyboardInterrupt, SignalExit) as signal:
                self.ended_by = signal
        if not frames:
            return
        self.videos.append(
            {
                "video": source.name,
                "picture": str(target),
                "keypoints": str(keypoints),
                "frames": frames,
                "people": people,
                "people_from": (
                    TRACKING if self._estimator.can_track else self._estimator.people_from
                ),
                "width": source.size[0],
                "height": source.size[1],
            }
        )


def _summary_lines(summary: dict[str, Any], results: Path) -> Iterator[str]:
    for answer in summary["images"]:
        count = len(answer["poses"])
        yield (
            f"{answer['image']}: {count} {'person' if count == 1 else 'people'} ->"
            f" {answer['picture']}"
        )
    for video in summary["videos"]:
        frames, people = video["frames"], video["people"]
        yield (
            f"{video['video']}: {format_count(frames, 'frame')}, at most {people} "
            f"{'person' if people == 1 else 'people'} in one -> {video['picture']}"
        )
        yield f"{video['video']}: keypoints of each frame -> {video['keypoints']}"
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
