"""posezoo demo: show poses in images, videos and cameras, as Open Model Zoo's
human_pose_estimation_demo.py.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from posezoo.cli import flags, parsers, run_main
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.verbs import SUMMARIES
from posezoo.console.console import Console
from posezoo.console.json_projection import project
from posezoo.console.labels import format_count
from posezoo.console.report import print_result
from posezoo.core.declarations.model import TRACKING
from posezoo.core.errors import (
    DecoderError,
    LostCameraError,
    PosezooError,
    printable,
)
from posezoo.core.layout import precision_of
from posezoo.core.neighbours import warn_of_overwritten_opencv
from posezoo.core.settings import Settings
from posezoo.core.values import frozen
from posezoo.core.workers.signals import SignalExit
from posezoo.run.verbs.run_flags import (
    VIDEO,
    RunArgs,
    camera_mode_from_args,
    name_target_size,
    parse_size,
    refuse_detect_every,
    statement_from_args,
    video_options_from_args,
)

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context
    from posezoo.media.frame_outputs import FrameOutput
    from posezoo.media.frame_publishers import FramePublisher
    from posezoo.media.frames import Frame, FrameSource
    from posezoo.poses.keypoints import Pose
    from posezoo.run.load import PreparedModel
    from posezoo.run.player import Player
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.runtime_config import LoadOptions
    from posezoo.run.subject import Subject

EXAMPLES = """
posezoo demo -m blazepose-full -i photo.jpg
posezoo demo -m blazepose-full -i 0 -u cm
posezoo demo -m human-pose-estimation-0001 --precision FP16-INT8 -i street.mp4 -no_show -o poses.mp4 -limit 0
posezoo demo -m mine.xml -at ae -i photos/ -o poses/ -no_show --json_lines poses.jsonl
"""  # noqa: E501

#: The modes; the Tab key switches between them.
USER = "User specified"
LATENCY = "Min latency"

TITLE = "posezoo demo: Tab other mode, c d m h monitors, Q or Esc quit"

#: Devices that Open Model Zoo's documentation names, and that OpenVINO no longer supports.
GONE = {
    "FPGA": "OpenVINO's last version for it is 2020.3: use GPU or CPU",
    "HDDL": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
    "MYRIAD": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
}

ARCHITECTURES = ("ae", "higherhrnet", "openpose", "topdown", "blazepose", "auto")

#: The same default as in Open Model Zoo. It ends the video of a camera that the user forgot to
#: stop.
DEFAULT_LIMIT = 1000


def _device(text: str) -> str:
    for name in re.split(r"[^A-Z]+", text.upper()):
        if name in GONE:
            raise argparse.ArgumentTypeError(
                f"{name}: {GONE[name]} (posezoo doctor lists what is here)"
            )
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a device such as CPU or AUTO:GPU,CPU")
    return text


def _streams(text: str) -> str:
    number = r"([1-9]\d{0,3}|AUTO)"
    if not re.fullmatch(rf"{number}|[A-Za-z.\d]+:{number}(,[A-Za-z.\d]+:{number})*", text):
        raise argparse.ArgumentTypeError(f"expected 4, AUTO, or CPU:4,GPU:2, got {text!r}")
    return text


def _parse_layout(text: str) -> str:
    """Parse a layout in Open Model Zoo's forms: NCHW, [NCHW], input:NCHW, input[NCHW]."""
    layout = re.sub(r"^.*[\[:]", "", text.strip().rstrip("]")).upper()
    if layout not in ("NCHW", "NHWC"):
        raise argparse.ArgumentTypeError(f"expected NCHW or NHWC, got {text!r}")
    return layout


def _monitors(text: str) -> frozenset[str]:
    unknown = set(text.lower()) - set("cdmh ,")
    if unknown or not text:
        raise argparse.ArgumentTypeError(f"expected some of the letters c, d, m, h, got {text!r}")
    return frozenset(text.lower()) & set("cdmh")


USAGE = "%(prog)s -i INPUT [-m MODEL] [options]   (-h lists them)"

FLAGS = (
    Flag(
        "-m, --model MODEL",
        "a model of the zoo (downloaded and converted if necessary), an .xml, or a checkpoint for a"
        " network of the zoo (default: as for posezoo run)",
    ),
    Flag(
        "-i, --input INPUT",
        "an image, a folder, a quoted glob, a video, a camera's number, or an address (http, rtsp)",
        required=True,
    ),
    Flag(
        "-o, --output PATH",
        "the image, folder or video for annotated frames, of the same kind as the input",
        output=flags.RESULT,
    ),
    Flag(
        "-d, --device DEVICE",
        "OpenVINO device, also HETERO:, MULTI: and AUTO: (default: CPU); posezoo doctor lists them",
        _device,
    ),
    "precision",
    Flag(
        "-t, --prob_threshold S",
        "the minimum score of poses and keypoints (default: 0.1)",
        flags.parse_fraction,
        default=0.1,
    ),
    Flag("-no_show, --no_show", "show no window"),
    flags.FORMAT,
    VIDEO,
    FlagGroup(
        Flag(
            "-at, --architecture_type TYPE",
            f"the decoder of the outputs: {', '.join(ARCHITECTURES)} (default: auto, the model's"
            " own); naming that one changes nothing, neither the input's size nor the people found",
            choices=ARCHITECTURES,
            default="auto",
            needs="model",
        ),
        Flag(
            "--tsize PIXELS",
            "the size that images are resized to: the height for openpose, the shorter side for ae"
            " and higherhrnet (default: the IR's own)",
            flags.whole_number(1, 8192),
        ),
        *flags.shared("decoder_options skeleton detector min_person_score masks"),
        Flag(
            "--layout LAYOUT",
            "NCHW or NHWC, if the layout that the file states is wrong",
            _parse_layout,
        ),
        flags.weights_dir_flag("folder of the models' files and IR", former=""),
        title="model",
        folded=True,
    ),
    FlagGroup(
        *flags.shared("inference_precision"),
        Flag(
            "-nireq, --num_infer_requests N",
            "number of frames to process at the same time (default: 0, the device's optimal"
            " number)",
            flags.whole_number(0, 1024),
            default=0,
        ),
        Flag(
            "-nstreams, --num_streams N",
            "number of parallel inferences: a number, AUTO, or DEVICE:N,DEVICE:N (default: the"
            " device chooses)",
            _streams,
        ),
        Flag(
            "-nthreads, --num_threads N",
            "number of CPU threads (default: 0, as many as the CPU has cores)",
            flags.whole_number(0, 4096),
            default=0,
        ),
        title="inference",
        folded=True,
    ),
    FlagGroup(
        Flag(
            "-loop, --loop N",
            "play the input N times (default: 1); endlessly without a number",
            flags.whole_number(1),
            nargs="?",
            default=1,
        ),
        Flag(
            "-limit, --output_limit N",
            f"the maximum number of frames to write; 0 for all (default: {DEFAULT_LIMIT})",
            flags.whole_number(0),
            default=DEFAULT_LIMIT,
        ),
        Flag(
            "--output_resolution WxH",
            "the largest size of frames on the screen and in files, such as 1280x720",
            parse_size,
        ),
        Flag(
            "-u, --utilization_monitors LETTERS",
            "load of the machine to draw into frames: c for the whole CPU, d for each core, m for"
            " memory, h for their history; the same keys show and hide them",
            _monitors,
            default=frozenset(),
        ),
        Flag(
            "-r, --raw_output_message",
            "print a line for each pose: its score, then x, y and score of each keypoint; for each"
            " object its label, score and box",
        ),
        title="input and output",
        folded=True,
    ),
    "as reverse_input_channels mean_values scale_values",
    f"{flags.CACHE} {flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY}",
)


class _DemoArgs(RunArgs, flags.SkeletonArgs):
    layout: str | None
    reverse_input_channels: bool
    mean_values: list[tuple[float, ...]] | None
    scale_values: list[tuple[float, ...]] | None
    model: str | None
    input: str
    architecture_type: str
    tsize: int | None
    prob_threshold: float
    num_infer_requests: int
    num_streams: str | None
    num_threads: int
    loop: int
    output: Path | None
    output_limit: int
    output_resolution: tuple[int, int] | None
    no_show: bool
    utilization_monitors: frozenset[str]
    raw_output_message: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo as a separate script, and return its exit code."""
    summary = SUMMARIES["demo"]
    description = f"{summary[0].upper()}{summary[1:]}."
    parser = parsers.SafeParser(
        usage=USAGE, description=description, formatter_class=parsers.HelpFormatter
    )
    flags.add_flags(parser, *FLAGS)
    parser.set_defaults(parser=parser)

    def work() -> int:
        args = parser.parse_args(argv, _DemoArgs())
        flags.require_rules(args)
        flags.protect_inputs(args)
        return run(args)

    return run_main.run_main(work)


def run(args: _DemoArgs) -> int:
    """Run the model on the source; 1 if something could not be read, or a source was
    disconnected.
    """
    from posezoo.media.frame_publishers import is_stdout, open_publisher
    from posezoo.media.frame_sources import open_source
    from posezoo.media.utilization_monitor import UtilizationMonitor
    from posezoo.media.window import Window
    from posezoo.run.advice import explain_no_people
    from posezoo.run.load import Loader
    from posezoo.run.player import ExecutionMode, Player, format_summary, summarize_run
    from posezoo.run.runtime.runtime_config import require_device

    failures = []
    with Console(quiet=args.quiet, verbose=args.verbose) as console, ExitStack() as stack:

        def report_error(error: PosezooError) -> None:
            failures.append(error)
            console.print_error(error)

        # The requirements are checked before anything is downloaded or computed.
        publisher = open_publisher(args.json_lines, stack)
        source = open_source(
            args.input,
            rounds=args.loop,
            report_error=report_error,
            reconnect_s=args.reconnect,
            fps=args.fps,
            warn=console.warn,
            report=publisher.beside(console),
            mode=camera_mode_from_args(args, [args.input]),
        )
        stack.callback(source.close)
        _require_opencv(args, console)
        monitors = UtilizationMonitor(args.utilization_monitors)
        outputs = _open_outputs(args, source, stack, console)
        writer = _pose_writer(args, source, publisher)

        context = flags.context_from_args(args)
        require_device(context.settings.device)
        is_video = not source.image_paths
        with _name_architecture():
            subject = _find_subject(args, context)
        refuse_detect_every(args, subject.model, context, is_video=is_video)
        prepared = Loader(context, is_video=is_video, listener=console).prepare(subject)
        options = _load_options(args, context.settings, source)
        estimator = _compile(prepared, options, is_video=is_video)
        is_tracking = is_video and estimator.can_track
        description = _describe(estimator, is_tracking)
        publisher.first_keys["provenance"] = description["provenance"]
        if prepared.chosen:
            publisher.first_keys["chosen"] = project(prepared.chosen, "name why")
        console.print_line(_describe_in_words(description))
        modes = [
            ExecutionMode(USER, lambda: estimator),
            ExecutionMode(LATENCY, lambda: _compile(prepared, _with_runtime(options, 1, "1", 0))),
        ]
        player = Player(
            source,
            modes,
            is_video=is_tracking,
            video=video_options_from_args(args, estimator),
            min_score=args.prob_threshold,
            within=args.output_resolution,
            monitors=monitors,
            screen=None if args.no_show else stack.enter_context(Window(TITLE)),
            outputs=outputs,
            on_poses=writer,
        )
        ended = _play(player, report_error)
        _warn_of_limit(player, args.output_limit, console)
        summary = description | summarize_run(player, failures)
    lines = format_summary(summary)
    if player.frames and not player.has_people:
        lines.append(f"hint: {explain_no_people(estimator, context, args.min_person_score)}")
    print_result(
        args.format,
        summary,
        *(() if args.quiet else lines),
        is_taken=is_stdout(args.json_lines),
    )
    if ended:
        raise ended
    return 1 if failures else 0


def _require_opencv(args: _DemoArgs, console: Console) -> None:
    from posezoo.media.window import require_display

    warn_of_overwritten_opencv(console.warn)
    if not args.no_show:
        require_display()


def _pose_writer(args: _DemoArgs, source: FrameSource, publish: FramePublisher) -> _PoseWriter:
    from posezoo.media.frame_publishers import is_stdout

    # With --format json, only the summary goes to the standard output.
    stream = sys.stderr if args.format == "json" or is_stdout(args.json_lines) else sys.stdout
    raw_output = stream if args.raw_output_message else None
    return _PoseWriter(source, args.prob_threshold, publish, raw_output)


def _open_outputs(
    args: _DemoArgs, source: FrameSource, stack: ExitStack, console: Console
) -> list[FrameOutput]:
    from posezoo.media.frame_outputs import open_output

    if args.output is None:
        return []
    output = open_output(args.output, source, limit=args.output_limit, listener=console)
    stack.callback(output.close)
    return [output]


def _load_options(args: _DemoArgs, settings: Settings, source: FrameSource) -> LoadOptions:
    from posezoo.run.load import default_runtime
    from posezoo.run.runtime.runtime_config import LoadOptions

    options = LoadOptions(
        default_runtime(settings),
        min_person_score=args.min_person_score,
        aspect_size=source.size,
    )
    streams = args.num_streams or ""
    # With --detect_every, frames are processed one after the other.
    is_in_turn = (args.detect_every or 1) > 1
    requests = args.num_infer_requests or int(is_in_turn)
    return _with_runtime(options, requests, streams, args.num_threads)


def _with_runtime(options: LoadOptions, requests: int, streams: str, threads: int) -> LoadOptions:
    runtime = replace(options.runtime, requests=requests, streams=streams, threads=threads)
    return replace(options, runtime=runtime)


def _find_subject(args: _DemoArgs, context: Context) -> Subject:
    from posezoo.run.subject import find_subject

    said = statement_from_args(
        args, height=args.height or args.tsize, architecture=_decoder_of(args.architecture_type)
    )
    said = replace(said, spellings={**said.spellings, "height": "--tsize"})
    return find_subject(args.model, context, said)


def _decoder_of(architecture: str) -> str | None:
    from posezoo.poses.decoders import DECODERS

    if architecture != "auto":
        for name, decoder in DECODERS.items():
            if architecture in decoder.architectures:
                return name
    return None


@contextmanager
def _name_architecture() -> Iterator[None]:
    from posezoo.poses.decoders import DECODERS

    try:
        yield
    except DecoderError as error:
        if error.fitting:
            record = DECODERS.find(error.fitting)
            names = record.architectures if record else ()
            if names:
                error.hint = f"try -at {names[0]}"
        raise


def _compile(prepared: PreparedModel, options: LoadOptions, *, is_video: bool = False) -> Estimator:
    with _name_architecture(), name_target_size("--tsize", prepared.subject.said.height):
        return prepared.compile(options, is_video=is_video)


def _play(player: Player, report_error: Callable[[PosezooError], None]) -> BaseException | None:
    try:
        player.play()
    except LostCameraError as error:
        report_error(error)
    except (KeyboardInterrupt, SignalExit) as signal:
        return signal
    return None


@frozen
class _PoseWriter:
    source: FrameSource
    min_score: float
    publish: FramePublisher
    raw_output: TextIO | None

    def __call__(self, frame: Frame, poses: list[Pose]) -> None:
        from posezoo.run.player import format_pose

        self.publish(self.source, frame, poses, self.min_score)
        if self.raw_output:
            for pose in poses:
                print(printable(format_pose(pose)), file=self.raw_output)


def _warn_of_limit(player: Player, limit: int, console: Console) -> None:
    for output in player.outputs:
        if limit and output.written == limit < player.frames - output.dropped:
            frames = format_count(limit, "frame")
            console.warn(f"{output.path}: stopped at {frames}; -limit 0 writes all")


#: The facts about a loaded model in JSON.
_ESTIMATOR = (
    "model=model.full_name decoder device executed_precision input_size requests streams"
    " detector_precision"
)


def _describe(estimator: Estimator, is_tracking: bool) -> dict[str, Any]:
    is_one_person = is_tracking and estimator.follows_one_person
    return {
        **project(estimator, _ESTIMATOR),
        "precision": precision_of(estimator.networks[-1].path) or "unknown",
        "people_from": TRACKING if is_one_person else estimator.people_from,
        "tracking": is_tracking,
        "provenance": estimator.provenance(),
    }


def _describe_in_words(description: Mapping[str, Any]) -> str:
    from posezoo.poses.people import describe_people

    width, height = description["input_size"] or ("any", "any")
    precision = description["precision"]
    ir = f" ({precision} IR)" if precision != "unknown" else ""
    text = (
        "{model}{ir} on {device} in {executed_precision}: {decoder}, input {width}x{height},"
        " {requests} frames at once in {streams} streams"
    ).format(ir=ir, width=width, height=height, **description)
    people = describe_people(description["people_from"], description["detector_precision"])
    text += f", people from {people}"
    if description["people_from"] == TRACKING:
        from posezoo.poses.people import ONE_IS_FOLLOWED

        text += f": {ONE_IS_FOLLOWED}"
    return text
