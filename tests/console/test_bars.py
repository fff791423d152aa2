"""Bars on the screen of a terminal: each has a row of its own, and its numbers."""

import re
import sys
from contextlib import contextmanager

import pytest

from fakes import seeker
from fakes.terminal import Terminal
from fakes.videos import write_noise
from posezoo.cli.main import main
from posezoo.console.bars import Bars

LONG = "a/folder/with/a/long/name/of/it/pose.bin"


@contextmanager
def drawn(terminal, *titles):
    """A bar for each title, a quarter of which is done."""
    bars = Bars()
    with terminal.standard_streams():
        for title in titles:
            bars.start(("net", title), title, 4_000_000, "B", sys.stderr, initial=1_000_000)
        try:
            yield bars
        finally:
            bars.close()


def test_the_bars_below_one_that_ends_move_up():
    with Terminal() as terminal, drawn(terminal, "first", "second", "third") as bars:
        bars.finish(("net", "first"))
        terminal.wait_for(lambda rows: starts_of(rows) == ["second", "third"])
        bars.start(("net", "fourth"), "fourth", 4_000_000, "B", sys.stderr)
        terminal.wait_for(lambda rows: starts_of(rows) == ["second", "third", "fourth"])
    assert terminal.rows == ("",)


def starts_of(rows):
    return [row.partition(":")[0] for row in rows]


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_a_bar_with_a_long_title_has_its_numbers(columns):
    with Terminal(columns) as terminal, drawn(terminal, LONG):
        terminal.wait_for(lambda rows: "25%" in rows[0])
        (row,) = terminal.rows
    assert "pose.bin" in row and "1.00M/4.00M" in row
    assert len(row) < columns - 1
    assert terminal.screen.wrapped == []


def test_a_run_over_a_video_shows_the_frames_the_people_and_the_time_left(tmp_path):
    ir = seeker.write_ir(tmp_path / "seeker")
    video = write_noise(tmp_path / "walk.mp4", frames=300)
    words = ["run", ir, "--detector", "none", "--input", video, "-o", tmp_path / "out"]
    with Terminal(80) as terminal, terminal.standard_streams():
        assert main([str(word) for word in words]) == 0
    bars = [[row for row in rows if "/300" in row] for rows in terminal.states]
    assert max(map(len, bars)) == 1
    shown = [row for rows in bars for row in rows]
    numbers = r"\d+/300 \[00:\d\d<00:\d\d, (1 person|0 people)\b"
    moved = re.compile(rf"\.\.\..*/walk\.mp4: +\d+%\|.+\| {numbers}")
    assert any(map(moved.match, shown)), shown
    assert bars[-1] == [] and terminal.screen.cursor.x == 0
