"""posezoo verify: check files and IR on disk, or models on a device."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.artifact_check import RepairCommands, run_artifact_check
from posezoo.cli.flags import Shared
from posezoo.cli.selection import select_models
from posezoo.core.errors import OutputError
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
"""

FLAGS = (
    flags.MODELS,
    DEVICE_FLAGS,
    flags.download_dir_flag(),
    "weights_dir",
    Shared(f"{flags.PIPELINE} {flags.DESCRIPTION}", needs="device"),
    f"{flags.CACHE} {flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY}",
    f"{flags.FORMAT} log",
)


class _VerifyArgs(DeviceArgs):
    weights_dir: Path | None


def run(args: _VerifyArgs) -> int:
    """Print the state of files, or the differences on a device; 1 if anything is wrong."""
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
