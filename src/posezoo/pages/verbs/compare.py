"""posezoo compare: show models side by side, as a table and as a chart.

With ``--format json``, the output is an object::

    models        list   a row for each model, precision and size: model, precision, target_size
                         (as --height; null for the declared one), license, people_from,
                         detector_precision (of the detector's IR, if it is not FP16),
                         weights_opened (whether the published weights were measured, or
                         their outputs are recorded),
                         compared_with (of IR in --weights_dir: the runtimes of their originals,
                         and inner tensors);
                         and of the whole pipeline AP (a share), AR50_single and AR50_several (the
                         share of people found on images with one, and with more), ghosts (people
                         found in a picture without people), found_lying, found_upside_down and
                         found_in_video (the shares of people found), throughput_fps and
                         latency_p50_ms of a photo that shows four people, single_p50_ms of one
                         that shows one, people_found (how many were found there, by the number
                         that is shown), and transfer_bytes; of the
                         network alone network_fps and network_p50_ms; published_AP,
                         size_bytes, gflops and mparams. Each is null if unknown, else {number,
                         origin, how}, if measured also record (where it is kept), of a speed also
                         machine; origin is measured, measured on
                         generated weights, or declared. The size_bytes of an IR on this disk are
                         measured, and have no record
    speed_way     str    machine and settings of the speeds of pipelines, which are the same for all
                         models
    network_way   str    the same for networks alone
    accuracy_way  str    settings of the measured AP; for the published AP, they are in how

CSV has the columns model, precision, target_size, license and people_from (with the precision of
the detector, if it is not FP16). It also has a column for each value, and one for its origin, such
as AP and AP_origin.

With ``--keypoints`` the object is::

    first, second    str     the model, precision, and height, if one is named
    images           int     the images of --input
    by_both          int     people whom both find, by a keypoint similarity of 0.5 or more
    only_by_first, only_by_second    int    people whom only one finds
    keypoints        int     keypoints of these people that both see
    of_image         object  median and p90 (the 90th percentile) of how far these keypoints move,
                             in pixels of the image; null if there are none
    of_input         object  the same in pixels of the first model's input; where it is the crop of
                             a person, the crop's size is estimated from the keypoints. null also
                             if the size of the input varies
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.model_argument import find_named_model
from posezoo.cli.report import print_json, print_lines, print_text
from posezoo.cli.selection import select_models
from posezoo.core.errors import PosezooError, import_cv2
from posezoo.pages.measurement_flags import (
    MEASUREMENT_FLAGS,
    MeasurementArgs,
    measurement_selection,
    warn_if_none_matched,
)

if TYPE_CHECKING:
    from posezoo.cli.console import Console
    from posezoo.core.declarations.model import Precision
    from posezoo.core.resolve.stage_context import Context
    from posezoo.pages.facts.comparison import ModelComparison
    from posezoo.pages.keypoint_moves import ComparedModel

EXAMPLES = """
posezoo compare human-pose-estimation-0001 'simple_pose_*'
posezoo compare --all --figures speed.json --picture zoo.svg
posezoo compare human-pose-estimation-0001 --precisions FP16,FP16-INT8 --format markdown
posezoo compare --keypoints movenet-thunder --precisions FP16,FP16-INT8 --input photos/
posezoo compare --keypoints human-pose-estimation-0001 --heights 256,368 --input 'photos/*.jpg'
"""

PICTURES = (".svg", ".png")


FLAGS = (
    flags.MODELS,
    Flag(
        "--precisions P[,P]",
        "show a row for each of these precisions that a model has (default: each precision whose AP"
        " was measured); each further measured size also has a row",
        default=(),
    ),
    FlagGroup(
        Flag(
            "--keypoints",
            "run two models, or one model in two --precisions or --heights, on your images, and"
            " print the distances between the keypoints that are visible in both results",
        ),
        Flag("-i, --input INPUT", "with --keypoints: images, folders or globs", nargs="+"),
        Flag(
            "--heights PX[,PX]",
            "with --keypoints: resize images to this height, or their shorter side to it, depending"
            " on the decoder; for models that find all people at once",
            flags.whole_numbers(32, 4096),
        ),
        title="on your own images",
    ),
    *MEASUREMENT_FLAGS,
    Flag("--picture FILE", "also draw a chart, as an .svg or .png file", output=flags.RESULT),
    flags.weights_dir_flag(
        "folder of the IR, to show their sizes, and what they were compared with"
    ),
    flags.REGISTRY,
    flags.format_flag(("text", "json", "csv", "markdown")),
    "quiet",
)


class _CompareArgs(flags.ConversionArgs, MeasurementArgs):
    picture: Path | None
    keypoints: bool
    input: list[str] | None
    heights: tuple[int, ...] | None


def run(args: _CompareArgs) -> int:
    """Print the table, and draw the chart; or how far keypoints move."""
    if args.keypoints:
        return _compare_keypoints(args)
    for name in ("input", "heights"):
        if getattr(args, name):
            args.parser.error(f"--{name} requires --keypoints")
    patterns = flags.patterns_from_args(args)
    _require_picture(args)
    from posezoo.pages.comparison_report import FORMATS
    from posezoo.pages.facts.comparison import compare_models
    from posezoo.pages.facts.model_facts import describe_models

    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        measurements = measurement_selection(args, context.registry)
        selection = select_models(context.registry, patterns, console, takes_checkpoints=True)
        models = describe_models(selection, context.registry)
        comparison = compare_models(
            models, args.precisions, context.layout, measurements, every_row=True
        )
        if not comparison.rows:
            requested = ", ".join(args.precisions or ("any precision",))
            raise PosezooError(
                f"none of these models is available in {requested}",
                hint="--precisions selects others",
            )
        if not comparison.speed_setting and not comparison.network_setting:
            warn_if_none_matched(args, console)
        if args.picture:
            _draw(comparison, args.picture)
            console.print_line(f"drawn: {args.picture}")
    print_text(FORMATS[args.format](comparison))
    return selection.exit_code


def _compare_keypoints(args: _CompareArgs) -> int:
    """Run two models on the user's images, and print how far keypoints move."""
    from posezoo.pages.keypoint_moves import compare_keypoints, format_moves
    from posezoo.run.video.run_inputs import expand_image_paths

    variants = _two_variants(args)
    if not args.input:
        args.parser.error("--keypoints requires --input, such as --input photos/")
    if args.format not in ("text", "json"):
        args.parser.error(f"--keypoints prints text or json, not {args.format}")
    import_cv2()
    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        paths = expand_image_paths(args.input, console.warn)
        first, second = (_load(variant, context, console) for variant in variants)
        moves = compare_keypoints(first, second, paths)
    if args.format == "json":
        print_json(moves.to_json())
    else:
        print_lines(*format_moves(moves))
    return 0


#: A model's name or file, a precision, and a height.
_Variant = tuple[str, "Precision", int | None]


def _two_variants(args: _CompareArgs) -> list[_Variant]:
    """What ``--keypoints`` compares; a usage error if these are not two."""
    from posezoo.core.declarations.model import Precision
    from posezoo.core.registry import TAG_MARK

    for text in args.models:
        _, _, tag = text.partition(TAG_MARK)
        if tag in [*Precision]:
            args.parser.error(f"{text}: {tag} is a precision: write --precisions {tag}")
    precisions = args.precisions or (Precision.FP16,)
    variants = list(product(args.models, precisions, args.heights or (None,)))
    if len(variants) != 2:
        args.parser.error(
            f"--keypoints compares two, not {len(variants)}: name two models, or one and two of"
            " --precisions or --heights"
        )
    return variants


def _load(variant: _Variant, context: Context, console: Console) -> ComparedModel:
    from posezoo.pages.keypoint_moves import ComparedModel
    from posezoo.run.load import ChosenModel, Loader, default_runtime
    from posezoo.run.run_flags import name_target_size
    from posezoo.run.runtime.runtime_config import LoadOptions

    text, precision, height = variant
    named = find_named_model(text, context)
    chosen = ChosenModel(
        named.model, precision, xml=named.file, checkpoint=named.checkpoint, is_unnamed=True
    )
    options = LoadOptions(default_runtime(context.settings), target_size=height)
    with name_target_size("--heights", height):
        estimator = Loader(context, listener=console).prepare(chosen).compile(options)
    words = (text, "" if named.file else str(precision), f"height {height}" if height else "")
    return ComparedModel(" ".join(filter(None, words)), estimator)


def _require_picture(args: _CompareArgs) -> None:
    """Refuse a picture that cannot be written, before the models are compared."""
    flags.require_suffix(args, "picture", args.picture, PICTURES)
    if args.picture and args.picture.suffix == ".png":
        import_cv2()


def _draw(comparison: ModelComparison, picture: Path) -> None:
    from posezoo.core.files.verified_files import write_atomically
    from posezoo.pages.facts.bar_chart import draw_chart, to_image, to_svg
    from posezoo.run.images import write_image

    chart = draw_chart(comparison)
    if picture.suffix == ".svg":
        write_atomically(picture, to_svg(chart).encode())
    else:
        write_image(picture, to_image(chart))
