"""The name of each test that runs for long, while it runs: the processes in which tests run side by side print nothing."""

from __future__ import annotations

from collections.abc import Callable
from threading import Timer


class LongTests:
    """Hooks of pytest for the process that starts the others."""

    def __init__(self, write_line: Callable[[str], None], after_s: float = 20.0) -> None:
        self._write_line = write_line
        self._after_s = after_s
        self._timers: dict[str, Timer] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        text = f"{nodeid} runs for {self._after_s:g} s"
        timer = Timer(self._after_s, self._write_line, [text])
        timer.daemon = True
        self._timers[nodeid] = timer
        timer.start()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._timers.pop(nodeid).cancel()

    def pytest_sessionfinish(self) -> None:
        """A test whose process died has no end."""
        for timer in self._timers.values():
            timer.cancel()
