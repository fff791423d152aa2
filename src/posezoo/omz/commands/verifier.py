"""verifier.py: posezoo verify, with Open Model Zoo's flags for the selection of models."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.artifact_check import RepairCommands, run_artifact_check
from posezoo.core.events import ignore_event
from posezoo.core.settings import to_settings
from posezoo.omz.commands import conventions

FLAGS = (
    conventions.output_dir_flag("where files and IR are", "the working folder"),
    flags.download_dir_flag("the output folder"),
    flags.LOCK,
    flags.format_flag(),
)


class _VerifierArgs(conventions.OmzArgs, flags.FormatArgs):
    download_dir: Path | None
    output_dir: Path | None


def _run(args: _VerifierArgs) -> int:
    from posezoo.core.layout import ModelLayout
    from posezoo.core.lockfile import LockFile

    settings = to_settings(conventions.omz_settings_from_args(args))
    settings, selection = conventions.select_omz_models(args, settings)
    output_dir = args.output_dir or Path.cwd()
    return run_artifact_check(
        selection,
        ModelLayout(args.download_dir or output_dir, output_dir),
        LockFile(settings.lock, strict=settings.locked),
        ignore_event,
        style=args.format,
        repair=RepairCommands(
            flags.registry_arguments(args),
            "downloader.py --name",
            "converter.py --name",
            "quantizer.py --name",
        ),
        is_whole_registry=args.all,
    )


COMMAND = conventions.OmzCommand(
    "verifier.py",
    "Check size and checksum of downloaded files and converted IR.",
    "check",
    _run,
    own_flags=FLAGS,
)
main = COMMAND.main
