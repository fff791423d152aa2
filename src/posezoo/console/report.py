"""What a command prints on the standard output, to be piped: its result as JSON, lines or
columns.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import redirect_stdout

from posezoo.console.printing import print_while_read
from posezoo.console.terminal import terminal_width
from posezoo.core.errors import escape_control_characters, printable

_LEAST_CUT = 12  # columns of the terminal
ELLIPSIS = "..."  # three dots, since some terminals cannot show the single character


def print_json(value: object) -> None:
    """Print the result of a command as JSON; a value of another type, such as a path, as its
    text.
    """
    print_while_read(json.dumps(value, indent=2, default=str))


def print_lines(*lines: object) -> None:
    """Print lines of text, which stay lines and cannot control the terminal."""
    for line in lines:
        print_while_read(printable(f"{line}"))


def print_text(text: str) -> None:
    """Print a text of several lines, such as a license."""
    print_lines(*text.splitlines())


def print_result(style: str, answer: object, *lines: object, is_taken: bool = False) -> None:
    """Print the result of a command in the style of --format, as JSON or lines of text; on the
    standard error if the standard output is taken.
    """
    with redirect_stdout(sys.stderr if is_taken else sys.stdout):
        if style == "json":
            print_json(answer)
            return
        print_lines(*lines)


def truncate_to_width(line: str, width: int | None) -> str:
    """The line, cut to a terminal's width; not cut if ``width`` is None."""
    if width is None or display_width(line) <= width:
        return line
    start = ""
    used = 0
    for char in line:
        used += display_width(char)
        if used > width - len(ELLIPSIS):
            break
        start += char
    return (start + ELLIPSIS)[:width]


def fit_columns(rows: Sequence[Sequence[str]], *, right: frozenset[int]) -> list[str]:
    """As ``align_columns``, no wider than the terminal: the last columns are cut or left out, and
    named in a last line.
    """
    width = terminal_width()
    if width is None:
        return align_columns(rows, right=right)
    shown = list(rows[0])
    lines = align_columns(rows, right=right)
    while len(shown) > 2 and max(map(display_width, lines)) > width:
        shown.pop()
        others = align_columns([[*row[: len(shown)], ""] for row in rows], right=right)
        start = max(map(display_width, others)) + 2
        if start + _LEAST_CUT <= width:
            shown = list(rows[0][: len(shown) + 1])
            break
        lines = align_columns([row[: len(shown)] for row in rows], right=right)
    left_out = ", ".join(rows[0][len(shown) :])
    note = [f"too narrow for: {left_out}"] if left_out else []
    return [*(truncate_to_width(line, width) for line in lines), *note]


def display_width(text: str) -> int:
    """The number of terminal columns of a text: two for a wide character, none for a combining
    one.
    """
    if text.isascii():
        return len(text)
    seen = [char for char in text if not unicodedata.combining(char)]
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in seen)


def align_columns(
    rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()
) -> list[str]:
    """Format rows of equal length as lines with columns two spaces apart; the last column is not
    padded.

    The columns whose indices are in ``right`` are aligned to the right.
    """
    cells = [list(map(escape_control_characters, row)) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)][:-1]
    lines = []
    for row in cells:
        filled = []
        for index, (cell, width) in enumerate(zip(row[:-1], widths, strict=True)):
            blanks = " " * (width - display_width(cell))
            filled.append(blanks + cell if index in right else cell + blanks)
        lines.append("  ".join([*filled, row[-1]]).rstrip())
    return lines
