"""posezoo cache: list the files that are cached by digest, or remove unused ones; or remove the
files and IR of models that posezoo wrote.

``posezoo cache list|prune --format json``::

    cache_dir    str
    bytes        int   of the entries below
    entries      list  with list all entries, with prune the removed ones: path, algorithm, digest,
                       size, changed (ISO 8601, UTC) and files (``model: file``)
    compiled     list  with prune --all the removed networks that were compiled for the CPU:
                       path, size

``posezoo cache remove MODEL --format json``::

    removed      list  paths, also with --dry_run
    kept         list  path, state (as in posezoo verify)
    bytes        int   of what is removed
    cache        dict  dir, files (paths of the models' files in the cache, which stay there), bytes

The exit code is 1 if remove keeps a file since it was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag, Shared
from posezoo.cli.model_removal import RemovalArgs, remove_models
from posezoo.console.json_projection import project
from posezoo.console.labels import format_count, format_megabytes
from posezoo.console.report import align_columns, print_result

if TYPE_CHECKING:
    from posezoo.core.pipeline.cache_entries import CacheEntry

EXAMPLES = """
posezoo cache list
posezoo cache prune --dry_run
posezoo cache remove movenet-lightning
posezoo cache remove "rtmpose-*" --weights_dir weights
"""

FLAGS = (
    Flag(
        "what",
        "list: show all files; prune: remove the files that belong to no model of the registries in"
        " use, and those that interrupted runs left; to keep all files of your models, give the"
        " same --models_dir, --registry and --lock as for their downloads; remove: remove the files"
        " and IR of models that posezoo wrote, and keep those of the cache",
        choices=("list", "prune", "remove"),
    ),
    Flag("models MODEL", "names or globs of the models", nargs="*", needs="what=remove"),
    Flag(
        "--all",
        "with prune: remove all files and, without --cache_dir, the networks that were compiled for"
        " the CPU, which the next run compiles again",
        needs="what=prune",
    ),
    Flag("--cache_dir DIR", "folder of the cache (default: the one that downloads use)"),
    f"lock {flags.REGISTRY}",
    Flag(
        "--dry_run",
        "with prune and remove: only report what would be removed",
        needs="what=prune what=remove",
    ),
    replace(flags.download_dir_flag(), needs="what=remove"),
    Shared("weights_dir", needs="what=remove"),
    flags.FORMAT,
)


class _CacheArgs(RemovalArgs):
    what: str
    cache_dir: Path | None


def run(args: _CacheArgs) -> int:
    """List the cache, or remove files from it, or those of models."""
    if args.what == "remove":
        if not args.models:
            args.parser.error("remove needs the names of models")
        return remove_models(args)
    from posezoo.core.lockfile import LockFile
    from posezoo.core.pipeline.cache_entries import (
        file_names_by_digest,
        list_compiled,
        list_entries,
        remove_compiled,
        remove_entries,
    )
    from posezoo.core.pipeline.zoo_context import registry_from_settings

    settings = flags.settings_from_args(args)
    root = settings.cache_dir
    selection = registry_from_settings(settings).select(None)
    with flags.console_from_args(args) as console:
        for problem in selection.problems:  # the files of this model may look unused
            console.warn(problem.problem)
        lock = LockFile(settings.lock)
        entries = list_entries(root, file_names_by_digest(selection.models, lock))
        shown, summary = _select(args, entries)
        compiled = list_compiled() if args.all and args.cache_dir is None else {}
        if args.what == "prune" and not args.dry_run:
            remove_entries(root, shown)
            remove_compiled(compiled)
        answer, lines = _describe(root, shown, summary)
        answer["compiled"] = [{"path": path, "size": size} for path, size in compiled.items()]
        if compiled:
            size = format_megabytes(sum(compiled.values()))
            networks = format_count(len(compiled), "compiled network")
            lines.append(f"{next(iter(compiled)).parent}: {networks}, {size}")
    print_result(args.format, answer, *lines)
    return 0


def _select(args: _CacheArgs, entries: Sequence[CacheEntry]) -> tuple[Sequence[CacheEntry], str]:
    if args.what == "list":
        return entries, f"{len(entries)} files"
    unused = [entry for entry in entries if args.all or not entry.names]
    action = "would be removed" if args.dry_run else "were removed"
    return unused, f"{len(unused)} of {len(entries)} files {action}"


def _describe(
    root: Path, entries: Sequence[CacheEntry], summary: str
) -> tuple[dict[str, object], list[str]]:
    answers = []
    rows = []
    for entry in entries:
        changed = datetime.fromtimestamp(entry.changed, timezone.utc).isoformat(timespec="seconds")
        row = project(entry, "path algorithm=digest.algorithm digest=digest.value size")
        answers.append({**row, "changed": changed, "files": list(entry.names)})
        names = ", ".join(entry.names) or "no model's"
        rows.append((format_megabytes(entry.size), changed[:10], str(entry.digest), names))
    lines = []
    if rows:
        lines = align_columns(rows, right=frozenset({0}))
    size = sum(entry.size for entry in entries)
    total = f", {format_megabytes(size)}" if entries else ""
    answer = {"cache_dir": root, "bytes": size, "entries": answers}
    return answer, [*lines, f"{root}: {summary}{total}"]
