"""posezoo gallery: a static site of models, to look at from a folder or to put on any web server.

With ``--format json`` an object::

    output     str          the folder of the site
    models     int          how many models have a page
    bytes      int          of all pages together
    written    list of str  pages that are new or changed, as paths below the folder
    unchanged  list of str  pages that were there as they are now
    removed    list of str  pages of models that are gone
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, measurement_flags
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.registry import Registry, Selection
    from posezoo.spec.model import CompositeSpec, ModelSpec

EXAMPLES = """
posezoo gallery --output site/
posezoo gallery 'simple_pose_*' --output poses/ --title 'Simple pose'
posezoo gallery --figures speed.json --output site/
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    summary = "a static site of models: search, filters, an accuracy chart, a page for each"
    parser = flags.add_verb(verbs, "gallery", summary, EXAMPLES)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or globs (default: all)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=Path("site"), help="folder of the site (default: site)"
    )
    parser.add_argument("--title", metavar="TEXT", help="what the index is called (default: Model gallery)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="write into a folder that holds something else; files that are not the gallery's stay",
    )
    measurement_flags.add_measurement_flags(parser)
    flags.add_output_dir_flag(parser, "where IR lie, whose size is told")
    flags.add_flags(parser, "models_dir", "dry_run")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Draw the site, and tell what was written."""
    from posezoo.gallery.gallery_data import collect_gallery_data
    from posezoo.gallery.gallery_pages import TITLE, draw_gallery_pages
    from posezoo.gallery.site_writer import plan_site, write_site
    from posezoo.pipeline import open_zoo

    zoo = open_zoo(flags.settings_from_args(args))
    with Console(quiet=args.quiet) as console:
        own = measurement_flags.measurement_selection(args, zoo.registry)
        selection = select_models(zoo.registry, args.models or None, console)
        models = _with_parts(zoo.registry, selection)
        if not models:
            raise PosezooError("there is no model to show", hint="posezoo list shows what there is")
        rows = collect_gallery_data(models, zoo.layout, own)
        if (args.setting or args.machine) and not rows.speed_way:
            console.warn("no speed was measured so")
        pages = draw_gallery_pages(rows, args.title or TITLE)
        changes = (plan_site if args.dry_run else write_site)(args.output, pages, force=args.force)
        answer = {
            "output": str(args.output),
            "models": len(pages) - 1,
            "bytes": sum(map(len, pages.values())),
            "written": list(changes.written),
            "unchanged": list(changes.unchanged),
            "removed": list(changes.removed),
        }
        would = "would be " if args.dry_run else ""
        console.print_line(
            f"{args.output}: {len(pages)} pages: {len(changes.written)} {would}written, "
            f"{len(changes.unchanged)} unchanged, {len(changes.removed)} {would}removed"
        )
    print(json.dumps(answer, indent=2) if args.format == "json" else args.output / "index.html")
    return 1 if selection.problems else 0


def _with_parts(
    registry: Registry, selection: Selection
) -> list[tuple[ModelSpec | CompositeSpec, tuple[ModelSpec, ...]]]:
    """Each model alone, and each composite of which all parts can be read with these."""
    models: list[tuple[ModelSpec | CompositeSpec, tuple[ModelSpec, ...]]] = []
    there = {spec.name for spec in selection.models}
    for composite in selection.composites:
        if there.issuperset(composite.stages):
            models.append((composite, registry.parts(composite)))
    return [*models, *((spec, (spec,)) for spec in selection.models)]
