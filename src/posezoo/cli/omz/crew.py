"""Work on several models at once, with answers in the models' order."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Called by the work now and then; raises where the run is being ended.
Check = Callable[[], None]

# How long the workers have to clean up after ^C; one that waits for a server is left behind.
_LAST_SECONDS = 0.2


class Stopped(BaseException):
    """The run is being ended: no handler of ours may take this for a failure."""


def in_order(work: Callable[[Item, Check], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """What the work gives for each item, in the items' order, by so many threads at once.

    An exception of the work is raised here, when its turn comes. When the caller is interrupted the
    workers stop at their next check; they never keep the process alive.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield work(item, lambda: None)
        return
    crew = _Crew(work, items, min(jobs, len(items)))
    try:
        for index in range(len(items)):
            yield crew.result(index)
    finally:
        crew.dismiss()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


class _Crew(Generic[Item, Result]):
    def __init__(self, work: Callable[[Item, Check], Result], items: Sequence[Item], size: int) -> None:
        self._ended = threading.Event()
        self._answers: list[queue.SimpleQueue[Result | _Raised]] = [queue.SimpleQueue() for _ in items]
        todo = iter(enumerate(items))
        lock = threading.Lock()

        def labour() -> None:
            while True:
                with lock:
                    turn = next(todo, None)
                if turn is None or self._ended.is_set():
                    return
                index, item = turn
                try:
                    self._answers[index].put(work(item, self._check))
                except BaseException as error:  # noqa: BLE001 raised again by whoever asks for the result
                    self._answers[index].put(_Raised(error))

        # Daemons: one that waits for a silent server must not hold up the end of the process.
        self._threads = [threading.Thread(target=labour, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def result(self, index: int) -> Result:
        """The result of an item, as soon as it is there."""
        answer = self._answers[index].get()
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def dismiss(self) -> None:
        """Tell the workers to stop, and give them a moment to clean up."""
        self._ended.set()
        until = time.monotonic() + _LAST_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _check(self) -> None:
        if self._ended.is_set():
            raise Stopped
