"""The progress bars of a terminal, which never end the work that they show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from threading import RLock
from typing import Any, TextIO

from posezoo.console.terminal import is_terminal, terminal_width

#: What a bar is about: a model, and its file or a unit.
BarKey = tuple[str, str]

# A bar as wide as the terminal would leave the cursor in the last column, where ^C breaks the line.
_MARGIN = 3
# In fewer columns, a bar has no place beside its numbers.
_NARROW = 60
_NARROW_FORMAT = "{desc} {percentage:3.0f}% {n_fmt}/{total_fmt} {remaining}"
_NARROW_FORMAT_WITHOUT_TOTAL = "{desc} {n_fmt} {rate_fmt}"
# A row that is too short is cut at the rate, which says least.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}, {rate_fmt}]"


class Bars:
    """The bars that are drawn now. A bar that was not started is a KeyError, which is ignored like
    the errors of its stream.
    """

    def __init__(self) -> None:
        self._bars: dict[BarKey, Any] = {}  # tqdm's

    def start(
        self,
        key: BarKey,
        title: str,
        total: int,
        unit: str,
        stream: TextIO | None,
        initial: int = 0,
    ) -> None:
        """Draw a bar on a terminal, in place of one with its key; ``total`` is 0 if unknown,
        ``unit`` "B" for bytes, "models" for the title alone.
        """
        self.finish(key)
        if not is_terminal(stream):
            return
        columns = terminal_width(stream) or 80
        with suppress(Exception):
            self._bars[key] = _bar_type()(
                desc=_shorten(title, columns // 3),
                total=total or None,
                initial=initial,
                unit=unit,
                unit_scale=unit == "B",
                bar_format=_choose_format(columns, total, unit),
                leave=False,
                file=stream,
                ncols=columns - _MARGIN,
            )

    def has(self, key: BarKey) -> bool:
        """Whether a bar is drawn."""
        return key in self._bars

    def set_total(self, key: BarKey, total: int) -> None:
        """Change the amount of work of a bar, which starts from 0."""
        with suppress(Exception):
            self._bars[key].reset(total or None)

    def move(self, key: BarKey, done: int, note: str = "") -> None:
        """Show how much is done, and a note behind the numbers."""
        with suppress(Exception):
            bar = self._bars[key]
            bar.ncols = (terminal_width(bar.fp) or 80) - _MARGIN
            bar.postfix = note
            bar.update(done - bar.n)

    def rename(self, key: BarKey, title: str) -> None:
        """Show another title."""
        with suppress(Exception):
            self._bars[key].set_description_str(title)

    def finish(self, key: BarKey) -> None:
        """Remove a bar; those below move up, since tqdm would leave its row empty."""
        with suppress(Exception):
            bar = self._bars.pop(key)
            bar.close()
            for other in self._bars.values():
                row = other._get_free_pos(other)
                if row < other.pos:
                    other.clear()
                    other.pos = row
                    other.refresh()
            # tqdm leaves the cursor behind a bar that was not the first, and the terminal's ^C.
            blanks = "" if self._bars else " " * (bar.ncols + _MARGIN - 1)
            bar.fp.write(f"\r{blanks}\r")
            bar.fp.flush()

    def close(self) -> None:
        """Remove all bars, the lowest first, so that the others need not move."""
        for key in reversed([*self._bars]):
            self.finish(key)

    def write(self, line: str, stream: TextIO) -> bool:
        """Write a line above the bars; False if there are none."""
        bar = next(iter(self._bars.values()), None)
        if bar is None:
            return False
        with suppress(Exception):
            bar.write(line, file=stream)
        return True


@contextmanager
def counting_bar(
    title: str, total: int, unit: str, *, quiet: bool
) -> Iterator[Callable[[int], None]]:
    """A bar on the standard error that is moved by calls with the count; none if quiet."""
    bars = Bars()
    key = ("", title)
    if not quiet:
        bars.start(key, title, total, unit, sys.stderr)
    try:
        yield partial(bars.move, key)
    finally:
        bars.close()


def _choose_format(columns: int, total: int, unit: str) -> str | None:
    if unit == "models":
        return "{desc}"
    if columns < _NARROW:
        return _NARROW_FORMAT if total else _NARROW_FORMAT_WITHOUT_TOTAL
    return _FORMAT if total else None


@cache
def _bar_type() -> Any:
    """tqdm, with a lock for the threads of this process alone: on Python 3.14, its own lock starts
    a process, which keeps the terminal open.
    """
    from tqdm import tqdm

    return type("Bar", (tqdm,), {"_lock": RLock()})


def _shorten(title: str, length: int) -> str:
    """A title that leaves space for the numbers: the end of a path says most."""
    return title if len(title) <= length else f"...{title[3 - length :]}"
