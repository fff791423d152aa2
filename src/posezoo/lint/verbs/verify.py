"""posezoo verify: check files and IR on disk, the metadata of a registry, or models on a device."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.artifact_check import RepairCommands, run_artifact_check
from posezoo.cli.flags import Shared
from posezoo.cli.run_main import command_line
from posezoo.cli.selection import select_models
from posezoo.core.errors import OutputError
from posezoo.core.events import RunStarted
from posezoo.lint.verbs.metadata_flags import (
    FIX_FLAG,
    FORMATS,
    METADATA_FLAGS,
    MetadataArgs,
    wants_metadata_check,
)
from posezoo.measure.verbs.device_flags import (
    DEVICE_FLAGS,
    DeviceArgs,
    run_device_check,
)

EXAMPLES = """
posezoo verify blazepose-full
posezoo verify --all --weights_dir models --format json
posezoo verify movenet-thunder --device NPU
posezoo verify pose.xml --device GPU --inputs me.jpg crowd.jpg --nodes report
posezoo verify --metadata
posezoo verify --metadata --models_dir open_model_zoo/models --format sarif
posezoo verify --metadata --models_dir my_zoo --fix --dry_run
posezoo verify --metadata --changed_since main --baseline known.json
posezoo verify --explain unusual-constant
"""

FLAGS = (
    flags.MODELS,
    *METADATA_FLAGS,
    FIX_FLAG,
    DEVICE_FLAGS,
    flags.download_dir_flag(),
    "weights_dir",
    Shared(f"{flags.PIPELINE} {flags.DESCRIPTION}", needs="device"),
    f"{flags.CACHE} {flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY}",
    flags.format_flag(FORMATS),
    Shared("dry_run", needs="fix"),
    "log quiet",
)


class _VerifyArgs(MetadataArgs, DeviceArgs):
    fix: bool
    dry_run: bool
    weights_dir: Path | None


def run(args: _VerifyArgs) -> int:
    """Print the state of files, the findings, or the differences on a device; 1 if anything is
    wrong.
    """
    if wants_metadata_check(args):
        return _check_metadata(args)
    if args.device is not None:
        return run_device_check(args)
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


def _check_metadata(args: _VerifyArgs) -> int:
    from posezoo.core.registry import open_registry
    from posezoo.lint.metadata_check import run_metadata_check

    registry = open_registry(flags.settings_from_args(args).models_dir)
    with flags.console_from_args(args) as console:
        console(RunStarted(command_line(), len(args.models or registry.entries)))
        context = flags.context_from_args(args) if args.fix else None
        return run_metadata_check(
            args, registry, args.models or None, context, is_dry_run=args.dry_run
        )
