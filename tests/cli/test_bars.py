"""Bars on the screen of a terminal: each has its row and its numbers, and what other programs write ends nothing."""

from __future__ import annotations

import sys

import pytest

from fakes.terminal import Terminal
from posezoo.cli.bars import Bars

LONG = "a/folder/with/a/long/name/weights.bin"


def draw(*titles: str) -> Bars:
    """A bar for each title, a quarter of which is done."""
    bars = Bars()
    for title in titles:
        bars.start(("net", title), title, 4_000_000, "B", sys.stderr, initial=1_000_000)
    return bars


def test_the_bars_below_one_that_ends_move_up():
    with Terminal() as terminal, terminal.standard_streams():
        bars = draw("first", "second", "third")
        bars.finish(("net", "first"))
        terminal.wait_for(lambda rows: len(rows) == 2)
        second, third = terminal.rows
        assert (second.split(":")[0], third.split(":")[0]) == ("second", "third")
        bars.start(("net", "fourth"), "fourth", 4_000_000, "B", sys.stderr)
        terminal.wait_for(lambda rows: len(rows) == 3 and rows[2].startswith("fourth"))
        bars.close()
        terminal.wait_for(lambda rows: rows == ("",))


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_a_bar_with_a_long_title_has_its_numbers(columns):
    with Terminal(columns) as terminal, terminal.standard_streams():
        bars = draw(LONG)
        terminal.wait_for(lambda rows: "25%" in rows[0])
        (row,) = terminal.rows
        assert "weights.bin" in row and "1.00M/4.00M" in row
        assert len(row) < columns - 1
        bars.close()
    assert terminal.screen.wrapped == []
