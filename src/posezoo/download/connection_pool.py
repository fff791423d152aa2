"""What downloads that run at once share: workers, connections, and how much of them a host takes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from posezoo.download.source_errors import RateLimitedError
from posezoo.errors import PosezooError
from posezoo.workers.threads import ThreadPool

if TYPE_CHECKING:
    import requests

Item = TypeVar("Item")

# So many requests that went well let one more at once through a gate that was narrowed.
_GOOD_ONES = 32


class HostLimiter:
    """How many requests at once a host takes: all that come, until it answers that these are too many.

    ``uses_single_connection`` says that one file is better asked for by one connection.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside, self._most = 0, math.inf
        self._narrowed = 0  # so often
        self._busiest, self._good = 0, 0  # since then: most inside at once, and how many went well
        self.uses_single_connection = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for one's turn; a CrowdedError on the way back narrows the gate, and says to what."""
        with self._turn:
            self._turn.wait_for(lambda: self._inside < self._most)
            self._inside += 1
            self._busiest = max(self._busiest, self._inside)
            before = self._narrowed
        crowded: RateLimitedError | None = None
        try:
            yield
        except RateLimitedError as error:
            crowded = error
            raise
        finally:
            with self._turn:
                self._inside -= 1
                if crowded is None:
                    self._raise_limit()
                else:
                    crowded.new_limit = self._reduce_limit(before)
                self._turn.notify_all()

    def _reduce_limit(self, before: int) -> int | None:
        """Half as many from now on; None where one alone was too much: that is the host's own trouble."""
        self.uses_single_connection = True
        if before == self._narrowed:  # else what was too much has been told by another one
            if self._busiest == 1:
                return None
            self._most, self._narrowed = self._busiest // 2, self._narrowed + 1
            self._busiest, self._good = self._inside, 0
        return int(self._most)

    def _raise_limit(self) -> None:
        """One more at once after some that went well: a host may have had more to do for a moment."""
        self._good += 1
        if self._good == _GOOD_ONES:
            self._most, self._good = self._most + 1, 0


class ConnectionPool:
    """A context manager that closes the connections and dismisses the workers.

    Args:
        jobs: how many files come at once.
        connections: how many connections one file may take.
    """

    def __init__(self, jobs: int = 1, connections: int = 1) -> None:
        self._jobs, self._connections = jobs, connections
        self._opened = ExitStack()
        self._alone = threading.Lock()
        self._session: requests.Session | None = None
        self._crew: ThreadPool | None = None
        self._gates: dict[str, HostLimiter] = {}

    def __enter__(self) -> ConnectionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def session(self) -> requests.Session:
        """The connections, opened with the first request: a file that is here already costs no import."""
        with self._alone:
            if self._session is None:
                from posezoo.download.http_connections import new_session

                self._session = self._opened.enter_context(new_session(self._jobs * self._connections))
            return self._session

    def limiter_for(self, url: str) -> HostLimiter:
        """The gate of an address's host."""
        with self._alone:
            return self._gates.setdefault(_host_and_port(url), HostLimiter())

    def run_all(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Do the work for each item, several at once; what has begun when one fails is finished.

        Raises:
            PosezooError: that of the first item that failed.
        """
        if self._jobs == 1:
            for item in items:
                work(item)
            return
        has_failed = threading.Event()

        def unless_failed(item: Item) -> None:
            if has_failed.is_set():
                return
            try:
                work(item)
            except PosezooError:
                has_failed.set()
                raise

        thread_pool, failures = self._workers(), list[PosezooError]()
        for task in [thread_pool.submit(partial(unless_failed, item)) for item in items]:
            try:
                task.result()
            except PosezooError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def raise_if_cancelled(self) -> None:
        """Raise where the run is being ended."""
        if self._crew is not None:
            self._crew.raise_if_cancelled()

    def _workers(self) -> ThreadPool:
        with self._alone:
            if self._crew is None:
                self._crew = ThreadPool(self._jobs)
                self._opened.callback(self._crew.shutdown)
            return self._crew


def _host_and_port(url: str) -> str:
    """Host and port, also of what is no address at all: that is told where it is asked."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
