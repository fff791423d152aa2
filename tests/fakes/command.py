"""posezoo as its users run it: a child process with a home folder of its own and no internet."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

from fakes.waiting import HANG_S


def posezoo(
    *args: object, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end and return its exit code and both outputs."""
    return subprocess.run(
        [sys.executable, "-m", "posezoo", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=120,
        check=False,
    )


def on_a_terminal(width: int, *args: object) -> list[str]:
    """The standard output of a command on a terminal with this many columns, as lines."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    child = subprocess.Popen(
        [sys.executable, "-m", "posezoo", *map(str, args)], stdout=slave, env=environ
    )
    os.close(slave)
    shown = b""
    try:
        while more := os.read(master, 65536):
            shown += more
    except OSError:  # Linux says EIO where the other end is closed
        pass
    os.close(master)
    assert child.wait(timeout=HANG_S) == 0
    return shown.decode().splitlines()


def heed_interrupts() -> None:
    """A ``preexec_fn``: what a shell starts in the background ignores ^C, and hands that on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
