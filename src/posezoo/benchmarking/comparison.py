"""Two cases that ran in turns: how much faster one is, round by round.

What else a machine does slows both rounds of a pair, so that their ratio is steadier than each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from posezoo.benchmarking.result import Result, Spread


@dataclass(frozen=True, slots=True)
class Comparison:
    """One result beside the one that it is held against.

    Attributes:
        base: what it is held against.
        other: what is held.
        ratio: pictures a second of ``other`` over those of ``base``, of each pair of rounds: above 1 it is
            faster.
    """

    base: Result
    other: Result
    ratio: Spread


def compared(base: Result, other: Result) -> Comparison:
    """Hold one result against another that ran in turns with it; a round without its pair is left out."""
    pairs = zip(base.rounds, other.rounds, strict=False)
    ratios = [theirs.throughput_fps / ours.throughput_fps for ours, theirs in pairs]
    return Comparison(base, other, Spread(min(ratios), median(ratios), max(ratios)))
