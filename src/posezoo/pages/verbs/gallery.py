"""posezoo gallery: write a static site of models, to open from a folder or publish on any web
server.

With ``--format json``, the output is an object::

    output     str          the folder of the site
    models     int          the number of models that have a page
    bytes      int          the size of all pages together
    written    list of str  pages that are new or changed, as paths below the folder
    unchanged  list of str  pages that were up to date
    removed    list of str  pages of models that no longer exist
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.console import Console
from posezoo.console.report import print_result
from posezoo.core.errors import PosezooError, import_cv2, require_packages
from posezoo.pages.verbs.filter_flags import facts_of
from posezoo.pages.verbs.measurement_flags import (
    MEASUREMENT_FLAGS,
    MeasurementArgs,
    measurement_selection,
    warn_if_none_matched,
)

EXAMPLES = """
posezoo gallery --output site/
posezoo gallery 'simple_pose_*' --output poses/ --title 'Simple pose'
posezoo gallery --figures speed.json --output site/
posezoo gallery --pictures me.jpg --output site/
"""

FLAGS = (
    Flag("models MODEL", "names or globs (default: all)", nargs="*"),
    Flag("-o, --output DIR", "write the site to this folder (default: site)", default=Path("site")),
    Flag(
        "--pictures PHOTO",
        "run each pose model whose files can be downloaded, and show what it finds on these photos"
        " (default: two public-domain sample photos); without this flag, the site shows the"
        " pictures of the registry",
        nargs="*",
    ),
    Flag("--title TEXT", "title of the index (default: Model gallery)"),
    Flag(
        "--force",
        "write the site even if its folder contains other files; only files with the name of a page"
        " are replaced",
    ),
    *MEASUREMENT_FLAGS,
    flags.weights_dir_flag("folder of the IR, to show their sizes on the site", former=""),
    f"{flags.REGISTRY} dry_run {flags.FORMAT}",
)


class _GalleryArgs(flags.ModelsArgs, flags.FormatArgs, MeasurementArgs):
    output: Path
    pictures: list[str] | None
    title: str | None


def run(args: _GalleryArgs) -> int:
    """Generate the site, and report what was written."""
    from posezoo.pages.gallery.gallery_data import collect_gallery_data
    from posezoo.pages.gallery.gallery_pages import TITLE, render_gallery_pages
    from posezoo.pages.gallery.site_writer import plan_site, write_site

    needed = {"jinja2": "gallery", "markdown_it": "gallery"}
    if args.pictures is not None:
        needed |= {"openvino": "run", "cv2": "run"}
    require_packages(needed)
    if args.pictures is not None:
        import_cv2()
        if args.dry_run:
            raise PosezooError(
                "--pictures runs the models, which --dry_run does not", hint="use one of them"
            )
    context = flags.context_from_args(args)
    with Console(quiet=args.quiet) as console:
        measurements = measurement_selection(args, context.registry)
        selection = select_models(context.registry, args.models or None, console)
        # The page of a composite needs all of its parts.
        models = [
            facts
            for facts in facts_of(selection, context.registry)
            if len(facts.parts) >= len(facts.model.stages)
        ]
        if not models:
            raise PosezooError(
                "there is no model to show", hint="posezoo list shows the models of the zoo"
            )
        pictures = None
        if args.pictures is not None:
            from posezoo.pages.example_pictures import draw_pictures
            from posezoo.run.images import SAMPLE_PHOTOS
            from posezoo.run.video.run_inputs import expand_image_paths

            photos: Sequence[Path] = SAMPLE_PHOTOS
            if args.pictures:
                photos = expand_image_paths(args.pictures, console.warn)
            pictures = draw_pictures(
                models, photos, context, are_samples=not args.pictures, listener=console
            )
        data = collect_gallery_data(models, context.layout, measurements, pictures)
        warn_if_none_matched(args, data.comparison, console)
        registry = context.registry
        defaults = list(map(registry.real_name, registry.default_names))
        pages = render_gallery_pages(data, args.title or TITLE, first=defaults)
        write = plan_site if args.dry_run else write_site
        changes = write(args.output, pages, force=args.force)
        answer = {
            "output": args.output,
            "models": len(data.entries),
            "bytes": sum(map(len, pages.values())),
            **asdict(changes),
        }
        would = "would be " if args.dry_run else ""
        console.print_line(
            f"{args.output}: {len(pages)} pages: {len(changes.written)} {would}written, "
            f"{len(changes.unchanged)} unchanged, {len(changes.removed)} {would}removed"
        )
    print_result(args.format, answer, args.output / "index.html")
    return selection.exit_code
