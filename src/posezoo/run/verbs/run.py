"""posezoo run: run a model on images and videos; write them with the poses, and keypoints as JSON.

The results folder then has an annotated image for each image, an annotated video and a JSON file
with the keypoints of each frame for each video, and poses.json, which ``--format json`` prints::

    images    list    image, picture (null if none is drawn), width, height, poses
    videos    list    video, picture (null if none is written), keypoints (a file: frames
                      with seconds, frame, name, width, height, poses; null if --output names a
                      file), frames, people (the most drawn in one frame), people_from, width,
                      height
    failed    list    image or video, and reason
    chosen    object  if no model was named: name, as in the registry's list, and why it runs
    assumed   str     what is assumed about the keypoints; empty if a skeleton is declared
    provenance        what ran: model, revision, files (the SHA-384 of those of its IR and of its
                      detector's), device, executed_precision, posezoo, openvino, date

If --output names a .json, that is the only file, and ``frames`` has the frames of all videos. A
.jsonl has a line for each image and frame, and a .csv a row for each person in them, which
``--format csv`` prints: ``keypoint_files.to_rows`` says which columns.

Until poses.json is written, a journal beside it has the results of many photos: if the run ends
early, the same command continues.
"""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.console.console import Console
from posezoo.console.json_projection import Json, project
from posezoo.console.labels import format_count, name_first
from posezoo.console.report import print_result
from posezoo.core.declarations.model import TRACKING, Model
from posezoo.core.errors import (
    OutputError,
    PosezooError,
    import_cv2,
    redact_secrets,
)
from posezoo.core.events import ignore_event
from posezoo.core.files.staging import temporary_dir
from posezoo.core.layout import precision_of
from posezoo.core.neighbours import warn_of_overwritten_opencv
from posezoo.core.settings import user_folder
from posezoo.run.verbs.run_flags import (
    DRAW,
    VIDEO,
    RunArgs,
    camera_mode_from_args,
    name_target_size,
    refuse_detect_every,
    statement_from_args,
    video_options_from_args,
)

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context
    from posezoo.media.frame_publishers import FramePublisher
    from posezoo.run.keypoint_files import KeypointFile
    from posezoo.run.load import PreparedModel
    from posezoo.run.result_journal import ResultJournal
    from posezoo.run.run_inputs import InputRunner, RunInputs
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.runtime_config import LoadOptions
    from posezoo.run.subject import Subject

EXAMPLES = """
posezoo run
posezoo run --input me.jpg --output poses
posezoo run --input walk.mp4 --track --output keypoints.csv
posezoo run --input 'photos/*.jpg' --format csv
posezoo run posenet-mobilenet-v1 --input crowd.jpg https://example.org/crowd.mp4
posezoo run blazepose-full --input 'holiday/*.png' --precision FP32 --device GPU
posezoo run --input 0 --limit 300
posezoo run movenet-multipose --input walk.mp4 --track --smooth
posezoo run blazepose-full --input walk.mp4 --output pose --format openpose
posezoo run --input rtsp://camera.local/1 --quiet --track --json_lines -
posezoo run mine.pth --input me.jpg
posezoo run mine.onnx --as rtmpose-m --input me.jpg
"""

_OPENPOSE = ("openpose", "openpose-coco")
#: Paths of results that are longer move no other line to the right.
_WIDEST_PATH = 60
#: Steps that took less time are not shown.
_SHORTEST_S = 0.05

FLAGS = (
    Flag(
        "model MODEL|XML|FILE",
        "the name of a model, the .xml of an IR, an .onnx, or a checkpoint of one of posezoo's "
        "networks "
        "(default: chosen once, as the first of the registry's list that this machine reaches)",
        nargs="?",
        default=SUPPRESS,  # otherwise it would replace the value of --model
        former="-m, --model",
    ),
    Flag(
        "-i, --input INPUT",
        "images, folders, globs, videos, a camera's number, or addresses (http, rtsp) (default: two"
        " public-domain sample photos)",
        nargs="+",
    ),
    flags.output_flag(
        "folder for the drawn images and videos, and poses.json; or a file for the keypoints of all"
        " inputs, without pictures: .csv, .json or .jsonl; for one input, also the picture or video"
        " to write, such as out.mp4",
        "results/MODEL in your cache folder",
    ),
    Flag("--force", "begin anew, and do not go on where a run ended early"),
    "precision device",
    Flag(
        "--min_score S",
        "the minimum score of keypoints that are drawn (default: the decoder's, 0.1 to 0.5)",
        flags.parse_fraction,
    ),
    DRAW,
    "min_person_score",
    Flag(
        "--limit N",
        "the number of frames of a video, camera or stream (default: all; a camera until ^C)",
        flags.whole_number(1),
    ),
    Flag(
        "--format",
        "the format of the result on the standard output (default: text); csv has a row for each"
        " person and frame; openpose and openpose-coco also write OpenPose's JSON in BODY_25 or"
        " COCO's order: NAME_keypoints.json, for videos in NAME_json",
        default="text",
        choices=("text", "json", "csv", *_OPENPOSE),
    ),
    "quiet",
    VIDEO,
    FlagGroup(
        *flags.shared("checkpoint masks inference_precision log"),
        flags.weights_dir_flag("folder of the models' files and IR", former="-d, --download_dir"),
        title="the model",
        folded=True,
    ),
    f"{flags.PIPELINE} {flags.DESCRIPTION} {flags.CACHE} {flags.TRUST} {flags.CONVERTERS}",
    flags.REGISTRY,
)


class _RunArgs(RunArgs, flags.DescriptionArgs):
    model: str | None
    input: list[str] | None
    output: Path | None
    limit: int | None
    min_score: float | None
    draw: list[tuple[str, Any]] | None


def run(args: _RunArgs) -> int:
    """Load the model, after download and conversion if necessary; find and draw the poses in each
    input.
    """
    from posezoo.media.frame_publishers import is_stdout, open_publisher
    from posezoo.media.frame_rate import StepTimer
    from posezoo.poses.drawing import draw
    from posezoo.run.advice import describe_assumed_skeleton
    from posezoo.run.load import Loader
    from posezoo.run.run_inputs import InputRunner
    from posezoo.run.subject import find_subject

    context = flags.context_from_args(args)
    timer = StepTimer()
    with flags.console_from_args(args) as console, ExitStack() as stack:
        failures = _Failures(console)
        _require_written_output(args)
        subject = find_subject(args.model, context, statement_from_args(args))
        _require_runnable(subject, context)
        warn_of_overwritten_opencv(console.warn)
        publisher = open_publisher(args.json_lines, stack)
        inputs = _open_inputs(args, subject, context, stack, failures, publisher)
        _require_fitting(args, inputs)
        is_video = not inputs.images  # in which some models track a person and need no detector
        refuse_detect_every(args, subject.model, context, is_video=is_video)
        loader = Loader(context, is_video=is_video, listener=console, time_step=timer.time_step)
        prepared = loader.prepare(subject)
        estimator, options, card = _load(prepared, args, inputs)
        provenance = estimator.provenance()
        publisher.first_keys["provenance"] = provenance
        chosen = {"chosen": project(prepared.chosen, "name why")} if prepared.chosen else {}
        publisher.first_keys.update(chosen)
        results = args.output or _results_folder(subject, estimator)
        journal = _open_journal(args, estimator, options, inputs, results, console)
        first = {**chosen, "provenance": provenance}
        min_score = estimator.seen_from if args.min_score is None else args.min_score
        prints_lines = is_stdout(args.json_lines) or args.format == "csv"
        with _open_files(args, estimator.model, first, console) as files:
            runner = InputRunner(
                estimator,
                inputs,
                results,
                min_score=min_score,
                draw=partial(draw, min_score=min_score, in_place=True, **dict(args.draw or ())),
                limit=args.limit,
                video=video_options_from_args(args, estimator),
                publish=publisher,
                journal=stack.enter_context(journal),
                timer=timer,
                report_failure=failures.report,
                openpose=_find_body(args),
                keypoint_files=files,
                # A bar would be drawn over the lines on a terminal.
                listener=ignore_event if prints_lines else console,
            )
            _run_on_inputs(runner, console)
            facts = {
                **chosen,
                "provenance": provenance,
                "assumed": describe_assumed_skeleton(estimator.model, runner.skeletons),
                "card": card,
                "seconds": {name: round(value, 4) for name, value in timer.seconds.items()},
            }
            summary = _write_summary(runner, failures, facts)
            if runner.has_results:
                _finish_files(files, summary)
        if args.format == "json":
            summary["images"] = list(runner.read_images())
        _end_run(runner, console)
    lines: list[str] = []
    # If no input could be read, the errors have been printed, and there is nothing to summarize.
    if runner.has_results and not args.quiet and args.format != "csv":
        lines = [
            *_result_lines(summary, runner),
            *_model_lines(summary, runner.estimator),
            *_advise(args, runner, context),
        ]
    print_result(args.format, summary, *lines, is_taken=is_stdout(args.json_lines))
    if runner.ended_by and not isinstance(runner.ended_by, PosezooError):
        raise runner.ended_by
    return int(bool(failures.rows or runner.ended_by))


def _results_folder(subject: Subject, estimator: Estimator) -> Path:
    own_file = subject.checkpoint or subject.file
    name = own_file.stem if own_file else estimator.model.full_name
    return user_folder("cache") / "results" / name


def _finish_files(files: Sequence[KeypointFile], summary: Json) -> None:
    rest = {name: value for name, value in summary.items() if name != "images"}
    for file in files:
        file.finish(rest)


def _find_body(args: _RunArgs) -> Sequence[str]:
    """The keypoints of OpenPose's files; empty if none are written."""
    if args.format not in _OPENPOSE:
        return ()
    from posezoo.run.openpose_files import BODIES

    return BODIES[args.format]


def _choose_requests(args: _RunArgs, inputs: RunInputs) -> int:
    from posezoo.run.runtime.runtime_config import choose_requests

    if not inputs.videos:
        return choose_requests(len(inputs.images))
    is_live = any(video.source.is_live for video in inputs.videos)
    return choose_requests(in_turn=is_live or (args.detect_every or 1) > 1)


def _open_journal(
    args: _RunArgs,
    estimator: Estimator,
    options: LoadOptions,
    inputs: RunInputs,
    results: Path,
    console: Console,
) -> AbstractContextManager[ResultJournal]:
    from posezoo.core.files.file_lock import discard
    from posezoo.run.keypoint_files import is_keypoint_file
    from posezoo.run.result_journal import (
        describe_estimator,
        journal_path,
        open_journal,
        read_heading,
    )
    from posezoo.run.runtime.runtime_config import MANY_IMAGES

    if len(inputs.images) < MANY_IMAGES:  # they are done again if the run ends early
        return open_journal(None, {})
    heading = {**_describe_flags(args), **describe_estimator(estimator, options)}
    folder, kind = results, "poses"
    if is_keypoint_file(results):
        folder, kind = results.parent, results.stem
    path = journal_path(folder, kind, heading)
    if args.force:
        discard(path)
    for other in folder.glob(f"{escape(kind)}-*.jsonl"):
        former = read_heading(other)
        if former.get("inputs") == heading["inputs"] and not path.exists():
            changed = ", ".join(name for name in heading if former.get(name) != heading[name])
            console.warn(f"all photos are done again: {changed} changed since {other}, which stays")
    return open_journal(path, heading)


def _describe_flags(args: _RunArgs) -> dict[str, Any]:
    """The flags on which results depend, beside those that ``describe_estimator`` shows: a run with
    another one begins anew. tests/run/verbs/test_run_flags.py lists the flags without effect.
    """
    return {
        "inputs": list(map(redact_secrets, args.input or ())),
        "as": args.like,
        "masks": args.masks,
        "min_score": args.min_score,
        "draw": [f"{name}={value}" for name, value in sorted(args.draw or ())] or None,
    }


def _run_on_inputs(runner: InputRunner, console: Console) -> None:
    if done := runner.describe_done():
        console.print_line(done)
    runner.run_all()
    estimator = runner.estimator
    count = len(estimator.labels)
    if not count:
        return
    class_ids = {pose.get("class_id") for image in runner.images for pose in image["poses"]}
    unnamed = sorted(number for number in class_ids - {None} if number >= count)
    if unnamed:
        console.warn(
            f"{estimator.model.full_name}: found class {unnamed[0]}, but only the classes 0 to"
            f" {count - 1} have names ({', '.join(estimator.labels[:5])})"
        )


def _advise(args: _RunArgs, runner: InputRunner, context: Context) -> Iterator[str]:
    from posezoo.run.advice import explain_no_people

    if not runner.has_empty_result:
        return
    if runner.has_hidden_poses:
        lower = f"--min_score {runner.min_score / 2:g}"
        advice = f"poses of fewer than three visible keypoints are not drawn; try {lower}"
    else:
        advice = explain_no_people(
            runner.estimator, context, args.min_person_score, args.input or ()
        )
    yield f"hint: {advice}"


def _load(
    prepared: PreparedModel, args: _RunArgs, inputs: RunInputs
) -> tuple[Estimator, LoadOptions, str | None]:
    from posezoo.core.pipeline.get import write_sidecars
    from posezoo.run.load import default_runtime
    from posezoo.run.runtime.runtime_config import LoadOptions

    loader, subject = prepared.loader, prepared.subject
    card = None
    if prepared.pipeline and subject.checkpoint is None:
        written = write_sidecars(prepared.pipeline.model, loader.context)
        card = next((str(path) for path in written if path.suffix == ".md"), None)
    options = LoadOptions(
        replace(default_runtime(loader.context.settings), requests=_choose_requests(args, inputs)),
        min_person_score=args.min_person_score,
    )
    with name_target_size("--height", args.height):
        estimator = prepared.compile(options, is_video=bool(inputs.videos))
        return estimator, subject.said.added_to(options), card


def _write_summary(runner: InputRunner, failures: _Failures, facts: Json) -> Json:
    """Write poses.json, if there are results and a folder, and return what is in it, without the
    keypoints in images; if the run ended early, also the videos without a complete result.
    """
    from posezoo.media.frame_outputs import JsonListWriter

    failed = list(failures.rows)
    if runner.ended_by is not None:
        reason = "the run ended early"
        if isinstance(runner.ended_by, PosezooError):
            reason += f": {runner.ended_by.problem}"
        failed += [{"video": name, "reason": reason} for name in runner.missing]
    estimator = runner.estimator
    is_detector_used = estimator.people_from in runner.people_from
    summary = {
        "model": estimator.model.full_name,
        "people_from": ", ".join(runner.people_from),
        "detector_precision": estimator.detector_precision if is_detector_used else "",
        "precision": precision_of(estimator.networks[-1].path) or "unknown",
        "device": estimator.device,
        "executed_precision": estimator.executed_precision,
        "requests": estimator.requests,
        "images": runner.images,
        "videos": runner.videos,
        "failed": failed,
        **facts,
    }
    if runner.is_file or not runner.has_results:
        return summary
    path = runner.results / "poses.json"
    first = {name: value for name, value in summary.items() if name != "images"}
    with JsonListWriter(
        path, "images", first, keeps_part=False, listener=runner.listener
    ) as written:
        for row in runner.read_images():
            written.append(row)
    return summary


def _end_run(runner: InputRunner, console: Console) -> None:
    """Remove the journal; or if the run ended early, show what has no complete result, and why; ^C
    needs no words.
    """
    if runner.missing:
        count = format_count(len(runner.missing), "input")
        console.warn(f"{count} without a complete result: {name_first(runner.missing)}")
    else:
        runner.journal.remove()
    if isinstance(runner.ended_by, PosezooError):
        console.print_error(runner.ended_by)


class _Failures:
    def __init__(self, console: Console) -> None:
        self.rows: list[dict[str, str | bool]] = []
        self.console = console

    def report(self, kind: str, name: str, error: PosezooError) -> None:
        self.console.print_error(error)
        self.rows.append({kind: name, "reason": error.problem, **error.to_json()})


def _open_inputs(
    args: _RunArgs,
    subject: Subject,
    context: Context,
    stack: ExitStack,
    failures: _Failures,
    publisher: FramePublisher,
) -> RunInputs:
    from posezoo.media.images import sample_photos
    from posezoo.poses.people import noun_of
    from posezoo.run.run_inputs import ImageInput, InputOpener, RunInputs

    if not args.input:
        photos = sample_photos(noun_of(subject.model) if subject.model else "")
        return RunInputs(tuple(ImageInput(photo, str(photo)) for photo in photos))
    console = failures.console
    opener = InputOpener(
        stack.enter_context(temporary_dir()),
        context.download_options,
        listener=console,
        warn=console.warn,
        report_failure=failures.report,
        report_state=publisher.beside(console),
        reconnect_s=args.reconnect,
        fps=args.fps,
        mode=camera_mode_from_args(args, args.input),
    )
    return opener.open(args.input)


def _require_runnable(subject: Subject, context: Context) -> None:
    from posezoo.run.pipeline_spec import resolve_pipeline
    from posezoo.run.runtime.runtime_config import require_device

    import_cv2()
    require_device(context.settings.device)
    if subject.model and not subject.graph:
        resolve_pipeline(subject.model, context)


def _require_fitting(args: _RunArgs, inputs: RunInputs) -> None:
    from posezoo.run.run_inputs import require_fitting_output

    if args.output:
        require_fitting_output(args.output, inputs)
    names = [name for flag in VIDEO.flags for name in flag.spellings]
    given = [name for name in names if getattr(args, name.removeprefix("--"))]
    if given and not inputs.videos:
        raise PosezooError(
            f"{', '.join(given)}: only for videos, cameras and streams, but the input has none",
            hint="name one with --input",
        )


def _require_written_output(args: _RunArgs) -> None:
    """Refuse a file that cannot be written, before anything is downloaded."""
    from posezoo.media.frame_outputs import is_picture_or_video
    from posezoo.run.keypoint_files import is_keypoint_file
    from posezoo.run.run_inputs import require_written_format

    if not args.output:
        return
    is_file = is_picture_or_video(args.output) or is_keypoint_file(args.output)
    if args.format in _OPENPOSE and is_file:
        raise OutputError(
            f"--format {args.format} writes a file for each photo or frame, and"
            f" {args.output} is one file",
            hint="--output names a folder",
        )
    require_written_format(args.output)


@contextmanager
def _open_files(
    args: _RunArgs, model: Model, first: Json, console: Console
) -> Iterator[Sequence[KeypointFile]]:
    """Where the keypoints of all inputs are written: the file that --output names, and the
    standard output. A file gets its name at the end.
    """
    from posezoo.media.frame_publishers import is_stdout
    from posezoo.run.keypoint_files import (
        is_keypoint_file,
        keypoints_of,
        open_keypoint_file,
        print_rows,
    )

    keypoints = keypoints_of(model)
    files = []
    with ExitStack() as stack:
        if args.output and is_keypoint_file(args.output):
            opened = open_keypoint_file(args.output, keypoints, first, console)
            files.append(stack.enter_context(opened))
        if args.format == "csv":
            stream = sys.stderr if is_stdout(args.json_lines) else sys.stdout
            files.append(print_rows(keypoints, stream))
        yield files


def _result_lines(summary: Json, runner: InputRunner) -> Iterator[str]:
    from posezoo.poses.decoders import find_decoder
    from posezoo.poses.people import noun_of

    estimator = runner.estimator
    finds_people = estimator.finds_people
    decoder = find_decoder(estimator.decoder)
    kind = "keypoints" if finds_people else "results"
    noun = noun_of(estimator.model) if finds_people else "result"
    if decoder.finds_masks:
        noun = "mask"
    rows = []
    for image in summary["images"]:
        name = image["picture"] or image["image"]
        rows.append((name, _describe_found(image["poses"], noun)))
    for video in summary["videos"]:
        frames = format_count(video["frames"], "frame")
        if not decoder.finds_classes:
            frames += f", {_describe_most(video['people'], noun)}"
        name = f"{video['video']}: no video" if runner.draws else video["video"]
        rows.append((video["picture"] or name, frames))
        if video["keypoints"]:
            rows.append((video["keypoints"], f"{kind} of each frame"))
    if not runner.draws:
        rows.append((str(runner.results), f"their {kind}"))
    elif not runner.is_file:
        rows.append((str(runner.results / "poses.json"), f"their {kind}"))
    width = max((len(path) for path, _ in rows if len(path) <= _WIDEST_PATH), default=0)
    for path, described in rows:
        yield f"{path:{width}}  {described}"
    if runner.openpose:
        yield f"{runner.results / '**' / '*_keypoints.json'}  OpenPose's"


def _model_lines(summary: Json, estimator: Estimator) -> Iterator[str]:
    from posezoo.poses.people import ONE_IS_FOLLOWED, describe_people, noun_of, plural_of

    if summary["assumed"] and not estimator.model.assumption:  # which was a warning
        yield f"skeleton: none is declared: {summary['assumed']}; --skeleton FILE declares one"
    path = estimator.networks[-1].path
    precision = precision_of(path)  # None if the path does not name it
    ran = f"{path} (decoder {estimator.decoder})"
    if precision:
        ran = f"{summary['model']} ({precision} IR)"
    people = ""
    if estimator.finds_people:
        usual = estimator.people_from
        described = describe_people(usual, summary["detector_precision"])
        people_from = summary["people_from"].replace(usual, described)
        note = f": {ONE_IS_FOLLOWED}" if TRACKING in people_from else ""
        people = f", {plural_of(noun_of(estimator.model))} from {people_from}{note}"
    yield f"ran {ran} on {summary['device']} in {summary['executed_precision']}{people}"
    yield _describe_time(summary["seconds"])


def _describe_time(seconds: Mapping[str, float]) -> str:
    """How long all took, and the steps that took a tenth of a second or more."""
    steps = [f"{name} {value:.1f}" for name, value in seconds.items() if value >= _SHORTEST_S]
    total = f"{sum(seconds.values()):.1f} s"
    return f"{total}: {', '.join(steps)}" if steps else total


def _describe_found(poses: Sequence[Json], noun: str) -> str:
    poses = [pose for pose in poses if pose["drawn"]]
    if not poses or noun != "result":
        return _count_found(len(poses), noun)
    if poses[0]["skeleton"] == "class":
        return ", ".join(f"{pose['label']} {pose['score']:.2f}" for pose in poses[:3])
    counts = Counter(pose["label"] for pose in poses)
    return ", ".join(_count_found(count, label) for label, count in counts.items())


def _describe_most(number: int, noun: str) -> str:
    if not number:
        nobody = {"person": "nobody", "result": "nothing"}.get(noun, f"no {noun}")
        return f"{nobody} was found"
    return f"at most {_count_found(number, noun)} in one"


def _count_found(number: int, noun: str) -> str:
    from posezoo.poses.people import plural_of

    return f"{number} {noun if number == 1 else plural_of(noun)}"
