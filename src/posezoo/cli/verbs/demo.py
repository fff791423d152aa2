"""posezoo demo: show poses in images, videos and cameras.

It follows Open Model Zoo's human_pose_estimation_demo.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posezoo.cli import demo_options, flags, run_main
from posezoo.cli.report import Console, print_json
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.demo.frame_outputs import JsonListWriter
    from posezoo.demo.frame_sources import Frame, FrameSource
    from posezoo.pose.keypoints import Pose
    from posezoo.runtime.estimator import Estimator

EXAMPLES = """
posezoo demo -m blazepose-full -i photo.jpg
posezoo demo -m blazepose-full -i 0 -u cm
posezoo demo -m human-pose-estimation-0001 --precision FP16-INT8 -i street.mp4 -no_show -o poses.mp4 -limit 0
posezoo demo -m mine.xml -at ae -i photos/ -o poses/ -no_show --coco results.json
"""

SUMMARY = "find poses in images, videos and cameras, and show them"

#: The modes; the Tab key switches between them.
USER, LATENCY = "User specified", "Min latency"

#: The verb has the same flags as the demo script.
FLAGS, USAGE = demo_options.DEMO_FLAGS, demo_options.USAGE

TITLE = "posezoo demo: Tab other mode, c d m h monitors, Q or Esc quit"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo as a separate script, and return its exit code."""
    description = f"{SUMMARY[0].upper()}{SUMMARY[1:]}."
    parser = argparse.ArgumentParser(
        usage=USAGE, description=description, formatter_class=flags.HelpFormatter
    )
    flags.add_flags(parser, *FLAGS)
    parser.set_defaults(parser=parser)
    return run_main.run_main(lambda: run(parser.parse_args(argv)))


def run(args: argparse.Namespace) -> int:
    """Run the model on the source; 1 if something could not be read, or a source was disconnected."""
    input_flags = demo_options.given_input_flags(args)
    if input_flags and not args.model.lower().endswith(".xml"):
        args.parser.error(
            f"{', '.join(input_flags)}: only for an .xml; models of the zoo describe their input"
        )
    from posezoo.demo.frame_outputs import JsonListWriter, open_output
    from posezoo.demo.frame_sources import open_source
    from posezoo.demo.player import ExecutionMode, Player, format_summary, summarize_run
    from posezoo.demo.utilization_monitor import UtilizationMonitor
    from posezoo.demo.window import Window, require_display

    failures: list[PosezooError] = []
    ended: BaseException | None = None
    with Console(quiet=args.quiet) as console, ExitStack() as stack:

        def report_error(error: PosezooError) -> None:
            failures.append(error)
            console.print_error(error)

        # The requirements are checked before anything is downloaded or computed.
        source = open_source(args.input, rounds=args.loop, report_error=report_error)
        if not args.no_show:
            require_display()
        monitors = UtilizationMonitor(args.utilization_monitors)
        outputs = [open_output(args.output, source, limit=args.output_limit)] if args.output else []
        for output in outputs:
            stack.callback(output.close)
        frames = stack.enter_context(JsonListWriter(args.json, "frames")) if args.json else None
        results = stack.enter_context(JsonListWriter(args.coco)) if args.coco else None

        load = _model_loader(args, source, console)
        estimator = load(args.num_infer_requests, args.num_streams or "", args.num_threads)
        description = _describe(estimator)
        width, height = description["input_size"] or ("any", "any")
        console.print_line(
            "{model} on {device} in {executed_precision}: {decoder}, ".format(**description)
            + f"input {width}x{height}, {estimator.requests} frames at once in {estimator.streams} streams"
        )
        modes = [ExecutionMode(USER, lambda: estimator), ExecutionMode(LATENCY, lambda: load(1, "1", 0))]
        player = Player(
            source,
            modes,
            min_score=args.prob_threshold,
            within=args.output_resolution,
            monitors=monitors,
            screen=None if args.no_show else stack.enter_context(Window(TITLE)),
            outputs=outputs,
            on_poses=_pose_writer(args, source, frames, results),
        )
        try:
            player.play()
        except (KeyboardInterrupt, run_main.SignalExit) as signal:
            ended = signal  # raised again later, so that the results so far are written
        summary = {**description, **summarize_run(player, failures)}
        if frames is not None:
            frames.rest = {"report": summary}
    if args.format == "json":
        print_json(summary)
    else:
        print(*format_summary(summary), sep="\n")
    if ended is not None:
        raise ended
    return 1 if failures else 0


def _model_loader(
    args: argparse.Namespace, source: FrameSource, console: Console
) -> Callable[[int, str, int], Estimator]:
    """A function that loads the model for a given number of requests, streams and threads."""
    from posezoo.demo.model_loading import find_model
    from posezoo.pipeline import load
    from posezoo.pipeline.zoo_context import open_context
    from posezoo.runtime.runtime_config import LoadOptions, require_device

    settings = flags.settings_from_args(args)
    require_device(settings.device)
    load_model = find_model(
        args.model,
        open_context(settings),
        args.precision,
        args.architecture_type,
        detector=args.detector,
        listener=console,
    )
    runtime = load.default_runtime(settings)
    if input_flags := demo_options.given_input_flags(args):
        console.warn(f"{', '.join(input_flags)}: override the input that {args.model} declares")

    def load_with(requests: int, streams: str, threads: int) -> Estimator:
        return load_model(
            LoadOptions(
                replace(runtime, requests=requests, streams=streams, threads=threads),
                target_size=args.tsize,
                aspect_size=source.size,
                layout=args.layout or "",
                reverse_input_channels=args.reverse_input_channels or None,
                mean=demo_options.flatten(args.mean_values),
                scale=demo_options.flatten(args.scale_values),
            )
        )

    return load_with


def _pose_writer(
    args: argparse.Namespace,
    source: FrameSource,
    frames: JsonListWriter | None,
    results: JsonListWriter | None,
) -> Callable[[Frame, list[Pose]], None]:
    """A function that prints and writes the poses of a frame, as the flags request."""
    from posezoo.demo.frame_outputs import coco_image_id, frame_to_json
    from posezoo.demo.player import format_pose

    # With --format json, only the summary goes to the standard output.
    stream = sys.stderr if args.format == "json" else sys.stdout

    def write(frame: Frame, poses: list[Pose]) -> None:
        if args.raw_output_message:
            for pose in poses:
                print(format_pose(pose), file=stream)
        if frames is not None:
            frames.append(frame_to_json(frame, poses))
        if results is not None:
            for pose in poses:
                results.append(pose.to_coco(coco_image_id(frame, source)))

    return write


def _describe(estimator: Estimator) -> dict[str, Any]:
    """A description of the running model, as JSON values."""
    return {
        "model": estimator.model.full_name,
        "decoder": estimator.decoder,
        "device": estimator.device,
        "executed_precision": estimator.executed_precision,
        "input_size": estimator.input_size,
        "requests": estimator.requests,
        "streams": estimator.streams,
    }
