"""Two cases that ran in turns: how much faster one is, round by round.

What else a machine does slows both rounds of a pair, so that their ratio is steadier than each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from posezoo.benchmarking.benchmark_result import BenchmarkResult, MedianRange


@dataclass(frozen=True, slots=True)
class SpeedComparison:
    """One result beside the one that it is held against.

    Attributes:
        base: what it is held against.
        other: what is held.
        ratio: pictures a second of ``other`` over those of ``base``, of each pair of rounds: above 1 it is
            faster.
    """

    base: BenchmarkResult
    other: BenchmarkResult
    ratio: MedianRange


def compare_results(base: BenchmarkResult, other: BenchmarkResult) -> SpeedComparison:
    """Hold one result against another that ran in turns with it; a round without its pair is left out."""
    pairs = zip(base.rounds, other.rounds, strict=False)
    ratios = [reference.throughput_fps / ours.throughput_fps for ours, reference in pairs]
    return SpeedComparison(base, other, MedianRange(min(ratios), median(ratios), max(ratios)))
