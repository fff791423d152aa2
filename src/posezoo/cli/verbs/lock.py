"""posezoo lock: record the SHA-384 of approved files in posezoo.lock, and sign or verify that
record.

``posezoo lock --format json``::

    lock      str
    changes   list  model, file, change (added, changed, removed), was, now (SHA-384, or empty)
    failed    list  name, reason, hint

The exit code is 1 if a model cannot be recorded, or if --check finds a difference, also in an IR.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.report import print_result
from posezoo.console import Console

if TYPE_CHECKING:
    from posezoo.events import Listener
    from posezoo.lockfile.entries import LockChange, LockEntries
    from posezoo.pipeline.zoo_context import Context

EXAMPLES = """
posezoo lock blazepose-full
posezoo lock --all --dry_run
posezoo lock --check
posezoo lock --sign team.key
posezoo lock --verify_signature team.pub
posezoo get blazepose-full --locked
"""

FLAGS = (
    flags.MODELS,
    FlagGroup(
        Flag("--check", "only report what differs from the lock; exit code 1 if anything does"),
        Flag("--sign KEY", "sign the lock with an elliptic-curve private key (PEM)", Path),
        Flag("--verify_signature KEY", "verify the lock's signature with a public key (PEM)", Path),
    ),
    Flag("--allow_rollback", "accept a model.yml that is older than the lock's"),
    Flag("--prune", "also remove the models that the registry does not have any more"),
    flags.download_dir_flag(),
    flags.weights_dir_flag("folder of the models' files and IR"),
    f"lock {flags.REGISTRY} dry_run {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Record, check, sign, or verify a signature."""
    if args.sign is not None or args.verify_signature is not None:
        return _signature(args, flags.settings_from_args(args).lock)
    context = flags.context_from_args(args, {"locked": False})  # the lock must accept a newer state
    flags.require_local("lock", context.layout.download_dir, context.layout.output_dir)
    with Console(quiet=args.quiet) as console:
        changes, warnings, failures = _record(args, context, console)
    rows = [asdict(change) for change in changes]
    answer = {"lock": str(context.lock.path), "changes": rows, "failed": failures}
    print_result(args.format, answer, *changes, _summary(args, context, changes, warnings))
    return 1 if failures or (args.check and (changes or warnings)) else 0


def _summary(
    args: argparse.Namespace, context: Context, changes: list[LockChange], warnings: int
) -> str:
    path = context.lock.path
    if warnings and not changes:
        are = "are" if warnings > 1 else "is"
        return f"{path} is up to date, but {warnings} IR {are} not recorded"
    if not changes:
        return f"{path} is up to date"
    lines = f"{len(changes)} line{'s' if len(changes) > 1 else ''}"
    if args.check:
        return f"{path} differs in {lines}; posezoo lock records them"
    return f"would write {lines} of {path}" if args.dry_run else f"{lines} of {path} written"


def _record(
    args: argparse.Namespace, context: Context, console: Console
) -> tuple[list[LockChange], int, list[dict[str, str]]]:
    """The changed lines, the number of IRs that differ from their records, and the models that
    failed.
    """
    from posezoo.cli import model_jobs
    from posezoo.cli.selection import select_models
    from posezoo.errors import LockError
    from posezoo.lockfile.entries import ModelSnapshot, collect_entries, list_changes, merge_entries
    from posezoo.registry import format_command
    from posezoo.spec.model import ModelSpec

    patterns, gone = _patterns(args, context)
    selection = select_models(context.registry, patterns, console)
    snapshots: list[ModelSnapshot] = []

    def inspect(spec: ModelSpec, _listener: Listener) -> model_jobs.Answer:
        snapshot = collect_entries(
            context.lock.with_pins(spec), context.layout, context.lock.timestamp
        )
        # An error here concerns only this model; nothing has been written yet.
        merge_entries(
            context.lock.entries,
            snapshot.entries,
            snapshot.unpinned,
            allow_rollback=args.allow_rollback,
        )
        for line in snapshot.warnings:
            console.warn(line)
        for name in snapshot.unpinned:
            console.warn(
                f"{spec.full_name}: {name}: its SHA-384 is unknown until it is downloaded: "
                f"{format_command('download', spec, context.layout.download_dir)}"
            )
        snapshots.append(snapshot)
        return model_jobs.Answer()

    report = model_jobs.run_for_each(selection, inspect, console)
    for name in () if args.prune else gone:
        error = LockError(
            f"{name}: is in {context.lock.path}, but not in this registry: it is older, or a"
            " different one",
            hint="use the newer registry, or use --prune",
        )
        console.print_error(error)
        report.add_failure(name, error)
    before: LockEntries = {}
    after: LockEntries = {}

    def merge(entries: LockEntries) -> LockEntries:
        before.update(entries)
        merged = {
            key: entry for key, entry in entries.items() if not (args.prune and entry.model in gone)
        }
        for snapshot in snapshots:
            merged = merge_entries(
                merged, snapshot.entries, snapshot.unpinned, allow_rollback=args.allow_rollback
            )
        after.update(merged)
        return merged

    if args.check or args.dry_run:
        merge(context.lock.entries)
    else:
        context.lock.update(merge)
    warnings = sum(len(snapshot.warnings) for snapshot in snapshots)
    return list_changes(before, after), warnings, report.failures


def _patterns(args: argparse.Namespace, context: Context) -> tuple[list[str] | None, list[str]]:
    """The patterns that select models, by default the names in the lock; and the names that are
    gone.
    """
    from posezoo.errors import LockError

    locked = sorted({entry.model for entry in context.lock.entries.values()})
    gone = [name for name in locked if not context.registry.matches_any(name)]
    if args.check and not (args.models or args.all or locked):
        raise LockError(
            f"{context.lock.path}: has no entry to check", hint="posezoo lock MODEL writes some"
        )
    if args.models or args.all or not locked:
        patterns = flags.patterns_from_args(args)
        return (None if patterns is None else list(patterns)), gone if args.all else []
    return [name for name in locked if name not in gone], gone


def _signature(args: argparse.Namespace, lock: Path) -> int:
    from posezoo.lockfile.signature import require_signature, sign, signature_path

    if args.models or args.all:
        args.parser.error("a signature covers the whole lock: name no models")
    if args.verify_signature is not None:
        require_signature(lock, args.verify_signature)
        answer = {
            "lock": str(lock),
            "signature": str(signature_path(lock)),
            "key": str(args.verify_signature),
        }
        text = (
            f"{lock} was signed with the private key of {args.verify_signature}, and not changed"
            " since"
        )
    else:
        path = signature_path(lock) if args.dry_run else sign(lock, args.sign)
        answer = {"lock": str(lock), "signature": str(path)}
        text = f"would write {path}" if args.dry_run else str(path)
    print_result(args.format, answer, text)
    return 0
