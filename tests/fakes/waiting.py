"""How long tests wait before they call it a hang. No test asserts a speed: figures live in benchmarks/."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HANG_S = 60  # generous: what takes a second on a quiet machine may take many on a busy one; only a hang takes this


def wait_until(holds: Callable[[], object], what: str = "it") -> None:
    """Return as soon as ``holds`` is true.

    Raises:
        AssertionError: it did not become true within HANG_S.
    """
    end = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < end, f"{what} did not happen within {HANG_S} s"
        time.sleep(0.01)


@contextmanager
def interrupted() -> Iterator[None]:
    """What takes longer than HANG_S, such as opening a pipe that nobody writes to, ends with an AssertionError."""

    def end(_number, _frame):
        raise AssertionError(f"it waits for longer than {HANG_S} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def once(happens: Callable[[], object]) -> threading.Event:
    """An event that is set as soon as something happens."""
    event = threading.Event()

    def watch() -> None:
        wait_until(happens)
        event.set()

    threading.Thread(target=watch, daemon=True).start()
    return event
