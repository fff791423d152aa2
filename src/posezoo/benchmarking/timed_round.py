"""One round: the same work again and again for a while, several at once, each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkRound:
    """What a round gave.

    Attributes:
        throughput_fps: images a second.
        latencies_ms: how long each inference, or each image's whole way, took.
        memory_mib: the most memory that its process has held since it began; None where nobody tells.
    """

    throughput_fps: float
    latencies_ms: tuple[float, ...]
    memory_mib: float | None = None


def run_timed(work: Callable[[], None], at_once: int, seconds: float) -> tuple[float, tuple[float, ...]]:
    """Do a piece of work for a while.

    Args:
        work: safe to call from several threads.
        at_once: how many of it are under way all the time.
        seconds: for how long new ones begin; each thread does one at least.

    Returns:
        Pieces of work a second, and the milliseconds that each took. Each thread's own rate is counted up to
        its own last end, and the rates are added: what the others wait at the end for the slowest costs
        nothing, however few pieces fit into the round. So throughput times mean latency is about ``at_once``.
    """
    deadline = time.perf_counter() + seconds
    if at_once == 1:
        threads: Sequence[tuple[float, list[float]]] = [_drive(work, deadline)]
    else:
        with ThreadPoolExecutor(at_once) as pool:
            threads = [
                each.result() for each in [pool.submit(_drive, work, deadline) for _ in range(at_once)]
            ]
    rate = sum(len(latencies) / max(elapsed, 1e-9) for elapsed, latencies in threads)
    return rate, tuple(1e3 * latency for _, latencies in threads for latency in latencies)


def _drive(work: Callable[[], None], deadline: float) -> tuple[float, list[float]]:
    latencies: list[float] = []
    start_time = now = time.perf_counter()
    while now < deadline or not latencies:
        work()
        before, now = now, time.perf_counter()
        latencies.append(now - before)
    return now - start_time, latencies
