"""posezoo licenses: write the NOTICE of downloaded models, with copyright holders and license
texts.

``posezoo licenses --format json``::

    models   list  name, spdx, url, holder, text (a path, or null), note, converted (whether an IR
                   was made)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.json_projection import project
from posezoo.cli.parsers import OutputFile
from posezoo.cli.report import print_json, print_lines, print_text
from posezoo.cli.selection import select_models
from posezoo.core.errors import PosezooError
from posezoo.pages.license_notice import NOTICE_SIGNS

if TYPE_CHECKING:
    from posezoo.core.layout import ModelLayout
    from posezoo.core.registry import Selection
    from posezoo.pages.license_notice import LicenseTerms

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
    from posezoo.cli.result_files import write_result
    from posezoo.pages.license_notice import format_notice

    context = flags.context_from_args(args, {"locked": False})
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, args.models or None, console)
        terms = _collect_terms(selection, context.layout, is_named=bool(args.models))
        if not terms:  # the problems were reported above
            return 1
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


def _collect_terms(
    selection: Selection, layout: ModelLayout, *, is_named: bool
) -> Sequence[LicenseTerms]:
    """The terms of the models with a file here; a PosezooError if there is none."""
    from posezoo.pages.license_notice import collect_license_terms

    specs = selection.models
    if not is_named:
        specs = tuple(variant for spec in specs for variant in (spec, *spec.variants))
    terms = collect_license_terms(specs, layout)
    if terms or selection.problems:
        return terms
    models = "these models" if is_named else "the registry's models"
    raise PosezooError(
        f"{layout.download_dir}: contains no file of {models}, so there is no NOTICE",
        hint="download them with posezoo download, or name their folder: --weights_dir DIR",
    )
