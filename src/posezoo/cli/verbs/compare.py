"""posezoo compare: models side by side, as a table and as a picture.

With ``--format json`` an object::

    models        list   a row for each model and precision: model, precision, license, and of AP (a share),
                         throughput_fps, latency_p50_ms, size_bytes, gflops and mparams each null where nobody
                         knows, else {number, origin, how}; origin is measured, measured on generated weights,
                         or declared
    speed_way     str    machine and settings of the speeds: all of one machine, measured in one way
    accuracy_way  str    settings of the measured AP; declared ones tell their own

CSV has the same columns, and one for the origin of each.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.measurement_flags import add_measurement_flags, measurement_selection
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.cli.terminal_text import align_columns, terminal_width, truncate_to_width
from posezoo.errors import PosezooError, import_optional
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.facts.comparison import ComparisonRow, ModelComparison

EXAMPLES = """
posezoo compare human-pose-estimation-0001 'simple_pose_*'
posezoo compare --all --figures speed.json --picture zoo.svg
posezoo compare human-pose-estimation-0001 --precisions FP16,FP16-INT8 --format markdown
"""

PICTURES = (".svg", ".png")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    summary = "models side by side: AP, speed, size, GFLOPs, MParams and licence, as measured or declared"
    parser = flags.add_verb(verbs, "compare", summary, EXAMPLES)
    flags.add_model_flags(parser)
    parser.add_argument(
        "--precisions",
        type=flags.parse_precisions,
        metavar="P[,P]",
        default=(Precision.FP16,),
        help="of the IR: a row for each that a model is to be had in (default: FP16)",
    )
    add_measurement_flags(parser)
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="also draw it: a name that ends with .svg or .png"
    )
    flags.add_output_dir_flag(parser, "where IR lie, whose size is told")
    flags.add_flags(parser, "models_dir")
    parser.add_argument(
        "--format",
        choices=("text", "json", "csv", "markdown"),
        default="text",
        help="how to answer on the standard output",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="tell only warnings and errors")
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the table, and draw the picture."""
    patterns = flags.patterns_from_args(args)
    if args.picture and args.picture.suffix not in PICTURES:
        args.parser.error(f"--picture: expected a name that ends with .svg or .png, got {args.picture}")
    from posezoo.facts.comparison import compare_models
    from posezoo.pipeline.zoo_context import open_context

    context = open_context(flags.settings_from_args(args))
    with Console(quiet=args.quiet) as console:
        if args.picture and args.picture.suffix == ".png":
            import_optional("cv2", extra="run")
        metrics = measurement_selection(args, context.registry)
        selection = select_models(context.registry, patterns, console)
        found = compare_models(selection.models, args.precisions, context.layout, metrics)
        if not found.rows:
            requested = ", ".join(args.precisions)
            raise PosezooError(
                f"none of these models is to be had in {requested}", hint="--precisions names others"
            )
        if (args.setting or args.machine) and not found.speed_way:
            console.warn("no speed was measured so")
        if args.picture:
            _draw(found, args.picture)
            console.print_line(f"drawn: {args.picture}")
    _PRINT[args.format](found)
    return 1 if selection.problems else 0


def _draw(found: ModelComparison, path: Path) -> None:
    from posezoo.facts.bar_chart import draw_chart, to_image, to_svg

    chart = draw_chart(found)
    if path.suffix == ".svg":
        from posezoo.files.verified_files import write_atomically

        write_atomically(path, to_svg(chart).encode())
    else:
        from posezoo.images import write_image

        write_image(path, to_image(chart))


def _print_text(found: ModelComparison) -> None:
    width = terminal_width()
    for line in align_columns(_table(found), right=frozenset(range(2, 2 + _count()))):
        print(truncate_to_width(line, width))
    for line in _notes(found):
        print(line)


def _print_markdown(found: ModelComparison) -> None:
    from posezoo.cards.markdown import escape, format_table

    headers, *rows = _table(found)
    print(format_table(headers, rows))
    if notes := [*_notes(found)]:
        print("\n" + "\n".join(f"{escape(note)}  " for note in notes).rstrip())


def _print_json(found: ModelComparison) -> None:
    answer = {
        "models": [_facts(row) for row in found.rows],
        "speed_way": found.speed_way,
        "accuracy_way": found.accuracy_conditions,
    }
    print(json.dumps(answer, indent=2))


def _print_csv(found: ModelComparison) -> None:
    from posezoo.facts.comparison import COLUMNS

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["model", "precision", *(each for key in COLUMNS for each in (key, f"{key}_origin")), "license"]
    )
    for row in found.rows:
        values = (row.values[key] for key in COLUMNS)
        cells = (
            cell for value in values for cell in ((value.number, str(value.origin)) if value else ("", ""))
        )
        writer.writerow([row.model, row.precision.value, *cells, row.license])
    print(stream.getvalue(), end="")


_PRINT = {"text": _print_text, "json": _print_json, "csv": _print_csv, "markdown": _print_markdown}

#: What a figure is followed by that nobody measured on the published weights here.
_MARKS = {"measured": "", "measured on generated weights": " g", "declared": " d"}


def _table(found: ModelComparison) -> list[tuple[str, ...]]:
    from posezoo.facts.comparison import COLUMNS

    headers = ("MODEL", "PRECISION", *(column.title for column in COLUMNS.values()), "LICENCE")
    return [headers, *(_cells(row) for row in found.rows)]


def _cells(row: ComparisonRow) -> tuple[str, ...]:
    from posezoo.facts.comparison import COLUMNS

    metrics = (
        f"{column.in_words(value.number)}{_MARKS[value.origin.value]}" if (value := row.values[key]) else ""
        for key, column in COLUMNS.items()
    )
    return row.model, row.precision.value, *metrics, row.license


def _notes(found: ModelComparison) -> list[str]:
    from posezoo.facts.bar_chart import describe_measurement_settings

    there = {value.origin.value for row in found.rows for value in row.values.values() if value}
    marks = [f"{mark.strip()}: {origin}" for origin, mark in _MARKS.items() if mark and origin in there]
    return [*marks, *describe_measurement_settings(found)]


def _facts(row: ComparisonRow) -> dict[str, Any]:
    values = {
        key: {"number": value.number, "origin": value.origin.value, "how": value.conditions}
        if value
        else None
        for key, value in row.values.items()
    }
    return {"model": row.model, "precision": row.precision.value, "license": row.license, **values}


def _count() -> int:
    from posezoo.facts.comparison import COLUMNS

    return len(COLUMNS)
