"""Whether a stream is a terminal, and how wide; a stream may be any object of another program."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Whether bars can be drawn on a stream; a program without a console has none."""
    with suppress(Exception):
        return stream is not None and stream.isatty()
    return False


def terminal_width(*streams: TextIO | None) -> int | None:
    """The columns of the first stream that is a terminal, by default of the standard output; None
    if they are files or pipes.
    """
    for stream in streams or (sys.stdout,):
        with suppress(Exception):
            if stream is not None:
                return os.get_terminal_size(stream.fileno()).columns or 80
    return None
