"""How fast models run: each in a process of its own, over several rounds, one at a time or in turns."""

from __future__ import annotations

from posezoo.benchmarking.comparison import Comparison, compared
from posezoo.benchmarking.loop import Round
from posezoo.benchmarking.result import Result, Spread, best_batch, measurement_of
from posezoo.benchmarking.subjects import Case, NetworkAlone, Ready, WholePipeline
from posezoo.benchmarking.turns import MIN_ROUNDS, Plan, measure

__all__ = [
    "MIN_ROUNDS",
    "Case",
    "Comparison",
    "NetworkAlone",
    "Plan",
    "Ready",
    "Result",
    "Round",
    "Spread",
    "WholePipeline",
    "best_batch",
    "compared",
    "measure",
    "measurement_of",
]
