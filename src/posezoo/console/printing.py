"""Prints lines; a closed stream, or one without a reader, is no error."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TextIO

from posezoo.core.errors import PosezooError, printable


def error_lines(error: PosezooError, mark: str = "error: ") -> list[str]:
    """The lines of an error message: the problem, and what to do next."""
    lines = [f"{mark}{error.problem}", *([f"  hint: {error.hint}"] if error.hint else ())]
    # A hint or problem may be changed later.
    return list(map(printable, lines))


def print_error(error: PosezooError) -> None:
    """Print a failure to the standard error."""
    for line in error_lines(error):
        print_to_stderr(line)


def print_to_stderr(line: str) -> None:
    """Print a line to the standard error, unless it is closed."""
    with contextlib.suppress(OSError, ValueError):
        print_while_read(printable(line), sys.stderr, flush=True)


def print_while_read(
    text: str, stream: TextIO | None = None, *, end: str = "\n", flush: bool = False
) -> None:
    """Print to a stream, by default the standard output.

    If its reader has ended, as in ``posezoo verify --all | head -1``, the text is discarded.
    """
    stream = stream or sys.stdout
    try:
        print(text, end=end, file=stream, flush=flush)
    except BrokenPipeError:
        discard_output(stream)


def flush_output() -> None:
    """Write what the standard output has in its buffer, as ``print_while_read`` does."""
    print_while_read("", end="", flush=True)


class MessageWriter:
    """Writes messages to a stream, by default the standard error; if quiet, only warnings and
    errors.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._own_stream = stream
        self._quiet = quiet
        self._warnings: set[str] = set()
        self._lock = threading.RLock()

    @property
    def _stream(self) -> TextIO | None:
        """None if the program has no console."""
        return sys.stderr if self._own_stream is None else self._own_stream

    def print_line(self, line: str) -> None:
        """Show a line, unless the writer is quiet."""
        if not self._quiet:
            self._write(line)

    def warn(self, message: str) -> None:
        """Show a warning, even if the writer is quiet; a repeated warning is shown only once."""
        with self._lock:
            if message not in self._warnings:
                self._warnings.add(message)
                self._write(f"warning: {message}")

    def print_error(self, error: PosezooError) -> None:
        """Show a failure and its hint, even if the writer is quiet."""
        with self._lock:
            for line in error_lines(error):
                self._write(line)

    def _write(self, line: str) -> None:
        stream = self._stream
        if stream is None:
            return
        # A stream that another program put there may be closed, or lack methods.
        with contextlib.suppress(Exception):
            # A server may have sent a name in the line.
            print_while_read(printable(line), stream, flush=True)


def discard_output(stream: TextIO) -> None:
    """Write what can be written; otherwise Python would try again when it exits, and fail."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
