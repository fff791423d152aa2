"""Delayed calls, all made by one thread; one thread per request would cost more than the request."""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count


class Timer:
    """A delayed call that can be cancelled."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Cancel the call; a call that is starting at this moment may still run."""
        self._call = None

    def fire(self) -> None:
        """Make the call, at most once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class TimerThread:
    """One thread for all timers; their calls must be short and must not raise."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Timer]] = []
        self._numbers = count()  # breaks ties between equal times
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Make a call once after a number of seconds."""
        timer = Timer(call)
        with self._changed:
            entry = (time.monotonic() + seconds, next(self._numbers), timer)
            heapq.heappush(self._due, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
            elif self._due[0] is entry:
                self._changed.notify()
        return timer

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._due or (wait_s := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(min(wait_s, threading.TIMEOUT_MAX) if self._due else None)
                timer = heapq.heappop(self._due)[2]
            with suppress(Exception):  # else one failed call would stop all later ones
                timer.fire()


#: The timers of this process.
TIMERS = TimerThread()

if hasattr(os, "register_at_fork"):  # a forked child does not have our thread
    os.register_at_fork(after_in_child=TIMERS.__init__)  # type: ignore[misc]
