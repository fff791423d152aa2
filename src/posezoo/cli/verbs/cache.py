"""posezoo cache: list the files that are cached by digest, verify them, or remove unused ones.

``posezoo cache list|verify|prune --format json``::

    cache_dir    str
    bytes        int   of the entries below
    entries      list  with list all entries, with verify the damaged, with prune the removed ones:
                       path, algorithm, digest, size, changed (ISO 8601, UTC) and files (``model:
                       file``)

The exit code is 1 if verify finds a damaged entry.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import align_columns, print_result
from posezoo.console import Console

if TYPE_CHECKING:
    from posezoo.download.cache_entries import CacheEntry

EXAMPLES = """
posezoo cache list
posezoo cache verify
posezoo cache prune --dry_run
posezoo cache prune --older_than 90 --damaged
"""

_DAY_S = 86400.0

FLAGS = (
    Flag(
        "what",
        "list: show all files; verify: read all files and show the damaged ones; prune: remove the"
        " files that belong to no model, and what interrupted runs left",
        choices=("list", "verify", "prune"),
    ),
    Flag("--damaged", "with prune: also remove damaged files; all files are read"),
    Flag(
        "--older_than DAYS",
        "with prune: also remove files that were written more than DAYS days ago",
        flags.number(0, 36500),
    ),
    Flag("--everything", "with prune: remove all files"),
    Flag(
        "--cache_dir DIR",
        "folder of the cache (default: the one that downloads use)",
        flags.folder_or_store,
    ),
    flags.REGISTRY,
    Flag("--dry_run", "with prune: only report what would be removed"),
    flags.FORMAT,
)


def run(args: argparse.Namespace) -> int:
    """List the cache, verify it, or remove files from it."""
    from posezoo.download.cache_entries import file_names_by_digest, list_entries
    from posezoo.pipeline.zoo_context import registry_from_settings

    is_for_prune = args.damaged or args.everything or args.dry_run or args.older_than is not None
    if args.what != "prune" and is_for_prune:
        args.parser.error("--damaged, --older_than, --everything and --dry_run are only for prune")
    settings = flags.settings_from_args(args)
    flags.require_local("cache", settings.cache_dir)
    selection = registry_from_settings(settings).select(None)
    with Console(quiet=args.quiet) as console:
        for problem in selection.problems:  # the files of this model may look unused
            console.warn(problem.problem)
        entries = list_entries(settings.cache_dir, file_names_by_digest(selection.models))
        if args.what == "verify":
            return _verify(args, settings.cache_dir, entries, console)
        if args.what == "prune":
            _prune(args, settings.cache_dir, entries)
        else:
            _print(args, settings.cache_dir, entries, f"{len(entries)} files")
    return 0


def _verify(
    args: argparse.Namespace, root: Path, entries: Sequence[CacheEntry], console: Console
) -> int:
    damaged = [entry for entry in entries if entry.is_damaged()]
    _print(args, root, damaged, f"{len(damaged)} of {len(entries)} files are damaged")
    if not damaged:
        return 0
    console.print_line(
        "a download notices that and downloads them again; "
        "posezoo cache prune --damaged removes them"
    )
    return 1


def _prune(args: argparse.Namespace, root: Path, entries: Sequence[CacheEntry]) -> None:
    from posezoo.download.cache_entries import remove_entries

    since = time.time() - args.older_than * _DAY_S if args.older_than is not None else 0.0

    def is_removed(entry: CacheEntry) -> bool:
        if args.everything or not entry.names or entry.changed < since:
            return True
        return args.damaged and entry.is_damaged()

    removed = list(filter(is_removed, entries))
    if not args.dry_run:
        remove_entries(root, removed)
    action = "would be removed" if args.dry_run else "were removed"
    _print(args, root, removed, f"{len(removed)} of {len(entries)} files {action}")


def _print(
    args: argparse.Namespace, root: Path, entries: Sequence[CacheEntry], summary: str
) -> None:
    size = sum(entry.size for entry in entries)
    answers, rows = [], []
    for entry in entries:
        changed = datetime.fromtimestamp(entry.changed, timezone.utc).isoformat(timespec="seconds")
        answers.append(
            {
                "path": str(entry.path),
                "algorithm": entry.digest.algorithm,
                "digest": entry.digest.value,
                "size": entry.size,
                "changed": changed,
                "files": list(entry.names),
            }
        )
        names = ", ".join(entry.names) or "no model's"
        rows.append((f"{entry.size / 1e6:.1f} MB", changed[:10], str(entry.digest), names))
    print_result(
        args.format,
        {"cache_dir": str(root), "bytes": size, "entries": answers},
        *(align_columns(rows, right=frozenset({0})) if rows else ()),
        f"{root}: {summary}{f', {size / 1e6:.1f} MB' if entries else ''}",
    )
