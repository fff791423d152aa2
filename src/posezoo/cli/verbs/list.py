"""posezoo list: the models of the zoo.

With ``--format json`` a list of objects, each composite above its parts::

    name         str
    composite    str | null    the composite that it is a part of
    parts        list of str   a composite's parts in the order they run in; empty for a model
    task         str           as in model.yml
    framework    str           of the published files; a composite's, where they differ, apart by blanks
    precisions   list of str   published, or else convertible; a composite's: those of all its parts
    license      str           SPDX identifier, or an address; a composite's as for framework
    size_bytes   int | null    of the published files together; null where a publisher does not say
    revision     int           counts up when the files change; a composite's is 1
    deprecated   object | null since (a date or a version), use (the model to take instead, or empty)
    description  str

Nothing that matches the filters is an answer too: an empty list or table, a line on the standard
error, exit code 0. A file that cannot be read is an error, exit code 1, where models are named or nothing
narrows the list; beside filters alone it is a line of warning.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.model_filters import ModelFilters, ModelRow, add_filter_flags, filters_from_args, list_rows
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.cli.terminal_text import align_columns, terminal_width, truncate_to_width
from posezoo.facts.labels import format_megabytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posezoo.registry import Selection

EXAMPLES = """
posezoo list
posezoo list 'pose-*'
posezoo list --task human_pose_estimation --framework tflite
posezoo list --search detector --format json
"""

HEADERS = ("MODEL", "TASK", "FRAMEWORK", "SIZE", "LICENCE", "DESCRIPTION")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "list", "list the models of the zoo", EXAMPLES)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or globs (default: all)")
    add_filter_flags(parser)
    flags.add_flags(parser, "models_dir")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print a table of models; a composite stands above its parts."""
    from posezoo.registry import open_registry
    from posezoo.settings import user_folder

    registry = open_registry(
        flags.settings_from_args(args).models_dir, cache_dir=user_folder("cache") / "registry"
    )
    with Console(quiet=args.quiet) as console:
        filters = filters_from_args(args)
        by_filters = bool(filters.said) and not args.models
        selection = select_models(registry, args.models or None, console, filtered=by_filters)
        rows = filter_rows(selection, filters, console)
    if args.format == "json":
        print(json.dumps([row.facts() for row in rows], indent=2))
    else:
        width = terminal_width()
        for line in _table(rows):
            print(truncate_to_width(line, width))
    return 1 if selection.problems else 0


def filter_rows(selection: Selection, filters: ModelFilters, console: Console) -> list[ModelRow]:
    """The rows that the filters admit; told where there is none, with what would have matched."""
    rows = list_rows(selection)
    kept = [row for row in rows if filters.matches(row)]
    if rows and not kept:
        licenses = sorted({license for row in rows for license in row.licenses})
        known = f"; licences here: {', '.join(licenses)}" if filters.licenses else ""
        console.print_line(f"no model matches {filters.said}{known}")
    return kept


def _described(row: ModelRow) -> str:
    """The description, after what must not be missed: newer files, or that there is a better model."""
    facts = row.facts()
    said = [f"revision {facts['revision']}" if facts["revision"] > 1 else "", str(row.model.deprecated or "")]
    note = ", ".join(filter(None, said))
    return f"[{note}] {row.model.description}" if note else row.model.description


def _license(said: str) -> str:
    """An identifier as it is; of an address, which Open Model Zoo gives instead, whose licence it is."""
    if "://" not in said:
        return said
    host, *path = said.partition("://")[2].split("/")
    return "/".join(path[:2]) if host in _CODE_HOSTS else host


_CODE_HOSTS = ("github.com", "raw.githubusercontent.com")


def _table(rows: Sequence[ModelRow]) -> list[str]:
    shown = {row.model.full_name for row in rows}
    cells = [HEADERS]
    for row in rows:
        facts = row.facts()
        cells.append(
            (
                ("  " if row.composite in shown else "") + row.model.full_name,
                row.model.task,
                facts["framework"],
                format_megabytes(facts["size_bytes"]),
                " ".join(map(_license, row.licenses)),
                _described(row),
            )
        )
    return align_columns(cells, right=frozenset({HEADERS.index("SIZE")}))
