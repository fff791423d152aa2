"""posezoo get: download and convert, in one go."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import options
from posezoo.cli.convert import make_irs
from posezoo.cli.plans import in_words
from posezoo.events import Listener

if TYPE_CHECKING:
    from posezoo.spec.model import ModelSpec, Precision

EXAMPLES = """
posezoo get blazepose-full
posezoo get blazepose-full --precisions FP16 --output_dir models
posezoo get --all --format json
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(verbs, "get", "download models and convert them to OpenVINO IR", EXAMPLES)
    options.add_models(parser)
    options.add_places(parser)
    options.add_fetching(parser)
    options.add_precisions(parser)
    options.add_mo(parser)
    options.add_upstream_code(parser)
    options.add_force(parser)
    options.add_registry(parser)
    options.add_dry_run(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Download and convert, and print the paths of the IR."""
    options.require_mo(args)
    from posezoo.zoo import open_zoo

    zoo = open_zoo(
        options.settings_of(args),
        trust_on_first_use=args.trust_on_first_use,
        allow_upstream_code=args.allow_upstream_code,
    )

    def make(spec: ModelSpec, listener: Listener) -> Mapping[Precision, Path]:
        return zoo.get(spec, args.precisions, force=args.force, listener=listener)

    def plan(spec: ModelSpec) -> Sequence[str]:
        files = zoo.plan_download(spec, args.precisions if spec.is_ir else None)
        return in_words(files, zoo.plan_conversion(spec, args.precisions, force=args.force))

    return make_irs(args, zoo, make, plan)
