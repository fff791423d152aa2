"""What a fork needs to know of the inferences of its parent: a copy of a process has none of its
threads, and waits forever for a lock that one of them held.
"""

from __future__ import annotations

import ctypes
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class InferenceGate:
    """Lets a fork wait until no other thread infers, and inferences until no fork begins."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()  # inferences by their thread
        self._forks = 0

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No fork begins as long as the context lasts, except in this thread."""
        thread = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._forks or self._inside[thread])
            self._inside[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[thread] -= 1
                if not self._inside[thread]:
                    del self._inside[thread]
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until no other thread infers; no new inference begins."""
        own = threading.get_ident()
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: set(self._inside) <= {own})

    def open(self) -> None:
        """Let inferences begin again, after the fork."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def open_in_child(self) -> None:
        """The same in the fork, where other threads may have held the lock."""
        self._changed = threading.Condition()
        self._forks = 0


def keep_forever(thing: object) -> None:
    """Never delete an object, not even when Python ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
