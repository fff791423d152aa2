"""posezoo licenses: write the NOTICE of downloaded models, with copyright holders and license
texts.

``posezoo licenses --format json``::

    models   list  name, spdx, url, holder, text (a path, or null), note, converted (whether an IR
                   was made)
"""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.json_projection import project
from posezoo.console.report import print_json, print_lines, print_text
from posezoo.core.errors import PosezooError
from posezoo.core.files.output_file import OutputFile
from posezoo.pages.license_notice import NOTICE_SIGNS, collect_license_terms, format_notice

EXAMPLES = """
posezoo licenses
posezoo licenses blazepose-full --format json
posezoo licenses --weights_dir models --output models/NOTICE
"""

#: The keys of a model in JSON.
_KEYS = (
    "name=spec.full_name spdx=spec.license.spdx? url=spec.license.url? holder? text?"
    " note=spec.license_note? converted=is_converted"
)

FLAGS = (
    Flag(
        "models MODEL",
        "names or globs (default: all models with a downloaded file or an IR)",
        nargs="*",
    ),
    Flag(
        "--output FILE",
        "write the NOTICE to this file",
        output=OutputFile(signs=NOTICE_SIGNS),
    ),
    flags.download_dir_flag(),
    f"weights_dir {flags.REGISTRY} {flags.FORMAT}",
)


class _LicensesArgs(flags.ModelsArgs, flags.FormatArgs):
    output: Path | None


def run(args: _LicensesArgs) -> int:
    """Print the NOTICE, or write it."""
    from posezoo.core.files.result_files import write_result

    context = flags.context_from_args(args, {"locked": False})
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, args.models or None, console)
        specs = selection.models
        models = "these models"
        if not args.models:
            specs = tuple(variant for spec in specs for variant in (spec, *spec.variants))
            models = "the registry's models"
        terms = collect_license_terms(specs, context.layout)
        if not terms and selection.problems:  # they were reported above
            return 1
        if not terms:
            folder = context.layout.download_dir
            raise PosezooError(
                f"{folder}: contains no file of {models}, so there is no NOTICE",
                hint="download them with posezoo download, or name their folder: --weights_dir DIR",
            )
        for term in terms:
            if not term.holder:
                name = term.spec.full_name
                console.warn(f"{name}: its license text, which names the holder, is not available")
        text = format_notice(terms)
        if args.output:
            write_result(args.output, text.encode(), console, NOTICE_SIGNS)
    if args.format == "json":
        print_json({"models": [project(term, _KEYS) for term in terms]})
    elif args.output:
        print_lines(args.output)
    else:
        print_text(text)
    return selection.exit_code
