"""best_rows() and every_row(): the records of the models of posezoo's registry."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from posezoo.core.declarations.model import Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.figures.comparison import ComparisonRow, ModelComparison, compare_models
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.figures.model_facts import describe_model


def best_rows() -> list[ComparisonRow]:
    """One of each model, composite and part: FP16 if it has a row, at the size that it declares."""
    rows: dict[str, ComparisonRow] = {}
    for row in every_row():
        if row.target_size is None and (row.model not in rows or row.precision is Precision.FP16):
            rows[row.model] = row
    return [*rows.values()]


def every_row() -> tuple[ComparisonRow, ...]:
    """A row for each precision and size that was measured."""
    return compare_zoo().rows


@cache
def compare_zoo() -> ModelComparison:
    """The comparison of all models, as ``compare_models`` makes it; no IR is on this machine."""
    registry = open_registry()
    facts = [describe_model(model, registry) for model in map(registry.find, registry.entries)]
    layout = ModelLayout(Path("none"), Path("none"))
    return compare_models(facts, layout, MeasurementSelection())
