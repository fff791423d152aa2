"""posezoo get: download and convert, in one go."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.plan_text import format_plan
from posezoo.cli.verbs.convert import convert_selected
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
    parser = flags.add_verb(verbs, "get", "download models and convert them to OpenVINO IR", EXAMPLES)
    flags.add_model_flags(parser)
    flags.add_flags(parser, "output_dir", *flags.CACHE, *flags.DOWNLOAD)
    flags.add_flags(parser, *flags.CONVERSION, "force", "models_dir", "dry_run")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Download and convert, and print the paths of the IR."""
    flags.require_model_optimizer(args)
    from posezoo.pipeline import open_zoo

    zoo = open_zoo(
        flags.settings_from_args(args),
        trust_on_first_use=args.trust_on_first_use,
        allow_upstream_code=args.allow_upstream_code,
    )

    def make(spec: ModelSpec, listener: Listener) -> Mapping[Precision, Path]:
        return zoo.get(spec, args.precisions, force=args.force, listener=listener)

    def plan(spec: ModelSpec) -> Sequence[str]:
        files = zoo.plan_download(spec, args.precisions if spec.is_ir else None)
        return format_plan(files, zoo.plan_conversion(spec, args.precisions, force=args.force))

    return convert_selected(args, zoo, make, plan)
