"""best_rows(): the record of each model of posezoo's registry, in its best precision."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.pages.facts.comparison import ComparisonRow, compare_models
from posezoo.pages.facts.model_facts import describe_model
from posezoo.run.measurement_selection import MeasurementSelection


@cache
def best_rows() -> tuple[ComparisonRow, ...]:
    """Of all models, composites and parts, at the size that each declares; no IR is on this machine."""
    return tuple(row for row in rows_by_size() if not row.target_size)


@cache
def rows_by_size() -> tuple[ComparisonRow, ...]:
    """As ``best_rows``, and a row for each further size."""
    registry = open_registry()
    facts = [describe_model(model, registry) for model in map(registry.find, registry.entries)]
    layout = ModelLayout(Path("none"), Path("none"))
    return compare_models(facts, (), layout, MeasurementSelection(), every_row=True).rows
