"""One round: repeat the same work on several threads for a while, time each run, and measure memory."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BenchmarkRound:
    """The measurements of one round.

    Attributes:
        throughput_fps: images per second.
        latencies_ms: the time of each inference, or of each image through the whole pipeline.
        memory_mib: the peak memory of its process so far; None if the system does not report it.
    """

    throughput_fps: float
    latencies_ms: tuple[float, ...]
    memory_mib: float | None = None


def run_timed(work: Callable[[], None], at_once: int, seconds: float) -> tuple[float, tuple[float, ...]]:
    """Repeat a piece of work for a while.

    Args:
        work: a function that is safe to call from several threads.
        at_once: the number of threads.
        seconds: new runs start during this time; each thread runs at least once.

    Returns:
        Runs per second, and the milliseconds of each run. Each thread's rate is counted up to the end of its
        own last run, and the rates are added. So threads that wait for the slowest one at the end do not
        lower the rate, even if only a few runs fit into the round, and throughput times mean latency is about
        ``at_once``.
    """
    deadline = time.perf_counter() + seconds
    if at_once == 1:
        threads = [_repeat(work, deadline)]
    else:
        with ThreadPoolExecutor(at_once) as pool:
            futures = [pool.submit(_repeat, work, deadline) for _ in range(at_once)]
            threads = [future.result() for future in futures]
    rate = sum(len(latencies) / max(elapsed, 1e-9) for elapsed, latencies in threads)
    return rate, tuple(1e3 * latency for _, latencies in threads for latency in latencies)


def _repeat(work: Callable[[], None], deadline: float) -> tuple[float, list[float]]:
    latencies: list[float] = []
    start_time = now = time.perf_counter()
    while now < deadline or not latencies:
        work()
        before, now = now, time.perf_counter()
        latencies.append(now - before)
    return now - start_time, latencies


def peak_memory_mib() -> float | None:
    """The peak memory of this process; None if the system does not report it.

    On Linux it is read from /proc: getrusage gives a child its parent's peak (exec keeps the larger of both).
    """
    try:
        peak = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    except OSError:
        peak = None
    if peak:
        return int(peak[1]) / 1024
    if platform.system() == "Darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None
