"""posezoo cache remove: remove the files and IR of models that posezoo wrote; others are kept and
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.selection import select_models
from posezoo.console.json_projection import project
from posezoo.console.labels import format_count, format_megabytes
from posezoo.console.report import print_result

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.lockfile import LockFile
    from posezoo.core.pipeline.cache_entries import CacheEntry
    from posezoo.core.pipeline.removal import RemovalPlan
    from posezoo.core.registry import Selection
    from posezoo.core.resolve.stage_context import Context


class RemovalArgs(flags.ModelsArgs, flags.FormatArgs):
    """The values of the flags of posezoo cache remove."""


def remove_models(args: RemovalArgs) -> int:
    """Report what is removed and what is kept, and remove it; 1 if a changed file is kept."""
    from posezoo.core.pipeline.removal import plan_removal, remove_files

    context = flags.context_from_args(args, {"locked": False})
    cache_dir = context.settings.cache_dir
    with flags.console_from_args(args) as console:
        selection = _select(args.models, context, console)
        plan = plan_removal(selection.models, selection.composites, context.layout)
        cached = _list_cached(selection, cache_dir, context.lock)
        if not args.dry_run:
            remove_files(plan.removed, context.layout.roots)
    _print_plan(args, plan, cached, cache_dir)
    is_changed = any(artifact.state != "extra" for artifact in plan.kept)
    return 1 if is_changed or selection.problems else 0


def _select(names: Sequence[str], context: Context, console: Console) -> Selection:
    from posezoo.core.pipeline.removal import find_gone

    found = find_gone(context.layout, context.registry.entries)
    gone = {spec.full_name: spec for spec in found if spec.full_name in names}
    others = [name for name in names if name not in gone]
    selection = select_models(context.registry, others, console)
    return replace(selection, models=(*selection.models, *gone.values()))


def _print_plan(
    args: RemovalArgs, plan: RemovalPlan, cached: Sequence[CacheEntry], cache_dir: Path
) -> None:
    size_bytes = sum(entry.size for entry in cached)
    answer = {
        "removed": plan.removed,
        "kept": [project(artifact, "path state") for artifact in plan.kept],
        "bytes": plan.size_bytes,
        "cache": {
            "dir": cache_dir,
            "files": [entry.path for entry in cached],
            "bytes": size_bytes,
        },
    }
    lines = [f"{path}" for path in plan.removed]
    lines += [f"kept: {artifact.path} ({_REASONS[artifact.state]})" for artifact in plan.kept]
    action = "would be removed" if args.dry_run else "were removed"
    count = format_count(len(plan.removed), "file")
    lines.append(f"{count}, {format_megabytes(plan.size_bytes)}, {action}")
    if cached:
        size = format_megabytes(size_bytes)
        count = format_count(len(cached), "file")
        lines.append(
            f"the cache keeps {count} of these models, {size}: posezoo cache list shows all"
        )
    print_result(args.format, answer, *lines)


#: Why a file is kept, by its state.
_REASONS = {
    "changed": "it was changed since posezoo wrote it",
    "unknown": "posezoo has no record of it",
    "extra": "posezoo did not write it",
    "symlinked": "it is a link, or behind one that leads out of the folder",
    "special": "it is not a regular file",
}


def _list_cached(selection: Selection, cache_dir: Path, lock: LockFile) -> Sequence[CacheEntry]:
    from posezoo.core.pipeline.cache_entries import file_names_by_digest, list_entries

    entries = list_entries(cache_dir, file_names_by_digest(selection.models, lock))
    models = {variant.full_name for spec in selection.models for variant in (spec, *spec.variants)}
    return [
        entry
        for entry in entries
        if not models.isdisjoint(name.partition(":")[0] for name in entry.names)
    ]
