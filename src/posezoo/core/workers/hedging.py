"""Hedged requests: ask several hosts for the same, the next one if those before are slow; the first
result counts.

The term is that of J. Dean and L. A. Barroso, The Tail at Scale, CACM 56 (2013),
https://doi.org/10.1145/2408776.2408794.
"""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
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

# A host is slow if the rest takes longer at its present speed.
_SLOW_S = 10.0


class HedgedRequest:
    """One of several requests for the same, in a thread of its own, where ``current_request`` finds
    it.
    """

    def __init__(self, parent: HedgedRequest | None = None, head_start_s: float = 0.0) -> None:
        self._parent = parent  # the request for whose sake this one is sent
        self._head_start_s = head_start_s
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self._is_cancelled = False
        self._received = 0  # in bytes
        self._left = 0  # the bytes that are still expected, if their number is known
        # How many bytes had been received at each of the last ticks.
        self._samples = deque([0], maxlen=1 + math.ceil(head_start_s / _TICK_S))
        self.may_go_on = threading.Event()  # else its thread waits at its next bytes
        self.may_go_on.set()
        self.problem = ""  # why the last attempt failed; empty again after bytes of the next one

    def expect(self, size: int) -> None:
        """Remember how many bytes are still to be received."""
        self._left = size
        if self._parent:
            self._parent.expect(size)

    def note_data(self, size: int) -> None:
        """Count bytes that have arrived now, and wait until the request may go on."""
        with self._lock:
            self._received += size
            self._left -= size
        self.problem = ""
        if self._parent:
            self._parent.note_data(size)
        self.may_go_on.wait()

    def note_problem(self, problem: str) -> None:
        """Remember why an attempt failed, after which the host is asked again."""
        self.problem = problem
        if self._parent:
            self._parent.note_problem(problem)

    def measure(self) -> None:
        """Measure the speed; must be called at each tick."""
        if self.rest_s == math.inf and self._received > self._samples[-1]:
            self._samples.clear()  # it sends again: its silence says nothing about its speed
        self._samples.append(self._received)

    @property
    def _recent(self) -> int:
        """How many bytes were received during the last head start."""
        return self._samples[-1] - self._samples[0]

    @property
    def rest_s(self) -> float:
        """Seconds that the rest takes at the present speed; 0 before it is measured, infinite if
        nothing arrives.
        """
        is_measured = len(self._samples) == self._samples.maxlen
        if self.problem or (is_measured and not self._recent):
            return math.inf
        return self._left * self._head_start_s / self._recent if is_measured else 0.0

    def explain_rest(self) -> str:
        """Why the rest takes long."""
        return self.problem or f"sent {self._recent} bytes in {self._head_start_s:g} s"

    def cancel(self) -> None:
        """Close the connections, and let the thread raise Cancelled at its next check."""
        with self._lock:
            self._is_cancelled = True
            ends = tuple(self._ends)
        for end in ends:
            end()
        self.may_go_on.set()

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the result is not needed any more."""
        if self._is_cancelled:
            raise Cancelled

    @contextmanager
    def closing_with(self, end: Callable[[], None]) -> Iterator[None]:
        """Call ``end``, which makes the thread stop waiting, if the request is cancelled."""
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
        """In this context, this thread works for this request."""
        before = current_request()
        _THREAD.request = self
        try:
            yield
        finally:
            _THREAD.request = before


class _Thread(threading.local):
    """The request that this thread works for; of any other thread, it is never cancelled."""

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
    #: Why those took too long that were asked before the winner, and were cancelled.
    overtaken: Mapping[int, str] = field(default_factory=dict)


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
    """Ask hosts in their order, and the next one as soon as an attempt at those before has failed,
    or they are slow.

    Slow is a host that sends nothing, or so little that the rest would take more than 10 s. Of
    several that send, which may share one line, only the fastest goes on until it fails. A host
    that is named twice is not asked twice at once; a single one is asked in this thread.

    Args:
        prepare: returns the request to a host.
        head_start_s: how long the speed of a host is measured, in seconds.
        failure: an error that is part of the answer; any other error of a request is raised.
        check: is called while nothing happens; what it raises ends all requests.
    """
    race = _Race(hosts, prepare, head_start_s)
    failures: dict[int, Error] = {}
    try:
        while race.goes_on():
            race.steer()
            end = race.wait()
            if end is None:
                check()
            elif end.error is None:
                return FirstAnswer(end.result, end.number, failures, race.overtaken_by(end.number))
            elif isinstance(end.error, failure):
                failures[end.number] = end.error
            else:
                raise end.error
        return FirstAnswer(None, -1, failures)
    finally:
        race.cancel()


@frozen
class _End(Generic[Result]):
    number: int
    result: Result | None = None
    error: BaseException | None = None


class _Race(Generic[Result]):
    def __init__(self, hosts: Sequence[str], prepare: Prepare[Result], head_start_s: float) -> None:
        self._hosts = hosts
        self._prepare = prepare
        self._head_start_s = head_start_s
        self._unasked = list(range(len(hosts)))
        self._requests: dict[int, HedgedRequest] = {}
        self._ends: queue.SimpleQueue[_End[Result]] = queue.SimpleQueue()

    def goes_on(self) -> bool:
        return bool(self._unasked or self._requests)

    def overtaken_by(self, winner: int) -> dict[int, str]:
        requests = self._requests.items()
        return {number: each.explain_rest() for number, each in requests if number < winner}

    def steer(self) -> None:
        """Ask the next host if all are slow, and let only the fastest of those that send go on."""
        running = [each for each in self._requests.values() if each.may_go_on.is_set()]
        for each in running:
            each.measure()
        sending = [each for each in running if each.rest_s < math.inf]
        sending.sort(key=lambda each: each.rest_s)
        if not sending:
            for each in self._requests.values():
                each.may_go_on.set()
        elif sending[0].rest_s > 0:  # all are measured
            for slower in sending[1:]:
                slower.may_go_on.clear()
        if all(each.rest_s >= _SLOW_S for each in running):
            self._start_next()

    def _start_next(self) -> None:
        busy = {self._hosts[number] for number in self._requests}
        for number in self._unasked:
            if self._hosts[number] not in busy:
                self._unasked.remove(number)
                self._start(number)
                return

    def _start(self, number: int) -> None:
        ask = self._prepare(number, not self._requests)
        request = self._requests[number] = HedgedRequest(current_request(), self._head_start_s)

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
        try:
            end = self._ends.get(timeout=_TICK_S)
        except queue.Empty:
            return None
        del self._requests[end.number]
        return end

    def cancel(self) -> None:
        for request in self._requests.values():
            request.cancel()
