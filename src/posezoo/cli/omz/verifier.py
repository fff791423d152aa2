"""verifier.py: posezoo verify, with Open Model Zoo's flags for the selection of models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.omz import conventions
from posezoo.cli.verbs import verify
from posezoo.events import ignore_event
from posezoo.pipeline.zoo_context import download_options
from posezoo.registry import open_registry
from posezoo.settings import to_settings

FLAGS = (
    conventions.output_dir_flag("where files and IR are", "the working folder"),
    flags.download_dir_flag("the output folder"),
    *verify.METADATA_FLAGS,
    flags.LOCK,
    Flag(
        "--format",
        "the format of the report on the standard output",
        choices=verify.FORMATS,
        default="text",
    ),
)


def _run(args: argparse.Namespace) -> int:
    from posezoo.layout import ModelLayout
    from posezoo.lockfile import LockFile

    settings = to_settings(conventions.omz_settings_from_args(args))
    if verify.is_metadata_check(args):
        flags.require_local("verify --metadata", *settings.models_dir)
        registry = open_registry(settings.models_dir)
        chosen = args.name is not None or args.list is not None
        return verify.run_metadata_check(
            args, registry, conventions.omz_patterns_from_args(args) if chosen else None
        )
    settings, selection = conventions.select_omz_models(args, settings)
    output_dir = args.output_dir or Path.cwd()
    downloads = args.download_dir or output_dir
    layout = ModelLayout(downloads, output_dir, limits=download_options(settings).limits)
    lock = LockFile(settings.lock, strict=settings.locked)
    commands = {"downloader": "downloader.py --name", "converter": "converter.py --name"}
    return verify.run_artifact_check(args, selection, layout, lock, ignore_event, **commands)


COMMAND = conventions.OmzCommand(
    "verifier.py",
    "Check size and checksum of downloaded files and converted IR.",
    "check",
    _run,
    FLAGS,
)
create_parser, main = COMMAND.create_parser, COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
