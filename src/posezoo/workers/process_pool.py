"""Work on several models at once, each in a process of its own, which serves one model after the other.

A conversion keeps Python busy, so that threads would wait for each other. A process that ends early, for lack
of memory or by a fault of a library, takes no more with it than the model that it worked on.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from posezoo.errors import ConversionError
from posezoo.workers.threads import CancelCheck, map_ordered

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a thread that waits for its process asks whether the run is being ended.
_PAUSE_S = 0.1


def map_in_processes(
    work: Callable[[Item, CancelCheck], Result],
    items: Sequence[Item],
    jobs: int,
    lost: Callable[[Item, ConversionError], Result],
) -> Iterator[Result]:
    """What the work gives for each item, in the items' order, by so many processes at once.

    Args:
        work: it, its items and its results travel between the processes.
        items: what is to be worked on.
        jobs: how many at once; 1: in this process.
        lost: what stands for the result of an item whose process ended early.
    """
    if jobs == 1 or len(items) < 2:
        yield from map_ordered(work, items, 1)
        return
    thread_pool = _ProcessPool(work, lost)
    try:
        yield from map_ordered(thread_pool, items, jobs)
    finally:
        thread_pool.terminate()


class _ProcessPool(Generic[Item, Result]):
    """A process for each thread that calls, begun when it is first needed."""

    def __init__(
        self, work: Callable[[Item, CancelCheck], Result], lost: Callable[[Item, ConversionError], Result]
    ) -> None:
        self._work, self._lost = work, lost
        self._mine = threading.local()
        self._begun: list[_WorkerProcess] = []

    def __call__(self, item: Item, check: CancelCheck) -> Result:
        worker: _WorkerProcess | None = getattr(self._mine, "worker", None)
        if worker is None:
            worker = self._mine.worker = _WorkerProcess(self._work)
            self._begun.append(worker)
        try:
            answer: Result = worker.request(item, check)
        except (EOFError, ConnectionError):
            self._mine.worker = None
            worker.terminate()
            return self._lost(
                item, ConversionError("its process ended early", hint="is there memory enough?")
            )
        return answer

    def terminate(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._begun:
            worker.terminate()


class _WorkerProcess:
    def __init__(self, work: Callable[..., Any]) -> None:
        # Only here: whoever has nothing to do does not wait for it.
        from multiprocessing import get_context

        # Not forked: OpenVINO has threads. A daemon: it ends with this process.
        context = get_context("spawn")
        self._connection, reference = context.Pipe()
        self._process = context.Process(target=_serve, args=(reference, work), daemon=True)
        self._process.start()
        reference.close()

    def request(self, item: object, check: CancelCheck) -> Any:
        """The work's result.

        Raises:
            EOFError: the process ended before it answered.
        """
        self._connection.send(item)
        while not self._connection.poll(_PAUSE_S):
            check()
        answer, error = self._connection.recv()
        if error is not None:
            raise error
        return answer

    def terminate(self) -> None:
        self._process.terminate()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, work: Callable[..., Any]) -> None:
    """The process: until nobody asks any more."""
    # ^C is the caller's affair, who ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            item = connection.recv()
            answer: tuple[Any, BaseException | None]
            try:
                answer = work(item, lambda: None), None
            except BaseException as error:  # noqa: BLE001 raised again by whoever asked
                answer = None, error
            connection.send(answer)
