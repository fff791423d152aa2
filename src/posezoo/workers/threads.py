"""Several things at once, by threads that never keep the process alive; answers come in the items' order."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from posezoo.events import Event, Listener

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Called by the work now and then; raises where the run is being ended.
CancelCheck = Callable[[], None]

# How long the workers have to clean up after ^C; one that waits for a server is left behind. Those of models
# and those of their files have it one after the other, and all is to be over in half a second.
_LAST_SECONDS = 0.1


class Cancelled(BaseException):
    """The run is being ended: no handler of ours may take this for a failure."""


def map_ordered(
    work: Callable[[Item, CancelCheck], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """What the work gives for each item, in the items' order, by so many threads at once.

    An exception of the work is raised here, when its turn comes. When the caller is interrupted the
    workers stop at their next check; they never keep the process alive.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield work(item, lambda: None)
        return
    thread_pool = ThreadPool(min(jobs, len(items)))
    try:
        for task in [
            thread_pool.submit(partial(work, item, thread_pool.raise_if_cancelled)) for item in items
        ]:
            yield task.result()
    finally:
        thread_pool.shutdown()


def cancellable(listener: Listener, check: CancelCheck) -> Listener:
    """The listener, which first asks whether the run is being ended."""

    def listen(event: Event) -> None:
        check()
        listener(event)

    return listen


@dataclass(frozen=True, slots=True)
class _FailedResult:
    error: BaseException


class Future(Generic[Result]):
    """Something that a crew was told to do."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._answer: queue.SimpleQueue[Result | _FailedResult] = queue.SimpleQueue()

    def run(self) -> None:
        """For the thread whose turn it is."""
        try:
            self._answer.put(self._work())
        except BaseException as error:  # noqa: BLE001 raised again by whoever asks for the result
            self._answer.put(_FailedResult(error))

    def result(self, timeout_s: float | None = None) -> Result:
        """Wait for it, once; raises what the work raised, or TimeoutError where it takes too long."""
        try:
            answer = self._answer.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(answer, _FailedResult):
            raise answer.error
        return answer


class ThreadPool:
    """So many threads that take what there is to do, first come, first served."""

    def __init__(self, size: int) -> None:
        self._ended = threading.Event()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Daemons: one that waits for a silent server must not hold up the end of the process.
        self._threads = [threading.Thread(target=self._work_loop, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have something done as soon as a thread is free."""
        task = Future(work)
        self._tasks.put(task.run)
        return task

    def raise_if_cancelled(self) -> None:
        """Raise where the run is being ended."""
        if self._ended.is_set():
            raise Cancelled

    def shutdown(self) -> None:
        """Tell the workers to stop, and give them a moment to clean up."""
        self._ended.set()
        for _ in self._threads:
            self._tasks.put(None)
        until = time.monotonic() + _LAST_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work_loop(self) -> None:
        while (do := self._tasks.get()) is not None and not self._ended.is_set():
            do()
