"""posezoo gallery: write a static site of models, to open from a folder or publish on any web server.

With ``--format json``, the output is an object::

    output     str          the folder of the site
    models     int          the number of models that have a page
    bytes      int          the size of all pages together
    written    list of str  pages that are new or changed, as paths below the folder
    unchanged  list of str  pages that were up to date
    removed    list of str  pages of models that no longer exist
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.model_filters import facts_of
from posezoo.cli.report import print_result
from posezoo.cli.selection import select_models
from posezoo.cli.verbs.compare import MEASUREMENT_FLAGS, measurement_selection
from posezoo.console import Console
from posezoo.errors import PosezooError, import_optional

SUMMARY = (
    "write a static web site about models, with search, filters, an accuracy chart and a page for each model"
)

EXAMPLES = """
posezoo gallery --output site/
posezoo gallery 'simple_pose_*' --output poses/ --title 'Simple pose'
posezoo gallery --figures speed.json --output site/
"""

FLAGS = (
    Flag("models MODEL", "names or globs (default: all)", nargs="*"),
    Flag("--output DIR", "write the site to this folder (default: site)", default=Path("site")),
    Flag("--title TEXT", "title of the index (default: Model gallery)"),
    Flag(
        "--force",
        "write the site even if its folder contains other files; only files with the name of a page are "
        "replaced",
    ),
    *MEASUREMENT_FLAGS,
    flags.weights_dir_flag("folder of the IR, to show their sizes on the site"),
    f"{flags.REGISTRY} dry_run {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Generate the site, and report what was written."""
    from posezoo.gallery.gallery_data import collect_gallery_data
    from posezoo.gallery.gallery_pages import TITLE, draw_gallery_pages
    from posezoo.gallery.site_writer import plan_site, write_site

    for package in ("jinja2", "markdown_it"):
        import_optional(package, extra="gallery")
    context = flags.context_from_args(args)
    flags.require_local("gallery", context.layout.output_dir)
    with Console(quiet=args.quiet) as console:
        own = measurement_selection(args, context.registry)
        selection = select_models(context.registry, args.models or None, console)
        # The page of a composite needs all of its parts.
        models = [
            facts
            for facts in facts_of(selection)
            if not facts.stages or len(facts.parts) == len(facts.stages)
        ]
        if not models:
            raise PosezooError("there is no model to show", hint="posezoo list shows the models of the zoo")
        data = collect_gallery_data(models, context.layout, own)
        if (args.setting or args.machine) and not data.speed_setting:
            console.warn("no speed measurement matches --machine and --setting")
        pages = draw_gallery_pages(data, args.title or TITLE)
        write = plan_site if args.dry_run else write_site
        changes = write(args.output, pages, force=args.force)
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
    print_result(args, answer, args.output / "index.html")
    return 1 if selection.problems else 0
