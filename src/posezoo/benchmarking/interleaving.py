"""Who runs when: cases one at a time, or in turns, round by round."""

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

#: Fewer say nothing of how far figures spread.
MIN_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class BenchmarkSchedule:
    """How long to measure.

    Attributes:
        rounds: how many count; a first one warms up and does not.
        seconds: how long each takes, at least.
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
    cases: Sequence[BenchmarkCase], plan: BenchmarkSchedule, *, listener: Listener = ignore_event
) -> Iterator[tuple[BenchmarkResult, ...]]:
    """Measure cases in turns: a round of each, then the next round of each; or one case alone.

    Args:
        cases: each is loaded in a process of its own, and all of them stay there until the end.
        plan: for how long.

    Yields:
        After each round of all, what is known so far: a result for each case, in their order.

    Raises:
        PosezooError: a case cannot be loaded, or fails on the way.
    """
    with ExitStack() as stack:
        workers = []
        for case in cases:
            listener(BenchmarkStarted(case.label, plan.rounds))
            workers.append(stack.enter_context(BenchmarkProcess(case)))
        for worker in workers:
            worker.run(plan.seconds)
        rounds: list[list[BenchmarkRound]] = [[] for _ in workers]
        for number in range(1, plan.rounds + 1):
            for worker, known in zip(workers, rounds, strict=True):
                known.append(worker.run(plan.seconds))
            yield tuple(
                BenchmarkResult(worker.case, worker.ready, tuple(known))
                for worker, known in zip(workers, rounds, strict=True)
            )
            # Only now, so that whoever is told of a round and presses ^C finds it in what is known.
            for worker, known in zip(workers, rounds, strict=True):
                found = known[-1].throughput_fps
                listener(BenchmarkProgress(worker.case.label, number, plan.rounds, found))
