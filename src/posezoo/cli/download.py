"""posezoo download: a model's published files, verified."""

from __future__ import annotations

import argparse

from posezoo.cli import jobs, options
from posezoo.cli.console import Console
from posezoo.cli.plans import in_words
from posezoo.crew import Check, checked

EXAMPLES = """
posezoo download blazepose-full
posezoo download 'pose-*' --output_dir models
posezoo download --all --jobs 8
posezoo download --all --mirror /mnt/models --dry_run
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(
        verbs, "download", "fetch the published files of models and verify them", EXAMPLES
    )
    options.add_models(parser)
    options.add_places(parser)
    options.add_verify(parser)
    options.add_fetching(parser)
    options.add_registry(parser)
    options.add_dry_run(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Fetch, and print the paths of the files."""
    from posezoo.fetch.carrier import Carrier
    from posezoo.spec.model import ModelSpec
    from posezoo.zoo import open_zoo

    patterns, settings = options.patterns_of(args), options.settings_of(args)
    zoo = open_zoo(settings, trust_on_first_use=args.trust_on_first_use).verifying(args.verify)

    with Console(quiet=args.quiet) as console, Carrier(settings.jobs, settings.connections) as carrier:

        def work(spec: ModelSpec, check: Check) -> dict[str, object]:
            if args.dry_run:
                return {"plan": in_words(zoo.plan_download(spec))}
            paths = zoo.download(spec, listener=checked(console, check), carrier=carrier)
            return {"files": [str(path) for path in paths]}

        selection = jobs.select(zoo.registry, patterns, console)
        report = jobs.for_each_at_once(
            selection, work, console, skip_unpinned=args.all, at_once=1 if args.dry_run else settings.jobs
        )
    report.print(args.format)
    return report.exit_code
