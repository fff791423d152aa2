"""The threads of a pool do all tasks that were submitted before it is closed, and end."""

import threading
import time
from functools import partial

import pytest

from fakes.waiting import HANG_S, wait_until
from posezoo.core.workers.threads import Cancelled, ThreadPool


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("size", [1, 2])
def test_a_closed_pool_does_what_was_submitted(size):
    pool = ThreadPool(size)
    futures = [pool.submit(partial(pow, number, 2)) for number in range(5)]
    failed = pool.submit(partial(divmod, 1, 0))
    pool.close()
    assert [future.result(HANG_S) for future in futures] == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        failed.result(HANG_S)


@pytest.mark.usefixtures("no_thread_is_left")
def test_a_pool_that_is_shut_down_cancels_its_task_and_begins_no_other():
    pool = ThreadPool(1)
    begun = threading.Event()

    def work():
        begun.set()
        while True:
            pool.raise_if_cancelled()
            time.sleep(0.01)

    first = pool.submit(work)
    second = pool.submit(begun.clear)
    assert begun.wait(HANG_S)
    pool.shutdown()
    with pytest.raises(Cancelled):
        first.result(HANG_S)
    assert begun.is_set() and not second.done()
