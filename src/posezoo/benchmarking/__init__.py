"""How fast models run: each in its own process, over several rounds, alone or interleaved with others."""

from __future__ import annotations

from posezoo.benchmarking.benchmark_result import BenchmarkResult, SpeedComparison
from posezoo.benchmarking.interleaving import BenchmarkSchedule, run_rounds
from posezoo.benchmarking.workloads import BenchmarkCase, NetworkWorkload, PipelineWorkload

__all__ = [
    "BenchmarkCase",
    "BenchmarkResult",
    "BenchmarkSchedule",
    "NetworkWorkload",
    "PipelineWorkload",
    "SpeedComparison",
    "run_rounds",
]
