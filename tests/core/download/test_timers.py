"""What is to be called later is called in time, in its order, and by one thread."""

import os
import sys
import time

import pytest

from fakes.command import run_process
from fakes.waiting import wait_until
from posezoo.core.download.http_connections import TimerThread


def test_each_rings_in_time_whatever_the_order_they_were_set_in():
    alarms, rung = TimerThread(), list[tuple[str, float]]()
    start_time = time.monotonic()
    for name, seconds in (("late", 0.3), ("soon", 0.05), ("between", 0.15)):
        alarms.call_later(
            seconds, lambda name=name: rung.append((name, time.monotonic() - start_time))
        )
    wait_until(lambda: len(rung) == 3)
    assert [name for name, _ in rung] == ["soon", "between", "late"]
    assert all(at >= min_count for (_, at), min_count in zip(rung, (0.05, 0.15, 0.3), strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_they_ring_in_a_forked_child_too():
    code = """
import os, time
from posezoo.core.download.http_connections import TIMERS
rung = []
TIMERS.call_later(0.01, lambda: rung.append(1))
while not rung:
    time.sleep(0.01)
child = os.fork()
if child == 0:
    TIMERS.call_later(0.01, lambda: os._exit(7))
    time.sleep(60)
    os._exit(1)
print(rung, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = run_process([sys.executable, "-c", code], check=True)
    assert ended.stdout == "[1] 7\n"
