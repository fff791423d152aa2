"""posezoo bom: write the bill of materials of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.parsers import OutputFile
from posezoo.cli.run_main import print_while_read
from posezoo.cli.selection import select_models

EXAMPLES = """
posezoo bom blazepose-full
posezoo bom --all --output zoo.cdx.json
SOURCE_DATE_EPOCH=1767225600 posezoo bom movenet-lightning --weights_dir models
"""

FLAGS = (
    flags.MODELS,
    Flag(
        "--output FILE",
        "write the bill of materials to this file (default: print it)",
        output=OutputFile(signs=('"bomFormat": "CycloneDX"', '"name": "posezoo"')),
    ),
    flags.weights_dir_flag("folder of the models' files and IR"),
    flags.download_dir_flag(),
    f"lock {flags.REGISTRY} quiet",
)


class _BomArgs(flags.ModelsArgs):
    output: Path | None


def run(args: _BomArgs) -> int:
    """Print the bill of materials, CycloneDX 1.6 as JSON, or write it."""
    from posezoo.core.files.verified_files import write_atomically
    from posezoo.pages.bom import render_bom
    from posezoo.pages.model_filters import facts_of

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args, {"locked": False})
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        described = facts_of(selection, context.registry)
        models = [replace(facts, layout=context.layout) for facts in described]
        bom = render_bom(models)
        if args.output is None:
            print_while_read(bom.decode(), end="")
        else:
            write_atomically(args.output, bom)
            console.print_line(f"{args.output}")
    return selection.exit_code
