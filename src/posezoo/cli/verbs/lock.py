"""posezoo lock: what a user or a team agrees to, by SHA-384; who signed it.

``posezoo lock --format json``::

    lock      str
    changes   list  model, file, change (added, changed, removed), was, now (SHA-384, or empty)
    failed    list  name, reason, hint

Exit code 1 where a model could not be taken in, or with --check where anything differs, an IR from
what was made of it too.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.report import Console

if TYPE_CHECKING:
    from posezoo.lockfile.entries import LockEntries
    from posezoo.lockfile.update import LockChange
    from posezoo.pipeline.zoo_context import Context

EXAMPLES = """
posezoo lock blazepose-full
posezoo lock --all --dry_run
posezoo lock --check
posezoo lock --sign team.key
posezoo lock --verify_signature team.pub
posezoo get blazepose-full --locked
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(
        verbs, "lock", "write down what --locked takes: SHA-384 of each model.yml, file and IR", EXAMPLES
    )
    flags.add_model_flags(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="only say what differs from the lock; 1 where anything does"
    )
    what.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign the lock with an elliptic-curve private key (PEM)"
    )
    what.add_argument(
        "--verify_signature", type=Path, metavar="KEY", help="hold the lock's signature against a public key"
    )
    parser.add_argument(
        "--allow_rollback", action="store_true", help="take in a model.yml that is older than the lock's"
    )
    parser.add_argument(
        "--prune", action="store_true", help="also drop the models that the registry has no more"
    )
    flags.add_download_dir_flag(parser, "the output folder")
    flags.add_output_dir_flag(parser, "where files and IR lie")
    flags.add_flags(parser, "lock", "models_dir", "dry_run")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Take in, check, sign, or check who signed."""
    settings = replace(flags.settings_from_args(args), locked=False)  # a newer state is what it is about
    if args.sign is not None or args.verify_signature is not None:
        return _signature(args, settings.lock)
    from posezoo.pipeline.zoo_context import open_context

    context = open_context(settings, download_dir=args.download_dir)
    with Console(quiet=args.quiet) as console:
        found, warnings, failures = _take_in(args, context, console)
    if args.format == "json":
        rows = [asdict(each) for each in found]
        print(json.dumps({"lock": str(context.lock.path), "changes": rows, "failed": failures}, indent=2))
    else:
        for each in found:
            print(each)
        print(_sum(args, context, found, warnings))
    return 1 if failures or (args.check and (found or warnings)) else 0


def _sum(args: argparse.Namespace, context: Context, found: list[LockChange], warnings: int) -> str:
    path = context.lock.path
    if warnings and not found:
        return (
            f"{path} has all the rest already; {warnings} IR {'are' if warnings > 1 else 'is'} not taken in"
        )
    if not found:
        return f"{path} has it all already"
    lines = f"{len(found)} line{'s' if len(found) > 1 else ''}"
    if args.check:
        return f"{path} differs in {lines}; posezoo lock takes them in"
    return f"would write {lines} of {path}" if args.dry_run else f"{lines} of {path} written"


def _take_in(
    args: argparse.Namespace, context: Context, console: Console
) -> tuple[list[LockChange], int, list[dict[str, str]]]:
    """The lines that change, how many IR are not as they were made, and the models that nobody could read."""
    from posezoo.cli import model_jobs
    from posezoo.cli.selection import select_models
    from posezoo.errors import LockError
    from posezoo.lockfile.snapshot import ModelSnapshot, collect_entries
    from posezoo.lockfile.update import list_changes, merge_entries
    from posezoo.spec.model import ModelSpec

    patterns, gone = _patterns(args, context)
    selection = select_models(context.registry, patterns, console)
    surveys: list[tuple[ModelSpec, ModelSnapshot]] = []

    def look(spec: ModelSpec) -> dict[str, object]:
        found = collect_entries(context.lock.with_pins(spec), context.layout, context.lock.timestamp)
        # Refused before anything is written, and alone.
        merge_entries(context.lock.entries, found.entries, found.unpinned, allow_rollback=args.allow_rollback)
        for line in found.warnings:
            console.warn(line)
        for name in found.unpinned:
            console.warn(
                f"{spec.full_name}: {name}: its SHA-384 is not known before it is here: "
                f"posezoo download {spec.full_name}"
            )
        surveys.append((spec, found))
        return {}

    report = model_jobs.run_for_each(selection, look, console)
    for name in () if args.prune else gone:
        error = LockError(
            f"{name}: is in {context.lock.path}, and this registry has it no more: "
            "it is older, or another one",
            hint="bring the newer registry, or say --prune",
        )
        console.print_error(error)
        report.failures.append({"name": name, "reason": error.problem, "hint": error.hint})
    was: LockEntries = {}
    becomes: LockEntries = {}

    def take(entries: LockEntries) -> LockEntries:
        was.update(entries)
        kept = {key: entry for key, entry in entries.items() if not (args.prune and entry.model in gone)}
        for _, found in surveys:
            kept = merge_entries(kept, found.entries, found.unpinned, allow_rollback=args.allow_rollback)
        becomes.update(kept)
        return kept

    if args.check or args.dry_run:
        take(context.lock.entries)
    else:
        context.lock.update(take)
    warnings = sum(len(found.warnings) for _, found in surveys)
    return list_changes(was, becomes), warnings, report.failures


def _patterns(args: argparse.Namespace, context: Context) -> tuple[list[str] | None, list[str]]:
    """What selects models, where nothing is said those of the lock; and those of the lock that are gone.

    Raises:
        LockError: a lock without entries is to be checked.
    """
    from posezoo.errors import LockError

    locked = sorted({entry.model for entry in context.lock.entries.values()})
    gone = [name for name in locked if not context.registry.matches_any(name)]
    if args.check and not (args.models or args.all or locked):
        raise LockError(f"{context.lock.path}: has no entry to check", hint="posezoo lock MODEL writes some")
    if args.models or args.all or not locked:
        said = flags.patterns_from_args(args)
        return (None if said is None else list(said)), gone if args.all else []
    return [name for name in locked if name not in gone], gone


def _signature(args: argparse.Namespace, lock: Path) -> int:
    """Sign, or check who signed: exit code 1 where that is not so."""
    from posezoo.lockfile.signature import require_signature, sign, signature_path

    if args.models or args.all:
        args.parser.error("a signature is that of the whole lock: name no models")
    if args.verify_signature is not None:
        require_signature(lock, args.verify_signature)
        said = {"lock": str(lock), "signature": str(signature_path(lock)), "key": str(args.verify_signature)}
        words = f"{lock} is as whoever has the key to {args.verify_signature} signed it"
    else:
        path = signature_path(lock) if args.dry_run else sign(lock, args.sign)
        said = {"lock": str(lock), "signature": str(path)}
        words = f"would write {path}" if args.dry_run else str(path)
    print(json.dumps(said, indent=2) if args.format == "json" else words)
    return 0
