"""Models side by side: what was measured of each, or declared; what nobody knows stays empty."""

from __future__ import annotations

from posezoo.facts.comparison import (
    COLUMNS,
    ComparisonRow,
    MeasurementSelection,
    MetricSource,
    ModelComparison,
    SourcedMetric,
    compare_models,
)

__all__ = [
    "COLUMNS",
    "ComparisonRow",
    "MeasurementSelection",
    "MetricSource",
    "ModelComparison",
    "SourcedMetric",
    "compare_models",
]
