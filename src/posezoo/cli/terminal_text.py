"""Strangers' text on a terminal: harmless, and no wider than it."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence

ELLIPSIS = "..."  # three dots, since not every terminal can show the one character


def escape_control_characters(text: str) -> str:
    """The text with control, invisible and text-turning characters shown as their escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def terminal_width() -> int | None:
    """The columns of the terminal that the standard output is; None where it is a file or a pipe."""
    try:
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    except (ValueError, OSError):
        return None


def truncate_to_width(line: str, width: int | None) -> str:
    """The line cut to a terminal's width; as it is where that is None."""
    if width is None or display_width(line) <= width:
        return line
    kept, used = "", 0
    for each in line:
        used += display_width(each)
        if used > width - len(ELLIPSIS):
            break
        kept += each
    return (kept + ELLIPSIS)[:width]


def display_width(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(_columns(each) for each in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def align_columns(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Rows of cells as lines of columns, two blanks apart; the last column is as long as it is.

    Args:
        rows: all of one length.
        right: the columns that are aligned to the right.
    """
    cells = [[escape_control_characters(cell) for cell in row] for row in rows]
    widths = [max(display_width(row[index]) for row in cells) for index in range(len(cells[0]) - 1)]
    lines = []
    for row in cells:
        filled = []
        for index, (cell, width) in enumerate(zip(row[:-1], widths, strict=True)):
            blanks = " " * (width - display_width(cell))
            filled.append(blanks + cell if index in right else cell + blanks)
        lines.append("  ".join([*filled, row[-1]]).rstrip())
    return lines
