"""best_rows() and every_row(): the records of the models of posezoo's registry."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.pages.facts.comparison import ComparisonRow, ModelComparison, compare_models
from posezoo.pages.facts.model_facts import describe_model
from posezoo.run.measurement_selection import MeasurementSelection


@cache
def best_rows() -> tuple[ComparisonRow, ...]:
    """One of each model, composite and part: in its best precision, at the size that it declares; no
    IR is on this machine.
    """
    return compare_zoo(every_row=False).rows


@cache
def every_row() -> tuple[ComparisonRow, ...]:
    """A row for each precision and size that was measured."""
    return compare_zoo(every_row=True).rows


@cache
def compare_zoo(*, every_row: bool) -> ModelComparison:
    """The comparison of all models, as ``compare_models`` makes it."""
    registry = open_registry()
    facts = [describe_model(model, registry) for model in map(registry.find, registry.entries)]
    layout = ModelLayout(Path("none"), Path("none"))
    return compare_models(facts, (), layout, MeasurementSelection(), every_row=every_row)
