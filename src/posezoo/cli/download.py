"""posezoo download: a model's published files, verified."""

from __future__ import annotations

import argparse

from posezoo.cli import jobs, options
from posezoo.cli.console import Console
from posezoo.cli.plans import in_words

EXAMPLES = """
posezoo download blazepose-full
posezoo download 'pose-*' --output_dir models
posezoo download --all --mirror /mnt/models --dry_run
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(
        verbs, "download", "fetch the published files of models and verify them", EXAMPLES
    )
    options.add_models(parser)
    options.add_places(parser)
    options.add_trust(parser)
    options.add_registry(parser)
    options.add_dry_run(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Fetch, and print the paths of the files."""
    from posezoo.spec.model import ModelSpec
    from posezoo.zoo import open_zoo

    patterns = options.patterns_of(args)
    zoo = open_zoo(options.settings_of(args), trust_on_first_use=args.trust_on_first_use)

    def work(spec: ModelSpec) -> dict[str, object]:
        if args.dry_run:
            return {"plan": in_words(zoo.plan_download(spec))}
        return {"files": [str(path) for path in zoo.download(spec, listener=console)]}

    with Console(quiet=args.quiet) as console:
        report = jobs.for_each(
            jobs.select(zoo.registry, patterns, console), work, console, skip_unpinned=args.all
        )
    report.print(args.format)
    return report.exit_code
