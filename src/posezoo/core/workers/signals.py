"""Signals that end a process by raising, so that temporary files and programs that it started are
removed.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from posezoo.core.operating_system import signal_main_thread

# Long enough for the code whose exceptions Python ignores to return.
_AGAIN_S = 0.1


class SignalExit(SystemExit):
    """A signal requests the end of the process."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.exit_code = 128 + number
        super().__init__(self.exit_code)

    def __str__(self) -> str:
        return f"ended by {signal.Signals(self.number).name}"


@contextlib.contextmanager
def signals_raise(*names: str) -> Iterator[None]:
    """Let these signals raise a SignalExit in the main thread, and SIGINT a KeyboardInterrupt.

    Signals that this system does not have are left out, and those that are ignored stay so: nohup
    ignores SIGHUP, and a shell SIGINT of what it starts in the background.

    Signals lost in a finalizer or the callback of a weak reference, where Python ignores
    exceptions, are sent again.
    """
    before: dict[int, signal._HANDLER] = {}
    hook = sys.unraisablehook
    sys.unraisablehook = _send_again
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with contextlib.suppress(ValueError):  # raised outside of the main thread
                before[number] = signal.signal(number, _raise)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else SignalExit(number)


def _send_again(unraisable: sys.UnraisableHookArgs) -> None:
    ignored = unraisable.exc_value
    if isinstance(ignored, KeyboardInterrupt):
        number = int(signal.SIGINT)
    elif isinstance(ignored, SignalExit):
        number = ignored.number
    else:
        sys.__unraisablehook__(unraisable)
        return
    timer = threading.Timer(_AGAIN_S, signal_main_thread, [number])
    timer.daemon = True
    timer.start()
