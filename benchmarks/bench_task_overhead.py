"""Measure what a task costs by itself: 1,000 tasks that do nothing, on a Dask cluster.

The scheduler and its two workers run on this machine. Counted is the whole run, with the checks of
the workers. The exit code is 1 if the bar is missed.

    python benchmarks/bench_task_overhead.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from distributed import LocalCluster
from harness import amount, do_nothing, exit_code, machine, record, spread

from posezoo.core.pipeline.for_each import for_each
from posezoo.scale.cluster_executor import ClusterExecutor

TASKS = amount(1000, trial=20)
ROUNDS = amount(5)
#: The most milliseconds for each task.
BAR_MS = 5.0


def rounds(executor: ClusterExecutor) -> Iterator[float]:
    """Milliseconds for each task, in each round."""
    for _ in range(ROUNDS):
        start = time.perf_counter()
        outcomes = for_each(range(TASKS), do_nothing, executor=executor)
        assert all(outcome.error is None for outcome in outcomes)
        yield 1000 * (time.perf_counter() - start) / TASKS


def main() -> int:
    """Measure, print and record."""
    print(machine())
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        executor = ClusterExecutor(scheduler=cluster.scheduler_address)
        taken = spread([*rounds(executor)])
    print(f"{taken['median']:.2f} ms a task ({taken['min']:.2f} to {taken['max']:.2f})")
    record("bench_task_overhead", {"tasks": TASKS, "ms": taken})
    return exit_code(taken["median"] > BAR_MS)


if __name__ == "__main__":
    sys.exit(main())
