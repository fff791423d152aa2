"""posezoo compare: show models side by side, as a table and as a chart.

With ``--format json``, the output is an object::

    models        list   a row for each model and precision: model, precision, license, people_from,
                         detector_precision (of the detector's IR, if it is not FP16),
                         weights_opened (whether the published weights were measured),
                         compared_with (of IR in --weights_dir: the runtimes of their originals,
                         inner tensors, and devices with the result);
                         and of the whole pipeline AP (a share), AR50_several (the share of people
                         found on images with two or more), throughput_fps and
                         latency_p50_ms of a photo that shows four people, single_p50_ms of one
                         that shows one, people_found (how many were found there, by the number
                         that is shown), and transfer_bytes; of the
                         network alone network_fps and network_p50_ms; published_AP,
                         size_bytes, gflops and mparams. Each is null if unknown, else {number,
                         origin, how}, of a speed also machine; origin is measured, measured on
                         generated weights, or declared
    speed_way     str    machine and settings of the speeds of pipelines, which are the same for all
                         models
    network_way   str    the same for networks alone
    accuracy_way  str    settings of the measured AP; for the published AP, they are in how

CSV has the same columns, and for each value a column with its origin.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_text
from posezoo.cli.selection import select_models
from posezoo.core.errors import PosezooError, import_cv2
from posezoo.pages.measurement_flags import (
    MEASUREMENT_FLAGS,
    MeasurementArgs,
    measurement_selection,
    warn_if_none_matched,
)

if TYPE_CHECKING:
    from posezoo.pages.facts.comparison import ModelComparison

EXAMPLES = """
posezoo compare human-pose-estimation-0001 'simple_pose_*'
posezoo compare --all --figures speed.json --picture zoo.svg
posezoo compare human-pose-estimation-0001 --precisions FP16,FP16-INT8 --format markdown
"""

PICTURES = (".svg", ".png")


FLAGS = (
    flags.MODELS,
    Flag(
        "--precisions P[,P]",
        "precisions of the IR: one row for each of them in which a model is available (default:"
        " one row for each model, in the precision whose AP was measured)",
        default=(),
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


class _Args(flags.ConversionArgs, MeasurementArgs):
    picture: Path | None


def run(args: _Args) -> int:
    """Print the table, and draw the chart."""
    patterns = flags.patterns_from_args(args)
    _require_picture(args)
    from posezoo.pages.comparison_report import FORMATS
    from posezoo.pages.facts.comparison import compare_models
    from posezoo.pages.facts.model_facts import describe_models

    context = flags.context_from_args(args, local="compare")
    with flags.console_from_args(args) as console:
        measurements = measurement_selection(args, context.registry)
        selection = select_models(context.registry, patterns, console, takes_checkpoints=True)
        models = describe_models(selection, context.registry)
        comparison = compare_models(models, args.precisions, context.layout, measurements)
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


def _require_picture(args: _Args) -> None:
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
