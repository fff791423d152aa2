"""posezoo lock: record the SHA-384 of approved files in posezoo.lock.

``posezoo lock --format json``::

    lock      str
    changes   list  model, file, change (added, completed, changed, removed), was, now (SHA-384, or
                    empty), is_text_alone (whether files and conversion stay the same)
    failed    list  name, reason, hint

The exit code is 1 if a model cannot be recorded, or if --check finds a difference, also in an IR.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models, with_required_models
from posezoo.console import job_report
from posezoo.console.console import Console
from posezoo.console.json_projection import to_json
from posezoo.console.labels import format_count, name_first
from posezoo.console.report import print_result
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import LockError, shell_word
from posezoo.core.events import Listener
from posezoo.core.registry import Registry, Selection, format_command, registry_root
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.lockfile import LockFile
    from posezoo.core.lockfile.entries import LockChange, ModelSnapshot

EXAMPLES = """
posezoo lock blazepose-full
posezoo lock --all --dry_run
posezoo lock --check
posezoo lock withdrawn-pose --prune
posezoo get blazepose-full --locked
"""

FLAGS = (
    flags.MODELS,
    Flag("--check", "only report differences from the lock; exit code 1 if there are any"),
    Flag("--allow_rollback", "accept a model.yml that is older than the one in the lock"),
    Flag(
        "--prune",
        "also remove models from the lock that the registry no longer has, and IR of an earlier"
        " model.yml",
    ),
    flags.download_dir_flag(),
    flags.weights_dir_flag("folder of the models' files and IR"),
    f"lock {flags.REGISTRY} dry_run {flags.FORMAT}",
)


class _LockArgs(flags.ModelsArgs, flags.FormatArgs):
    weights_dir: Path | None
    check: bool
    allow_rollback: bool
    prune: bool


@frozen
class _Recorded:
    changes: list[LockChange]
    warnings: int  # the number of files that differ from their declarations or records
    failures: list[dict[str, str]]


def run(args: _LockArgs) -> int:
    """Record, or check."""
    from posezoo.core.files.verified_files import write_atomically
    from posezoo.core.lockfile.git_files import plan_git_files

    # The lock must accept a newer state.
    context = flags.context_from_args(args, {"locked": False})
    has_irs = any(entry.openvino for entry in context.lock.entries.values())
    if args.check and args.weights_dir and has_irs:
        flags.require_weights_folder(context.layout)
    registry = context.registry.with_builtin()
    # They may be no files that can be read.
    git_files = {} if args.check or args.dry_run else plan_git_files(context.lock.path)
    with Console(quiet=args.quiet) as console:
        gone = _find_gone(args, context.lock, registry)
        patterns = _select_patterns(args, context.lock, gone, registry)
        chosen = select_models(registry, patterns, console)
        selection = with_required_models(chosen, registry, context.settings.detector, console)
        recorded = _record(args, selection, gone, context, console=console)
    for path, content in git_files.items():
        write_atomically(path, content)
    answer = {
        "lock": context.lock.path,
        "changes": to_json(recorded.changes),
        "failed": recorded.failures,
    }
    summary = _summary(args, context.lock.path, recorded)
    print_result(args.format, answer, *recorded.changes, *git_files, summary)
    differs = recorded.changes or recorded.warnings
    return 1 if recorded.failures or (args.check and differs) else 0


def _summary(args: _LockArgs, path: Path, recorded: _Recorded) -> str:
    if not recorded.changes:
        if recorded.failures:
            return f"{path} has no change, but {format_count(len(recorded.failures), 'error')}"
        if not recorded.warnings:
            return f"{path} is up to date"
        return f"{path} is up to date; differences of files: {recorded.warnings}"
    lines = format_count(len(recorded.changes), "line")
    if args.check:
        if not path.exists():
            return f"{path} does not exist; posezoo lock records the current state"
        decisive = [change for change in recorded.changes if not change.is_text_alone]
        same = "" if decisive else ", which change no file and no IR"
        return f"{path} differs in {lines}{same}; posezoo lock records the current state"
    if args.dry_run:
        return f"would write {lines} of {path}"
    return f"{lines} of {path} written"


def _record(
    args: _LockArgs,
    selection: Selection,
    gone: list[str],
    context: Context,
    console: Console,
) -> _Recorded:
    from posezoo.cli.lock_entries import collect_entries
    from posezoo.core.lockfile.entries import update_entries

    lock = context.lock
    is_dry_run = args.check or args.dry_run
    snapshots = []

    def inspect(spec: ModelSpec, _listener: Listener) -> job_report.Answer:
        snapshot = collect_entries(spec, context)
        # An error here concerns only this model; nothing has been written yet.
        update_entries(lock.entries, snapshot.entries, allow_rollback=args.allow_rollback)
        if not args.check and not args.prune:
            _require_irs(spec, snapshot, lock)
        for line in snapshot.warnings:
            console.warn(line)
        for name in snapshot.unpinned:
            console.warn(
                f"{spec.full_name}: {name}: its SHA-384 is unknown until it is downloaded: "
                f"{format_command('download', spec, context.layout.download_dir)}"
            )
        snapshots.append(snapshot)
        return job_report.Answer()

    report = model_jobs.run_for_each(selection, inspect, console, is_silent=True)
    for name in () if args.prune else gone:
        hint = (
            f"use the newer registry, or if it was withdrawn: posezoo lock {shell_word(name)}"
            " --prune"
        )
        if not args.models and lock.are_most(gone):
            hint = "use the registry that the lock is of"
        error = LockError(
            f"{name}: is in {lock.path}, but not in this registry: it is older, or a different one",
            hint=hint,
        )
        console.print_error(error)
        report.add_failure(name, error)
    changes = lock.record(
        snapshots,
        gone=gone if args.prune else (),
        allow_rollback=args.allow_rollback,
        is_dry_run=is_dry_run,
    )
    _warn_of_models_without_ir(selection.models, context, console)
    warnings = sum(len(snapshot.warnings) for snapshot in snapshots)
    return _Recorded(changes, warnings, report.failures)


def _warn_of_models_without_ir(
    models: Sequence[ModelSpec], context: Context, console: Console
) -> None:
    """Say which IR the others need, such as that of a detector; a lock without any IR is for
    downloads.
    """
    from posezoo.cli.lock_entries import list_without_ir

    lock = context.lock
    lacking = list_without_ir(lock, models)
    if not lacking or not any(map(lock.made_entries, models)):
        return
    names = name_first([spec.full_name for spec in lacking])
    commands = "; ".join(_get_command(spec, context) for spec in lacking[:3])
    console.warn(
        f"{names}: {lock.path} lists no IR, so --locked refuses to make one; to add it:"
        f" {commands}; then posezoo lock"
    )


def _get_command(spec: ModelSpec, context: Context) -> str:
    """What makes the IR of a model; a detector may be of posezoo's own registry alone."""
    command = format_command("get", spec)
    is_added = registry_root(spec) not in context.registry.roots
    return f"{command} --registry posezoo" if is_added else command


def _require_irs(spec: ModelSpec, snapshot: ModelSnapshot, lock: LockFile) -> None:
    from posezoo.core.lockfile.entries import merge_entries

    locked = lock.entries_of(spec)
    kept = merge_entries(locked, snapshot.entries, snapshot.unpinned, allow_rollback=True)
    lost = [entry.file for entry in lock.made_entries(spec) if entry.key not in kept]
    if lost:
        raise LockError(
            f"{spec.full_name}: {lost[0]} in {lock.path} is of another model.yml, and none was made"
            " from this one",
            hint=f"{format_command('get', spec)}; then lock it; --prune removes the line instead",
        )


def _find_gone(args: _LockArgs, lock: LockFile, registry: Registry) -> list[str]:
    """The selected models of the lock that the registry lacks."""
    if args.all or not args.models:
        return lock.find_withdrawn(registry) if args.prune else lock.find_gone(registry)
    gone = lock.find_gone(registry)
    return [name for name in gone if any(fnmatchcase(name, each) for each in args.models)]


def _select_patterns(
    args: _LockArgs, lock: LockFile, gone: list[str], registry: Registry
) -> Sequence[str] | None:
    """The patterns that select models, by default the names in the lock, without those that match
    only what is gone. The name of a composite would select all its parts, also those that are not
    locked.
    """
    from posezoo.core.lockfile.entries import COMPOSITE_YML

    if args.models and not args.all:
        return [
            pattern
            for pattern in args.models
            if registry.matches_any(pattern) or not any(fnmatchcase(name, pattern) for name in gone)
        ]
    entries = lock.entries.values()
    locked = {entry.model for entry in entries}
    if args.all or (not locked and not args.check):
        return flags.patterns_from_args(args)
    if not locked:
        hint = "posezoo lock MODEL adds entries"
        problem = "has no entry to check" if lock.path.exists() else "does not exist"
        raise LockError(f"{lock.path}: {problem}", hint=hint)
    composites = {entry.model for entry in entries if entry.file == COMPOSITE_YML}
    return sorted(locked - composites.union(gone))
