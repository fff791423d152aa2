"""Measure benchmark cases in rounds, each in its own process.

A new process has only the memory of its case, and a crash ends only this case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from posezoo.core.errors import InferenceError, PosezooError
from posezoo.core.events import BenchmarkProgress, BenchmarkStarted, Listener, ignore_event
from posezoo.core.operating_system import peak_memory_mib
from posezoo.core.workers.processes import ChildProcess, ProcessEndedError, never_cancelled
from posezoo.measure.benchmarking.benchmark_result import BenchmarkResult, BenchmarkRound
from posezoo.measure.benchmarking.workloads import BenchmarkCase, Work, WorkloadInfo

#: The number of rounds after the warm-up.
ROUNDS = 5


def run_rounds(
    case: BenchmarkCase, seconds: float = 1.0, *, listener: Listener = ignore_event
) -> Iterator[BenchmarkResult]:
    """Measure a case in ``ROUNDS`` rounds of at least some ``seconds``, after one to warm up.

    Yields:
        After each round, the result so far.

    Raises:
        PosezooError: the case cannot be loaded, or fails later.
    """
    listener(BenchmarkStarted(case.label, ROUNDS))
    with BenchmarkProcess(case) as process:
        process.run(seconds)  # the warm-up round
        rounds: list[BenchmarkRound] = []
        for number in range(1, ROUNDS + 1):
            rounds.append(process.run(seconds))
            yield BenchmarkResult(case, process.info, tuple(rounds))
            # The event follows the yield: a user who sees a reported round and presses ^C keeps
            # its result.
            listener(BenchmarkProgress(case.label, number, ROUNDS, rounds[-1].throughput_fps))


class BenchmarkProcess(AbstractContextManager["BenchmarkProcess"]):
    """A process that measures one case, until the context ends; ``info`` says how it runs.

    Raises:
        PosezooError: the case cannot be loaded, or its process ended.
    """

    def __init__(self, case: BenchmarkCase) -> None:
        self.case = case
        self._process = ChildProcess(_CaseRunner(case))
        try:
            self.info: WorkloadInfo = self._call(0)
        except BaseException:
            self._process.terminate()
            raise

    def run(self, seconds: float) -> BenchmarkRound:
        """Run one round.

        Raises:
            InferenceError: the device failed, or the process ended.
        """
        result: BenchmarkRound = self._call(seconds)
        return result

    def _call(self, seconds: float) -> Any:
        try:
            return self._process.call((seconds,), never_cancelled)
        except ProcessEndedError as error:
            raise InferenceError(
                f"{self.case.label}: {error.problem}",
                hint="is there enough memory? a smaller batch, or fewer requests, needs less",
            ) from None

    def __exit__(self, *_: object) -> None:
        self._process.terminate()


class _CaseRunner:
    """Runs in the child: the first call loads the case, each further call runs a round."""

    def __init__(self, case: BenchmarkCase) -> None:
        self._case = case
        self._loaded: tuple[Work, WorkloadInfo] | None = None

    def __call__(self, seconds: float) -> WorkloadInfo | BenchmarkRound:
        try:
            if self._loaded is None:
                self._loaded = self._case.workload.load(self._case.runtime)
                return self._loaded[1]
            work, info = self._loaded
            begun_s = time.process_time()
            rate, latencies_ms = run_timed(work, info.requests, seconds)
            cpu_ms = 1e3 * (time.process_time() - begun_s) / (len(latencies_ms) * info.batch)
            return BenchmarkRound(rate * info.batch, latencies_ms, cpu_ms, peak_memory_mib())
        except PosezooError:
            raise
        except MemoryError as error:
            problem = f"{self._case.label}: there is not enough memory"
            raise InferenceError(problem, hint="try a smaller batch") from error
        except Exception as error:  # a bug, which the parent reports
            raise RuntimeError(f"{self._case.label}: {type(error).__name__}: {error}") from error


def run_timed(
    work: Callable[[], None], at_once: int, seconds: float
) -> tuple[float, tuple[float, ...]]:
    """Repeat thread-safe work in ``at_once`` threads for some ``seconds``, at least once in each.

    Returns:
        Runs per second, and the milliseconds of each run. Each thread's rate counts up to the end
        of its own last run, and the rates are added, so that waiting for the slowest does not lower
        the rate, and throughput times mean latency is about ``at_once``.
    """
    deadline = time.perf_counter() + seconds

    def repeat() -> tuple[float, list[float]]:
        latencies: list[float] = []
        start_time = now = time.perf_counter()
        while now < deadline or not latencies:
            work()
            before = now
            now = time.perf_counter()
            latencies.append(now - before)
        return now - start_time, latencies

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(repeat) for _ in range(at_once)]
        threads = [future.result() for future in futures]
    rate = sum(len(latencies) / max(elapsed, 1e-9) for elapsed, latencies in threads)
    return rate, tuple(1e3 * latency for _, latencies in threads for latency in latencies)
