"""Models side by side: what was measured of each, or declared; what nobody knows stays empty."""

from __future__ import annotations

from posezoo.comparison.rows import COLUMNS, Comparison, Figures, Origin, Row, Value, compare

__all__ = ["COLUMNS", "Comparison", "Figures", "Origin", "Row", "Value", "compare"]
