"""best_rows(): the record of each model of posezoo's registry, in its best precision."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from posezoo.facts.comparison import ComparisonRow, MeasurementSelection, compare_models
from posezoo.facts.model_facts import describe_model
from posezoo.layout import ModelLayout
from posezoo.registry import open_registry


@cache
def best_rows() -> tuple[ComparisonRow, ...]:
    """Of all models, composites and parts; no IR is on this machine."""
    registry = open_registry()
    facts = [describe_model(model, registry) for model in map(registry.find, registry.entries)]
    layout = ModelLayout(Path("none"), Path("none"))
    return compare_models(facts, (), layout, MeasurementSelection()).rows
