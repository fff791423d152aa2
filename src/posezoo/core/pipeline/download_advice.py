"""What the user can do if a model cannot be downloaded."""

from __future__ import annotations

from collections.abc import Sequence

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.download.availability import (
    LOCAL,
    PACKAGE_INDEXES,
    find_availability,
)
from posezoo.core.errors import DownloadError
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context


def advise_after_failure(error: DownloadError, resolved: Resolved, context: Context) -> None:
    """Put into the hint of a failed download which precision, own weights or other models can be
    run.
    """
    spec = resolved.spec
    others: Sequence[str] = ()
    if spec.is_ir:
        weights = find_availability(spec, resolved.layout, context.download_options)
        others = weights.local_precisions
    if others:
        available = f"its files in {' and '.join(others)} are available"
        error.hint = f"{available}: choose the precision {others[0]}"
        return
    if not error.is_gone:
        return
    advice = [error.hint]
    if spec.network:
        advice.append(f"{format_command('run', spec)} --checkpoint FILE runs weights of your own")
    models = _find_models_instead(spec, context)
    if models:
        advice.append(f"models with the same task that are available: {', '.join(models)}")
    error.hint = "; ".join(advice)


def _find_models_instead(spec: ModelSpec, context: Context) -> list[str]:
    """Up to three models with the same task: those on this machine, then those on package
    indexes.
    """
    local = []
    indexed = []
    for model in context.registry.select().all:
        if model.task != spec.task or model.full_name == spec.full_name or model.composite:
            continue
        origins: set[str] = set()
        for part in context.registry.parts(model):
            weights = find_availability(part, context.layout, context.download_options)
            origins.update(weights.best_places)
        if origins <= LOCAL:
            local.append(model.full_name)
        elif origins <= LOCAL | PACKAGE_INDEXES:
            indexed.append(model.full_name)
    return [*local, *indexed][:3]
