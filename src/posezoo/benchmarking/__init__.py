"""How fast models run: each in a process of its own, over several rounds, one at a time or in turns."""

from __future__ import annotations

from posezoo.benchmarking.benchmark_result import (
    BenchmarkResult,
    MedianRange,
    create_speed_measurement,
    select_best_batch,
)
from posezoo.benchmarking.interleaving import MIN_ROUNDS, BenchmarkSchedule, run_rounds
from posezoo.benchmarking.speed_comparison import SpeedComparison, compare_results
from posezoo.benchmarking.timed_round import BenchmarkRound
from posezoo.benchmarking.workloads import BenchmarkCase, LoadedWorkload, NetworkWorkload, PipelineWorkload

__all__ = [
    "MIN_ROUNDS",
    "BenchmarkCase",
    "BenchmarkResult",
    "BenchmarkRound",
    "BenchmarkSchedule",
    "LoadedWorkload",
    "MedianRange",
    "NetworkWorkload",
    "PipelineWorkload",
    "SpeedComparison",
    "compare_results",
    "create_speed_measurement",
    "run_rounds",
    "select_best_batch",
]
