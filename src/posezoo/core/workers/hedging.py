"""Hedged requests: ask several hosts for the same, the next one if those before send nothing.

All go on, and the first result counts; the other requests are cancelled. The term is that of J.
Dean and L. A. Barroso, The Tail at Scale, CACM 56 (2013), https://doi.org/10.1145/2408776.2408794.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import Generic, TypeVar

from posezoo.core.values import frozen
from posezoo.core.workers.threads import CancelCheck, Cancelled

Result = TypeVar("Result")
Error = TypeVar("Error", bound=Exception)

# How long a cancelled run may have to wait for the thread that waits for the hosts.
_TICK_S = 0.05


class HedgedRequest:
    """One of several requests for the same, in a thread of its own.

    The code that waits for a host finds it by ``current_request``.
    """

    def __init__(self, parent: HedgedRequest | None = None) -> None:
        self._parent = parent  # the request for whose sake this one is sent
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self._is_cancelled = False
        self._data_at = time.monotonic()
        self.has_data = False  # whether bytes have arrived
        self.problem = ""  # why the last attempt failed; empty again after bytes of the next one

    def note_data(self) -> None:
        """Remember that bytes have arrived now."""
        self._data_at = time.monotonic()
        self.has_data = True
        self.problem = ""
        if self._parent:
            self._parent.note_data()

    def note_problem(self, problem: str) -> None:
        """Remember why an attempt failed, after which the host is asked again."""
        self.problem = problem
        if self._parent:
            self._parent.note_problem(problem)

    @property
    def silence_s(self) -> float:
        """Seconds since the last bytes, or since the start."""
        return time.monotonic() - self._data_at

    def cancel(self) -> None:
        """Close the connections, and let the thread raise Cancelled at its next check."""
        with self._lock:
            self._is_cancelled = True
            ends = tuple(self._ends)
        for end in ends:
            end()

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the result is not needed any more."""
        if self._is_cancelled:
            raise Cancelled

    @contextmanager
    def closing_with(self, end: Callable[[], None]) -> Iterator[None]:
        """Call ``end`` if the request is cancelled meanwhile: it makes the thread stop waiting."""
        with self._lock:
            self._ends.append(end)
            is_late = self._is_cancelled
        if is_late:
            end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)

    @contextmanager
    def in_this_thread(self) -> Iterator[None]:
        """What this thread does meanwhile, it does for this request."""
        before = current_request()
        _THREAD.request = self
        try:
            yield
        finally:
            _THREAD.request = before


class _Thread(threading.local):
    """The request that this thread works for; without one, nobody cancels it."""

    def __init__(self) -> None:
        self.request = HedgedRequest()


_THREAD = _Thread()


def current_request() -> HedgedRequest:
    """The request that this thread works for."""
    return _THREAD.request


@frozen
class FirstAnswer(Generic[Result, Error]):
    """What several hosts answered, each by its number, counted from 0."""

    result: Result | None  # None: all failed
    winner: int  # the number of the host with the result; -1 if there is none
    failures: Mapping[int, Error]
    #: The requests that had got nothing for the head start, and were cancelled.
    silent: Mapping[int, HedgedRequest] = field(default_factory=dict)


#: Is called with the number of a host that is to be asked, and with whether no other host is being
#: asked. What it returns waits for the answer, in a thread of its own.
Prepare = Callable[[int, bool], Callable[[], Result]]


def ask_with_head_start(
    hosts: Sequence[str],
    prepare: Prepare[Result],
    head_start_s: float,
    failure: type[Error],
    check: CancelCheck,
) -> FirstAnswer[Result, Error]:
    """Ask hosts in their order, and the next one as soon as those before have failed, or have sent
    nothing for ``head_start_s``.

    The first result counts; the other requests are cancelled. A host that is named twice is not
    asked twice at once. If there is only one, it is asked in this thread.

    Args:
        hosts: their names.
        prepare: returns the request to a host.
        head_start_s: in seconds.
        failure: an error that is part of the answer; any other error of a request is raised.
        check: is called while nothing happens; what it raises ends all requests.
    """
    race = _Race(hosts, prepare, head_start_s)
    failures: dict[int, Error] = {}
    try:
        while race.goes_on():
            race.start_next()
            end = race.wait()
            if end is None:
                check()
            elif end.error is None:
                return FirstAnswer(end.result, end.number, failures, race.silent())
            elif isinstance(end.error, failure):
                failures[end.number] = end.error
            else:
                raise end.error
        return FirstAnswer(None, -1, failures)
    finally:
        race.cancel()


@frozen
class _End(Generic[Result]):
    """How a request ended: with a result, or with an error."""

    number: int
    result: Result | None = None
    error: BaseException | None = None


class _Race(Generic[Result]):
    """The hosts that are not asked yet, and the requests to the others."""

    def __init__(self, hosts: Sequence[str], prepare: Prepare[Result], head_start_s: float) -> None:
        self._hosts = hosts
        self._prepare = prepare
        self._head_start_s = head_start_s
        self._unasked = list(range(len(hosts)))
        self._requests: dict[int, HedgedRequest] = {}
        self._ends: queue.SimpleQueue[_End[Result]] = queue.SimpleQueue()

    def goes_on(self) -> bool:
        """Whether a host may still answer."""
        return bool(self._unasked or self._requests)

    def silent(self) -> dict[int, HedgedRequest]:
        """The requests to hosts that have sent nothing for the head start."""
        requests = self._requests.items()
        return {number: each for number, each in requests if each.silence_s >= self._head_start_s}

    def start_next(self) -> None:
        """Ask the next host that is not being asked, if all others are silent."""
        if len(self.silent()) < len(self._requests):
            return
        busy = {self._hosts[number] for number in self._requests}
        for number in self._unasked:
            if self._hosts[number] not in busy:
                self._unasked.remove(number)
                self._start(number)
                return

    def _start(self, number: int) -> None:
        ask = self._prepare(number, not self._requests)
        request = self._requests[number] = HedgedRequest(current_request())

        def run() -> None:
            try:
                with request.in_this_thread():
                    self._ends.put(_End(number, ask()))
            except BaseException as error:  # noqa: BLE001 raised again by the thread that waits
                self._ends.put(_End(number, error=error))

        if len(set(self._hosts)) > 1:
            # If the system has no more threads, the hosts are asked one after the other.
            with suppress(RuntimeError):
                # A daemon: one that waits for a host must not delay the end of the process.
                threading.Thread(target=run, daemon=True).start()
                return
        run()

    def wait(self) -> _End[Result] | None:
        """How the next request ended; None if none ends within a moment."""
        try:
            end = self._ends.get(timeout=_TICK_S)
        except queue.Empty:
            return None
        del self._requests[end.number]
        return end

    def cancel(self) -> None:
        """Cancel all requests that have not ended."""
        for request in self._requests.values():
            request.cancel()
