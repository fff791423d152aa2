"""A terminal whose screen tests read: commands run on a pty, and pyte draws what they write."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

import pyte

from fakes.waiting import HANG_S, wait_until

#: A state of the screen lasts at least so long; a bar is drawn ten times a second.
_PAUSE_S = 0.01
INTERRUPT = "\x03"


class _Screen(pyte.Screen):
    """A screen that remembers each row that was too long for it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.wrapped: list[str] = []
        super().__init__(columns, rows)

    def draw(self, data: str) -> None:
        for char in data:
            if self.cursor.x == self.columns:
                self.wrapped.append(self.display[self.cursor.y])
            super().draw(char)


class Terminal:
    """``with Terminal(40) as terminal: terminal.start("get", "pose"); terminal.type(INTERRUPT)``."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        import fcntl  # Windows has none of them
        import pty
        import termios

        self.screen = _Screen(columns, rows)
        self.states: list[tuple[str, ...]] = []  # the rows that were shown, in their order
        self._interpreter = pyte.ByteStream(self.screen)
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._reader = threading.Thread(target=self._read)
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Terminal:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._close_slave()
        self._reader.join()
        os.close(self._master)

    @property
    def rows(self) -> tuple[str, ...]:
        """What is shown now, without the blank rows at the end."""
        return tuple("\n".join(map(str.rstrip, self.screen.display)).rstrip().split("\n"))

    def start(self, *args: object, **environ: str) -> None:
        """Run the command line as a process that the terminal controls, as a shell starts it."""
        command = [sys.executable, "-m", "posezoo", *map(str, args)]
        self.start_program(command, {**os.environ, **environ})

    def start_program(
        self, command: Sequence[str], environ: Mapping[str, str], folder: Path | None = None
    ) -> None:
        """Run another program in the same way."""
        self._child = subprocess.Popen(
            command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=environ,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    def wait_for(self, holds: Callable[[tuple[str, ...]], object]) -> None:
        """Return as soon as the screen shows rows for which ``holds`` is true."""
        wait_until(lambda: any(map(holds, list(self.states))), "what the screen should show")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def finish(self) -> int:
        """The exit code, once the screen shows all that was written."""
        assert self._child
        code = self._child.wait(timeout=HANG_S)
        self._close_slave()
        self._reader.join()
        return code

    @contextlib.contextmanager
    def standard_streams(self) -> Iterator[None]:
        """This process writes to the terminal."""
        with (
            open(os.dup(self._slave), "w", encoding="utf-8", buffering=1) as stream,
            mock.patch.multiple(sys, stdout=stream, stderr=stream),
        ):
            yield
        self._close_slave()
        self._reader.join()

    def _close_slave(self) -> None:
        if self._slave >= 0:
            os.close(self._slave)
        self._slave = -1

    def _read(self) -> None:
        """Draw what is written, until all programs have ended."""
        while True:
            if not select.select([self._master], [], [], _PAUSE_S)[0]:
                self._keep_state()
                continue
            try:
                written = os.read(self._master, 65536)
            except OSError:  # Linux says EIO where the other end is closed
                written = b""
            if not written:
                self._keep_state()
                return
            self._interpreter.feed(written)

    def _keep_state(self) -> None:
        if not self.states or self.states[-1] != self.rows:
            self.states.append(self.rows)


def _take_terminal() -> None:
    import fcntl
    import signal
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell starts in the background ignores it
