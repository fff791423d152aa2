"""The flags of videos, and the options that are made from the flags of running models."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli.flags import (
    Flag,
    FlagGroup,
    FormatArgs,
    PipelineArgs,
    number,
    parse_channel_values,
    parse_sides,
    spell_given,
    whole_number,
)
from posezoo.cli.parsers import Args
from posezoo.cli.selection import MessageOutput, select_models
from posezoo.core.declarations.model import Model, ModelSpec, Precision
from posezoo.core.declarations.model_files import is_checkpoint_file, is_network_file
from posezoo.core.declarations.skeletons import find_skeleton
from posezoo.core.errors import InferenceError, PosezooError, TargetSizeError
from posezoo.core.files.output_file import OutputFile
from posezoo.core.registry import Selection

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context
    from posezoo.media.captures import CameraMode
    from posezoo.run.runtime.estimator import Estimator
    from posezoo.run.runtime.runtime_config import VideoOptions
    from posezoo.run.subject import Statement, Subject

_IS_SHOWN: dict[str, object] = {"yes": True, "no": False}
_DRAWN: dict[str, dict[str, object]] = {
    "color": {"person": "person", "side": "side"},
    "boxes": _IS_SHOWN,
    "labels": _IS_SHOWN,
    "masks": _IS_SHOWN,
}


def _parse_drawing(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    if name in ("thickness", "radius"):
        return name, number(0.5, 1000)(value)
    if value not in _DRAWN.get(name, ()):
        raise argparse.ArgumentTypeError(
            "expected thickness=PX, radius=PX, color=person or side, or boxes, labels or masks=yes"
            f" or no, got {text!r}"
        )
    return name, _DRAWN[name][value]


#: How poses are drawn, with the words of ``posezoo.draw``.
DRAW = Flag(
    "--draw OPTION=VALUE",
    "how poses are drawn, as in posezoo.draw: color=person or side, thickness=PX, radius=PX of"
    " joints, boxes=yes, labels=no, masks=no",
    _parse_drawing,
    nargs="+",
)


@contextmanager
def name_target_size(flag: str, size: int | None) -> Iterator[None]:
    """If a model refuses a target size, name the user's flag in the error."""
    try:
        yield
    except TargetSizeError as error:
        problem = f"{flag} {size}: {error.problem}"
        raise TargetSizeError(problem) from error


#: Width and height, such as 1280x720.
parse_size = partial(parse_sides, separator="[xX]", expected="width and height as 1280x720")


def _parse_format(text: str) -> str:
    if len(text) != 4 or not text.isascii():
        raise argparse.ArgumentTypeError(f"expected four characters, such as MJPG, got {text!r}")
    return text


#: How people are tracked through a video, and where their poses are written.
VIDEO = FlagGroup(
    Flag(
        "--track",
        "give each person a number that stays the same through the video: in drawings, and as"
        " track_id in JSON",
    ),
    Flag(
        "--smooth",
        "smooth keypoints over time, relative to each person's size; this implies --track",
    ),
    Flag(
        "--detect_every N",
        "run the person detector only on each Nth frame, and if nobody is followed; on other"
        " frames, people are found only near their last keypoints (default: 1)",
        whole_number(1),
    ),
    Flag(
        "--reconnect SECONDS",
        "if a camera or a stream disconnects, try to open it again for this many seconds; 0: never;"
        " inf: endlessly (default: 60 for an address, 0 for a camera)",
        number(0, math.inf),
    ),
    Flag(
        "--camera_size WxH",
        "a webcam's size, or the nearest it has; else 1280x720",
        parse_size,
    ),
    Flag(
        "--camera_fps FPS",
        "the pictures per second of a webcam; otherwise, 30",
        number(1, 1000),
    ),
    Flag(
        "--camera_format CODE",
        "a webcam's format, such as YUYV; otherwise, MJPG",
        _parse_format,
    ),
    Flag(
        "--fps FPS",
        "frames per second of a video that does not state them, such as raw H.264 of rpicam-vid"
        " (default: what FFmpeg assumes, 25)",
        number(0.1, 1000),
    ),
    Flag(
        "--json_lines FILE",
        "append the poses of each frame to this file at once, as one line of JSON with time, frame,"
        " and track_id, box, scores and keypoints of each person; - for the standard output",
        output=OutputFile(('{"time": "', '"seconds": ', '"frame": ', '"poses": '), appends=True),
    ),
    title="videos, cameras and streams",
)


class RunArgs(PipelineArgs, FormatArgs):
    """The values that ``posezoo run`` and ``posezoo demo`` share, of ``VIDEO`` and others."""

    track: bool
    smooth: bool
    detect_every: int | None
    reconnect: float | None
    camera_size: tuple[int, int] | None
    camera_fps: float | None
    camera_format: str | None
    fps: float | None
    json_lines: Path | None

    precision: Precision | None
    min_person_score: float | None
    masks: bool


def camera_mode_from_args(args: RunArgs, inputs: Iterable[str]) -> CameraMode:
    """What a camera of this machine is asked for.

    Raises:
        PosezooError: no input is one.
    """
    from posezoo.media.captures import CameraMode
    from posezoo.media.frame_sources import is_camera_name

    chosen = {"size": args.camera_size, "fps": args.camera_fps, "format": args.camera_format}
    given = [f"--camera_{name}" for name, value in chosen.items() if value is not None]
    if given and not any(map(is_camera_name, inputs)):
        flags = ", ".join(given)
        raise PosezooError(
            f"{flags}: only for a camera of this machine", hint="name one by its number: --input 0"
        )
    usual = CameraMode()
    return CameraMode(
        args.camera_size or usual.size,
        args.camera_fps or usual.fps,
        args.camera_format or usual.format,
    )


def video_options_from_args(args: RunArgs, estimator: Estimator) -> VideoOptions:
    """How the people in videos are tracked.

    Raises:
        InferenceError: the model finds the classes of images, and a flag is for people; or it runs
            without a detector, and a flag is for one.
    """
    from posezoo.poses.decoders import find_decoder
    from posezoo.run.runtime.estimator import require_detector
    from posezoo.run.runtime.runtime_config import VideoOptions

    finds_classes = find_decoder(estimator.decoder).finds_classes
    of_people = {
        "track": args.track,
        "smooth": args.smooth,
    }
    for name, value in of_people.items():
        if finds_classes and value:
            raise InferenceError(
                f"{estimator.model.full_name} classifies whole images, and finds no people:"
                f" --{name} is for people and objects"
            )
    if args.detect_every and (args.detect_every > 1 or estimator.can_track):
        require_detector(estimator, "--detect_every")
    return VideoOptions(args.track, args.smooth, args.detect_every)


def refuse_detect_every(
    args: RunArgs, model: Model | None, context: Context, *, is_video: bool
) -> None:
    """Refuse ``--detect_every`` for a model without a detector, before anything is downloaded.

    Raises:
        InferenceError: no detector runs.
    """
    if not model or not model.decoder or (args.detect_every or 1) == 1:
        return
    from posezoo.poses.decoders import find_decoder, require_detector
    from posezoo.run.pipeline_spec import resolve_pipeline

    decoder = model.decoder.name
    detector = resolve_pipeline(model, context, is_video=is_video).detector
    is_whole = find_decoder(decoder).takes_boxes and not detector
    require_detector("--detect_every", decoder, model.full_name, is_whole=is_whole)


def statement_from_args(args: Args, **others: Any) -> Statement:
    """What the flags say of what is named; a flag that the verb does not have says nothing.

    Args:
        others: values of statements that come from other flags.
    """
    from posezoo.run.subject import Statement

    values = {name: value for name, value in (vars(args) | others).items() if value is not None}
    # That of evaluate and quantize is about their results.
    names = {each.name for each in fields(Statement)} & values.keys() - {*{"force"} - {*others}}
    said = {name: values[name] for name in names if values[name] not in (False, ())}
    if "decoder_options" in said:
        said["decoder_options"] = dict(said["decoder_options"])
    if "skeleton" in said:
        said["skeleton"] = find_skeleton(said["skeleton"])
    for name in said.keys() & {"mean_values", "scale_values"}:
        said[name] = parse_channel_values(args, name, said[name])
    given = spell_given(args)
    plural = {name: given[f"{name}s"] for name in ("height", "precision") if f"{name}s" in given}
    return Statement(
        **said,
        spellings=given | plural,
        flags="".join(f" {word}" for word in map(shlex.quote, _typed(args, _OF_FILES))),
        others=tuple(given.keys() - said.keys() - {"force"}),
    )


#: The flags of a file that ``posezoo convert`` takes, too.
_OF_FILES = (
    *("--as", "--decoder", "--decoder_options", "--skeleton", "--detector"),
    *("--mean_values", "--scale_values", "--reverse_input_channels"),
)


def _typed(args: Args, flags: Sequence[str]) -> Iterator[str]:
    """The words of a command line that are these flags, and their values."""
    is_chosen = False
    for word in args.words:
        name = word.partition("=")[0]
        if name in args.parser._option_string_actions:
            is_chosen = name in flags
        if is_chosen:
            yield word


def select_subjects(
    patterns: Sequence[str] | None,
    context: Context,
    output: MessageOutput,
    said: Statement | None = None,
    *,
    needs_decoder: bool = True,
    takes_files: bool = True,
    filtered: bool = False,
) -> tuple[list[Subject], Selection]:
    """The files of networks among names and globs, and the models, with weights as models of their
    own; all checked against what is said.

    Args:
        patterns: None selects all models.
        said: None says nothing.
        needs_decoder, takes_files: as for ``find_subject``.
        filtered: as for ``select_models``.

    Raises:
        PosezooError: as for ``find_subject`` and ``select_models``.
    """
    own = [name for name in patterns or () if is_network_file(name) or is_checkpoint_file(name)]
    if not own and said is None:
        return [], select_models(context.registry, patterns, output, filtered=filtered)
    from posezoo.run.subject import Statement, find_subject

    said = said or Statement()
    find = partial(
        find_subject,
        context=context,
        said=said,
        needs_decoder=needs_decoder,
        is_source=True,
        takes_files=takes_files,
    )
    subjects = list(map(find, own))
    names = patterns and [name for name in patterns if name not in own]
    selection = Selection(())
    if names != []:
        selection = _select_declared(names, context, output, said, filtered=filtered)
    weights = [subject.model for subject in subjects if subject.checkpoint]
    return [each for each in subjects if each.graph], _with_weights(selection, weights)


def _select_declared(
    names: Sequence[str] | None,
    context: Context,
    output: MessageOutput,
    said: Statement,
    *,
    filtered: bool,
) -> Selection:
    from posezoo.run.subject import Kind, refuse_unused, require_existing, require_usable

    for name in names or ():
        require_existing(name, context, said)
    selection = select_models(context.registry, names, output, filtered=filtered)
    refuse_unused(Kind.MODEL, ", ".join(names or ["each"]), said)
    if said.given():
        for model in selection.tops:
            require_usable(model, said, context)
    return selection


def _with_weights(selection: Selection, weights: Iterable[Model | None]) -> Selection:
    models = {model.full_name: model for model in selection.models}
    for model in weights:  # two files with the same weights are one model
        assert isinstance(model, ModelSpec)
        models.setdefault(model.full_name, model)
    return replace(selection, models=tuple(models.values()))
