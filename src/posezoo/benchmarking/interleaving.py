"""Runs the rounds of one benchmark case, or of several in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from posezoo.benchmarking.benchmark_process import BenchmarkProcess
from posezoo.benchmarking.benchmark_result import BenchmarkResult
from posezoo.benchmarking.timed_round import BenchmarkRound
from posezoo.benchmarking.workloads import BenchmarkCase
from posezoo.errors import PosezooError
from posezoo.events import BenchmarkProgress, BenchmarkStarted, Listener, ignore_event

#: With fewer rounds the range of the values is unknown.
MIN_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class BenchmarkSchedule:
    """The number and duration of rounds.

    Attributes:
        rounds: the number of rounds after one warm-up round.
        seconds: the minimum duration of a round.
    """

    rounds: int = MIN_ROUNDS
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.rounds < MIN_ROUNDS or not 0 < self.seconds < 3600:
            raise PosezooError(
                f"expected {MIN_ROUNDS} rounds or more of 0 to 3600 seconds, "
                f"got {self.rounds} of {self.seconds:g}"
            )


def run_rounds(
    cases: Sequence[BenchmarkCase], schedule: BenchmarkSchedule, *, listener: Listener = ignore_event
) -> Iterator[tuple[BenchmarkResult, ...]]:
    """Measure cases in turns: one round of each case, then the next round of each.

    Args:
        cases: the cases; each is loaded in its own process, and all processes run until the end.
        schedule: the number and duration of rounds.
        listener: receives an event for each round.

    Yields:
        After each round of all cases, the results so far, in the order of the cases.

    Raises:
        PosezooError: a case cannot be loaded, or fails later.
    """
    with ExitStack() as stack:
        processes = []
        for case in cases:
            listener(BenchmarkStarted(case.label, schedule.rounds))
            processes.append(stack.enter_context(BenchmarkProcess(case)))
        for process in processes:
            process.run(schedule.seconds)
        rounds: list[list[BenchmarkRound]] = [[] for _ in processes]
        for number in range(1, schedule.rounds + 1):
            for process, measured in zip(processes, rounds, strict=True):
                measured.append(process.run(schedule.seconds))
            yield tuple(
                BenchmarkResult(process.case, process.info, tuple(measured))
                for process, measured in zip(processes, rounds, strict=True)
            )
            # Events follow the yield: a user who sees a reported round and presses ^C keeps its result.
            for process, measured in zip(processes, rounds, strict=True):
                throughput = measured[-1].throughput_fps
                listener(BenchmarkProgress(process.case.label, number, schedule.rounds, throughput))
