"""posezoo list: the models of the zoo."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from posezoo.cli import jobs, options
from posezoo.cli.console import Console

if TYPE_CHECKING:
    from posezoo.registry import Selection
    from posezoo.spec.model import ModelSpec

EXAMPLES = """
posezoo list
posezoo list 'pose-*'
posezoo list --format json
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(verbs, "list", "list the models of the zoo", EXAMPLES)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or globs (default: all)")
    options.add_registry(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print a table of models; a composite stands above its parts."""
    from posezoo.registry import open_registry

    registry = open_registry(options.settings_of(args).models_dir)
    with Console(quiet=args.quiet) as console:
        selection = jobs.select(registry, args.models or None, console)
    rows = _rows(selection)
    if args.format == "json":
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return 1 if selection.problems else 0


def _rows(selection: Selection) -> list[dict[str, Any]]:
    """One row a model: the composites with their parts, then the models that stand alone."""
    parts: dict[str, list[ModelSpec]] = {}
    for spec in selection.models:
        parts.setdefault(spec.composite, []).append(spec)
    rows: list[dict[str, Any]] = []
    for composite in selection.composites:
        own = parts.get(composite.name, [])
        rows.append(
            {
                "name": composite.name,
                "parts": list(composite.stages),
                "task": composite.task,
                "framework": " ".join(sorted({spec.framework.value for spec in own})),
                "license": " ".join(sorted({spec.license.spdx for spec in own})),
                "size_bytes": sum(file.size for spec in own for file in spec.files),
                "description": composite.description,
            }
        )
    for spec in selection.models:
        rows.append(
            {
                "name": spec.name,
                "composite": spec.composite or None,
                "task": spec.task,
                "framework": spec.framework.value,
                "license": spec.license.spdx or spec.license.url,
                "size_bytes": sum(file.size for file in spec.files),
                "description": spec.description,
            }
        )
    return sorted(rows, key=lambda row: (row.get("composite") or row["name"], "parts" not in row))


def _print_table(rows: list[dict[str, Any]]) -> None:
    lines = [("MODEL", "TASK", "FRAMEWORK", "SIZE", "LICENCE")]
    for row in rows:
        indent = "  " if row.get("composite") else ""
        size = f"{row['size_bytes'] / 1e6:.1f} MB"
        lines.append((indent + row["name"], row["task"], row["framework"], size, row["license"]))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for name, task, framework, size, spdx in lines:
        cells = (
            name.ljust(widths[0]),
            task.ljust(widths[1]),
            framework.ljust(widths[2]),
            size.rjust(widths[3]),
        )
        print("  ".join((*cells, spdx)).rstrip())
