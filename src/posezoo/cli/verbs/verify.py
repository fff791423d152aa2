"""posezoo verify: check files and IR on disk."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.artifact_check import RepairCommands, run_artifact_check
from posezoo.cli.selection import select_models
from posezoo.core.errors import OutputError

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --weights_dir models --format json
posezoo verify --all --locked
"""

FLAGS = (
    flags.MODELS,
    flags.download_dir_flag(),
    f"weights_dir {flags.LOCK} {flags.REGISTRY} {flags.FORMAT} log",
)


class _VerifyArgs(flags.ModelsArgs, flags.FormatArgs):
    weights_dir: Path | None


def run(args: _VerifyArgs) -> int:
    """Print the state of each file and IR; 1 if any is not good."""
    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    folder = context.layout.output_dir
    if args.all and args.weights_dir and not folder.is_dir():
        raise OutputError(f"--weights_dir: {folder} does not exist", hint="posezoo get makes it")
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        return run_artifact_check(
            selection,
            context.layout,
            context.lock,
            console,
            style=args.format,
            repair=RepairCommands(flags.registry_arguments(args)),
            is_whole_registry=args.all,
        )
