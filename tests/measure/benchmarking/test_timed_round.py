"""A round repeats work for its time on the requested number of threads."""

import threading
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.measure.benchmarking.benchmark_process import run_timed


def test_the_requested_number_of_threads_run_at_once():
    threads = set()
    all_run = threading.Event()

    def work():
        threads.add(threading.get_ident())
        if len(threads) == 3:
            all_run.set()
        assert all_run.wait(HANG_S)
        time.sleep(0.005)

    rate, latencies = run_timed(work, 3, 0.1)
    assert len(threads) == 3
    assert len(latencies) >= 3 and all(latency >= 5 for latency in latencies)
    assert 0 < rate <= 3 / 0.005


def test_work_longer_than_the_round_runs_once_on_each_thread():
    rate, latencies = run_timed(lambda: time.sleep(0.05), 2, 0.001)
    assert len(latencies) == 2
    assert 0 < rate <= 2 / 0.05


def test_a_slow_thread_at_the_end_does_not_lower_the_rate_of_the_others():
    slow = threading.Lock()

    def work():
        if slow.acquire(blocking=False):  # one thread, for the whole round and long after it
            time.sleep(2)
        else:
            time.sleep(0.01)

    rate, latencies = run_timed(work, 2, 0.1)
    # By the clock of the slow one it would be len(latencies) / 2.
    assert rate > 2 * len(latencies) / 2


def test_an_error_of_the_work_is_raised():
    def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_timed(work, 2, 0.01)
