"""Process items in several threads and return the results in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from posezoo.core.errors import LostCameraError

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Arrivals(Protocol):
    """Where items arrive, as in ``FrameSource``."""

    def wait(self, until: Callable[[], bool]) -> bool:
        """Wait for an item, or until something is true; whether an item is there."""

    def wake(self) -> None:
        """Let ``wait`` look again."""

    def close(self) -> None:
        """Let no more items arrive."""


class ResultStream(Iterator[tuple[Item, Result]], Generic[Item, Result]):
    """Items with their results, in the order of the items.

    It reads and fails as ``Estimator.stream`` says.

    Args:
        items: the items; they are read in the caller's thread.
        work: returns the result for an item; it is called in several threads at the same time.
        slots: the maximum number of items that are processed at the same time.
        ahead: how many more may wait to be processed or returned. Without them, threads have no
            work while one item takes longer than those after it, or while the caller works.
        in_turn: process the items in order, one after the other, in one thread.
        finish: returns the final result of an item; it is called in order, in the caller's thread.
        arrivals: where items arrive that cannot be read ahead, such as the frames of a camera; it
            is closed with the stream.
    """

    def __init__(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Result],
        slots: int,
        *,
        ahead: int = 0,
        in_turn: bool = False,
        finish: Callable[[Item, Result], Result] = lambda _item, result: result,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._items: Iterator[Item] | None = iter(items)
        self._work = work
        self._most_waiting = slots + ahead
        self._is_read_ahead = ahead > 0
        self._finish = finish
        self._arrivals = arrivals
        self._waiting: deque[tuple[Any, Future[Result]]] = deque()
        self._pool = ThreadPoolExecutor(1 if in_turn else slots, thread_name_prefix="posezoo")

    def __next__(self) -> tuple[Item, Result]:
        """The next item and its result.

        Raises:
            PosezooError: the item could not be read or processed.
        """
        while self._items is not None and len(self._waiting) < self._most_waiting:
            if self._waiting and not self._reads_before(self._waiting[0][1]):
                break
            try:
                item = next(self._items)
            except StopIteration:
                self._items = None
            except Exception as error:  # noqa: BLE001 raised at its place
                if not isinstance(error, LostCameraError):  # other cameras may still go on
                    self._items = None
                failed: Future[Result] = Future()
                failed.set_exception(error)
                self._waiting.append((None, failed))
            else:
                self._waiting.append((item, self._pool.submit(self._work, item)))
        if not self._waiting:
            self.close()
            raise StopIteration
        item, future = self._waiting.popleft()
        return item, self._finish(item, future.result())

    def _reads_before(self, first: Future[Result]) -> bool:
        """Whether the next item is read before the first result is returned: if it arrives before
        that is there. Of items that are not read ahead, such as the frames of the caller's own
        camera, one more is read in any case, so that the threads have work while the caller draws.
        """
        if self._arrivals is None:
            return self._is_read_ahead or len(self._waiting) == 1 or not first.done()
        wake = self._arrivals.wake
        first.add_done_callback(lambda _: wake())
        return self._arrivals.wait(first.done)

    def close(self) -> None:
        """Read no more items, and wait until all running work has ended."""
        self._items = None
        if self._arrivals is not None:
            self._arrivals.close()
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> ResultStream[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The caller's loop ended early: running work is completed, and no new work begins.
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
