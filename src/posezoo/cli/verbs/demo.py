"""posezoo demo: poses on pictures, videos and cameras, as Open Model Zoo's human_pose_estimation_demo.py."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posezoo.cli import demo_options, flags, run_main
from posezoo.cli.report import Console
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.demo.frame_outputs import JsonListWriter
    from posezoo.demo.frame_sources import Frame, FrameSource
    from posezoo.pose.keypoints import Pose
    from posezoo.runtime.estimator import Estimator

    Found = Callable[[Frame, list[Pose]], None]

EXAMPLES = """
posezoo demo -m blazepose-full -i photo.jpg
posezoo demo -m blazepose-full -i 0 -u cm
posezoo demo -m human-pose-estimation-0001 --precision FP16-INT8 -i street.mp4 -no_show -o poses.mp4 -limit 0
posezoo demo -m mine.xml -at ae -i photos/ -o poses/ -no_show --coco results.json
"""

DESCRIPTION = "find poses on pictures, videos and cameras, shown as they are found"

#: The modes that Tab goes through.
USER, LATENCY = "User specified", "Min latency"

TITLE = "posezoo demo: Tab other mode, c d m h monitors, Q or Esc quit"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "demo", DESCRIPTION, EXAMPLES)
    demo_options.add_demo_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The demo as a script of its own; returns its exit code."""
    parser = argparse.ArgumentParser(
        description=f"{DESCRIPTION[0].upper()}{DESCRIPTION[1:]}.", formatter_class=flags.HelpFormatter
    )
    demo_options.add_demo_flags(parser)
    parser.set_defaults(parser=parser)
    return run_main.run_main(lambda: run(parser.parse_args(argv)))


def run(args: argparse.Namespace) -> int:
    """Play the source through the model; 1 where something could not be read or went away."""
    _refuse_odd_flags(args)
    from posezoo.demo.frame_outputs import JsonListWriter, open_output
    from posezoo.demo.frame_sources import open_source
    from posezoo.demo.player import ExecutionMode, OverlayStyle, Player
    from posezoo.demo.run_summary import summarize_run
    from posezoo.demo.utilization_monitor import UtilizationMonitor
    from posezoo.demo.window import Window, require_display

    failed: list[PosezooError] = []
    ended: BaseException | None = None
    with Console(quiet=args.quiet) as console, ExitStack() as stack:

        def tell(error: PosezooError) -> None:
            failed.append(error)
            console.print_error(error)

        # What would stop us later is better said before anything is fetched or computed.
        source = open_source(args.input, rounds=args.loop or None, report_error=tell)
        if not args.no_show:
            require_display()
        monitors = UtilizationMonitor(args.utilization_monitors)
        outputs = [open_output(args.output, source, limit=args.output_limit)] if args.output else []
        frames = JsonListWriter(args.json, "frames") if args.json else None
        results = JsonListWriter(args.coco) if args.coco else None
        for output in outputs:
            stack.callback(output.close)
        for writer in (frames, results):
            if writer is not None:
                stack.enter_context(writer)

        opened = _opener(args, source, console)
        estimator = opened(
            requests=args.num_infer_requests, streams=args.num_streams or "", threads=args.num_threads
        )
        ran = _told_of(estimator)
        console.print_line(_in_words(ran))
        modes = [
            ExecutionMode(USER, lambda: estimator),
            ExecutionMode(LATENCY, lambda: opened(requests=1, streams="1")),
        ]
        player = Player(
            source,
            modes,
            style=OverlayStyle(args.prob_threshold, args.output_resolution),
            monitors=monitors,
            screen=None if args.no_show else stack.enter_context(Window(TITLE)),
            outputs=outputs,
            on_poses=_listener(args, source, frames, results),
        )
        try:
            player.play()
        except (KeyboardInterrupt, run_main.SignalExit) as signal:
            ended = signal  # what was found until then is not lost
        told = {**ran, **summarize_run(player, modes, outputs, monitors, failed)}
        if frames is not None:
            frames.rest = {"report": told}
    _print(told, args.format)
    if ended is not None:
        raise ended
    return 1 if failed else 0


def _refuse_odd_flags(args: argparse.Namespace) -> None:
    """Wrong usage ends with 2."""
    said = demo_options.image_input_options(args)
    if said and not args.model.lower().endswith(".xml"):
        named = ", ".join(demo_options.FOREIGN[name] for name in said)
        args.parser.error(
            f"{named}: only for an .xml; what comes from the zoo knows how it wants its pictures"
        )


def _opener(args: argparse.Namespace, source: FrameSource, console: Console) -> Callable[..., Estimator]:
    """Makes the model ready, for so many ``requests``, ``streams`` and ``threads``."""
    from posezoo.demo.model_loading import find_model
    from posezoo.pipeline import load
    from posezoo.pipeline.zoo_context import open_context
    from posezoo.runtime.devices import require_device
    from posezoo.runtime.load_options import LoadOptions

    settings = flags.settings_from_args(args)
    require_device(settings.device)
    opener = find_model(
        args.model,
        open_context(settings),
        args.precision,
        args.architecture_type,
        detector=args.detector,
        listener=console,
    )
    foreign = demo_options.image_input_options(args)
    if foreign:
        named = ", ".join(demo_options.FOREIGN[name] for name in foreign)
        console.warn(f"{named}: in place of what {args.model} says of itself")

    runtime = load.default_runtime(settings)

    def opened(requests: int, streams: str, threads: int = 0) -> Estimator:
        return opener(
            LoadOptions(
                replace(runtime, requests=requests, streams=streams, threads=threads),
                target_size=args.tsize,
                aspect_size=source.size,
                **foreign,
            )
        )

    return opened


def _listener(
    args: argparse.Namespace,
    source: FrameSource,
    frames: JsonListWriter | None,
    results: JsonListWriter | None,
) -> Found:
    """What is told the poses of each frame: prints, and writes, what was asked for."""
    from posezoo.demo.frame_outputs import coco_image_id, frame_to_json
    from posezoo.demo.run_summary import format_pose

    # An answer in JSON has the standard output to itself.
    stream = sys.stderr if args.format == "json" else sys.stdout

    def found(frame: Frame, poses: list[Pose]) -> None:
        if args.raw_output_message:
            for pose in poses:
                print(format_pose(pose), file=stream)
        if frames is not None:
            frames.append(frame_to_json(frame, poses))
        if results is not None:
            for pose in poses:
                results.append(pose.to_coco(coco_image_id(frame, source)))

    return found


def _told_of(estimator: Estimator) -> dict[str, Any]:
    """What runs, as plain values."""
    return {
        "model": estimator.model.full_name,
        "decoder": estimator.decoder,
        "device": estimator.device,
        "executed_precision": estimator.executed_precision,
        "input_size": estimator.input_size,
        "requests": estimator.requests,
        "streams": estimator.streams,
    }


def _in_words(ran: dict[str, Any]) -> str:
    width, height = ran["input_size"] or ("any", "any")
    return (
        f"{ran['model']} on {ran['device']} in {ran['executed_precision']}: {ran['decoder']}, input "
        f"{width}x{height}, {ran['requests']} frames at once in {ran['streams']} streams"
    )


def _print(told: dict[str, Any], style: str) -> None:
    from posezoo.demo.run_summary import format_summary

    if style == "json":
        print(json.dumps(told, indent=2))
    else:
        print(*format_summary(told), sep="\n")
