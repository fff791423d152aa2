"""Threads and connections that downloads share, and how many requests at once each host accepts."""

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

# After so many successful requests a host's reduced limit is raised by one.
_SUCCESSES_TO_RAISE = 32


class HostLimiter:
    """How many requests at once a host accepts: all, until it answers that these are too many.

    ``uses_single_connection`` says that a file is not split over several connections.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._active, self._limit = 0, math.inf
        self._reductions = 0
        self._peak, self._successes = 0, 0  # since the last reduction: most active at once, and successes
        self.uses_single_connection = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a free slot; a RateLimitedError reduces the limit, and is given the new one."""
        with self._condition:
            self._condition.wait_for(lambda: self._active < self._limit)
            self._active += 1
            self._peak = max(self._peak, self._active)
            reductions = self._reductions
        refusal: RateLimitedError | None = None
        try:
            yield
        except RateLimitedError as error:
            refusal = error
            raise
        finally:
            with self._condition:
                self._active -= 1
                if refusal is None:
                    # The host may have been busy for a moment only.
                    self._successes += 1
                    if self._successes == _SUCCESSES_TO_RAISE:
                        self._limit, self._successes = self._limit + 1, 0
                else:
                    refusal.new_limit = self._reduce_limit(reductions)
                self._condition.notify_all()

    def _reduce_limit(self, reductions: int) -> int | None:
        """Half as many from now on; None if one alone was too much: then fewer at once do not help."""
        self.uses_single_connection = True
        if reductions == self._reductions:  # else another request has reduced the limit meanwhile
            if self._peak == 1:
                return None
            self._limit, self._reductions = self._peak // 2, self._reductions + 1
            self._peak, self._successes = self._active, 0
        return int(self._limit)


class ConnectionPool:
    """A context manager that closes the connections and stops the threads.

    Args:
        jobs: how many files are downloaded at once.
        connections: how many connections one file may use.
    """

    def __init__(self, jobs: int = 1, connections: int = 1) -> None:
        self._jobs, self._connections = jobs, connections
        self._exit_stack = ExitStack()
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._thread_pool: ThreadPool | None = None
        self._limiters: dict[str, HostLimiter] = {}

    def __enter__(self) -> ConnectionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    def session(self) -> requests.Session:
        """The connections; created with the first request, since importing requests takes time."""
        with self._lock:
            if self._session is None:
                from posezoo.download.http_connections import new_session

                self._session = self._exit_stack.enter_context(new_session(self._jobs * self._connections))
            return self._session

    def limiter_for(self, url: str) -> HostLimiter:
        """The limiter of a URL's host."""
        # Also of text that is no URL: the request reports that.
        host_and_port = url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
        with self._lock:
            return self._limiters.setdefault(host_and_port, HostLimiter())

    def run_all(self, work: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Do the work for each item, several at once; work that has begun when one fails is finished.

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

        with self._lock:
            if self._thread_pool is None:
                self._thread_pool = ThreadPool(self._jobs)
                self._exit_stack.callback(self._thread_pool.shutdown)
            thread_pool = self._thread_pool
        failures: list[PosezooError] = []
        for task in [thread_pool.submit(partial(unless_failed, item)) for item in items]:
            try:
                task.result()
            except PosezooError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def raise_if_cancelled(self) -> None:
        """Raise if the run is being ended."""
        if self._thread_pool is not None:
            self._thread_pool.raise_if_cancelled()
