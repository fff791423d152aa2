"""posezoo convert: published files to OpenVINO IR, proven by a self-check."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import jobs, options
from posezoo.cli.console import Console
from posezoo.cli.plans import in_words
from posezoo.events import Listener

if TYPE_CHECKING:
    from posezoo.spec.model import ModelSpec, Precision
    from posezoo.zoo import Zoo

EXAMPLES = """
posezoo convert blazepose-full
posezoo convert --all --precisions FP16 --download_dir models --output_dir ir
posezoo convert blazepose-full --dry_run
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(verbs, "convert", "convert downloaded models to OpenVINO IR", EXAMPLES)
    options.add_models(parser)
    options.add_download_dir(parser, "the output folder")
    options.add_output_dir(parser)
    options.add_lock(parser)
    options.add_precisions(parser)
    parser.add_argument("--force", action="store_true", help="convert again what is up to date")
    options.add_registry(parser)
    options.add_dry_run(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Convert, and print the paths of the IR."""
    from posezoo.zoo import open_zoo

    zoo = open_zoo(options.settings_of(args), download_dir=args.download_dir)

    def make(spec: ModelSpec, listener: Listener) -> Mapping[Precision, Path]:
        return zoo.convert(spec, args.precisions, force=args.force, listener=listener)

    def plan(spec: ModelSpec) -> Sequence[str]:
        return in_words(conversion=zoo.plan_conversion(spec, args.precisions, force=args.force))

    return make_irs(args, zoo, make, plan)


def make_irs(
    args: argparse.Namespace,
    zoo: Zoo,
    make: Callable[[ModelSpec, Listener], Mapping[Precision, Path]],
    plan: Callable[[ModelSpec], Sequence[str]],
) -> int:
    """Make the IR and the card of each selected model, or show the plan; print the paths of the IR."""

    def work(spec: ModelSpec) -> dict[str, object]:
        if args.dry_run:
            return {"plan": plan(spec)}
        irs = make(spec, console)
        zoo.write_card(spec)
        return {"irs": {precision.value: str(path) for precision, path in irs.items()}}

    patterns = options.patterns_of(args)
    with Console(quiet=args.quiet) as console:
        selection = jobs.select(zoo.registry, patterns, console)
        report = jobs.for_each(selection, work, console, skip_unpinned=args.all)
        if not args.dry_run and not report.failures:
            for composite in selection.composites:
                zoo.write_card(composite)
    report.print(args.format)
    return report.exit_code
