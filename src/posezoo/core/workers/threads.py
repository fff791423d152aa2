"""A thread pool whose threads never keep the process alive; results have the order of the items."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future


Item = TypeVar("Item")
Result = TypeVar("Result")

#: A task calls it regularly; it raises ``Cancelled`` if the run is cancelled.
CancelCheck = Callable[[], None]

# How long we wait for the threads after ^C; a thread that still waits for a server is abandoned.
# The pools of models and of their files are shut down one after the other, all within half a
# second.
_SHUTDOWN_S = 0.1


# See limit_library_threads.
_library_threads = 0


class Cancelled(BaseException):
    """The run is cancelled; a BaseException, so that ``except Exception`` does not treat it as a
    failure.
    """


def map_ordered(
    work: Callable[[Item, CancelCheck], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """The results of ``work`` for all items, in the order of the items, computed by ``jobs``
    threads.

    An exception of an item is raised in its place. If the caller is interrupted, the threads stop
    at their next check; they never keep the process alive.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield work(item, lambda: None)
        return
    thread_pool = ThreadPool(min(jobs, len(items)))
    try:
        check = thread_pool.raise_if_cancelled
        for future in [thread_pool.submit(partial(work, item, check)) for item in items]:
            yield future.result()
    finally:
        thread_pool.shutdown()


class MemoryBudget:
    """Memory that threads share: each waits until what it needs is free, or until it is the only
    one.
    """

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def claim(self, needed: int, check: CancelCheck) -> Iterator[None]:
        """Wait for this number of bytes, and give them back at the end."""
        needed = min(needed, self._total)
        with self._changed:
            while self._free < needed:
                self._changed.wait(0.1)
                check()
            self._free -= needed
        try:
            yield
        finally:
            with self._changed:
                self._free += needed
                self._changed.notify_all()


def limit_library_threads(count: int) -> None:
    """Set how many threads OpenVINO and PyTorch may use in this process, before they are imported;
    0: as many as they like.
    """
    global _library_threads
    _library_threads = count
    if count:
        os.environ["OMP_NUM_THREADS"] = str(count)


def library_threads() -> int:
    """How many threads libraries may use in this process; 0: as many as they like."""
    return _library_threads


class ThreadPool:
    """Threads that take tasks in the order in which they are submitted."""

    def __init__(self, size: int) -> None:
        self._ended = threading.Event()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Daemon threads: one that waits for a server must not delay the end of the process.
        self._threads: list[threading.Thread] = []
        for _ in range(size):
            thread = threading.Thread(target=self._work_loop, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The system has no more threads for us: the started ones do all tasks.
                if not self._threads:
                    raise
                break
            self._threads.append(thread)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Queue a task; a free thread runs it."""
        from concurrent.futures import Future  # slow import, only needed with threads

        future = Future[Result]()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 raised again by result
                future.set_exception(error)

        self._tasks.put(run)
        return future

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the pool is being shut down."""
        if self._ended.is_set():
            raise Cancelled

    def close(self) -> None:
        """Take no further tasks: the threads end after those that were submitted."""
        for _ in self._threads:
            self._tasks.put(None)

    def shutdown(self) -> None:
        """Stop the threads, and give them a short time to clean up."""
        self._ended.set()
        self.close()
        deadline = time.monotonic() + _SHUTDOWN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work_loop(self) -> None:
        while (task := self._tasks.get()) is not None and not self._ended.is_set():
            task()
            del task  # else a thread that waits would keep the last result in memory
