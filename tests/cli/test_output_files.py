"""No flag costs a file of the user: each flag of each command is tried, from its parser."""

import os
import re
from pathlib import Path

import pytest

from fakes.soak import soak_repeated
from posezoo.cli import main as verbs
from posezoo.omz.commands import converter, downloader, info_dumper, mo, quantizer
from posezoo.run.verbs import demo

MINE = b'{"mine": [1, 2, 3]}\n'

#: The commands: the parser of each, and the function that a user runs.
COMMANDS = {
    **{
        module.COMMAND.name: (module.COMMAND.create_parser(), module.main)
        for module in (converter, downloader, info_dumper, quantizer)
    },
    "mo": (mo.create_parser(), mo.main),
}
for _name, _parser in verbs.verb_parsers(verbs.create_parser()).items():
    COMMANDS[_name] = (_parser, lambda words, name=_name: verbs.main([name, *words]))
COMMANDS["demo.py"] = (COMMANDS["demo"][0], demo.main)


def is_path(action):
    return action.nargs != 0 and bool(
        re.search("FILE|PATH|DIR|INPUT|IMAGE|PHOTO|XML|URL", str(action.metavar))
    )


def names_output(action):
    flag = getattr(action, "flag", None)
    return flag is not None and flag.output is not None


def words_for(parser, tried, value):
    """A command line with this flag, and with what else must be given."""
    words = []
    for action in parser._actions:
        given = value if action is tried else "no-such-thing"
        if action.choices and action is not tried:
            given = str(next(iter(action.choices)))
        if action is tried or action.required or not action.option_strings:
            count = action.nargs if isinstance(action.nargs, int) else 1
            words += [*action.option_strings[:1], *[given] * count]
    if "--no_show" in parser._option_string_actions:
        words.append("--no_show")
    return words


def run(command, words):
    try:
        return COMMANDS[command][1](words)
    except SystemExit as ended:
        return int(ended.code or 0)


FLAGS = [
    pytest.param(command, action, id=f"{command} {(action.option_strings or [action.dest])[-1]}")
    for command, (parser, _) in COMMANDS.items()
    for action in parser._actions
    if is_path(action)
]
OUTPUTS = [param for param in FLAGS if names_output(param.values[1])]


def inputs_of(command):
    """The flags of a command that name a file that it reads."""
    names = ("input", "annotations", "figures", "baseline", "checkpoint", "header")
    return [
        action
        for action in COMMANDS[command][0]._actions
        if is_path(action)
        and not names_output(action)
        and action.option_strings
        and action.nargs != 0
        and action.dest in names
    ]


#: Those of the commands that also read a file.
BESIDE_INPUTS = [param for param in OUTPUTS if inputs_of(param.values[0])]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kind_of_flag(command, action):
    """Each command has its own way to write; what only reads is most often shared by many commands."""
    is_own = names_output(action) or not action.option_strings
    return (command if is_own else "", (action.option_strings or [action.dest])[-1])


@pytest.mark.parametrize(("command", "action"), soak_repeated(FLAGS, kind_of_flag))
def test_a_file_of_the_user_stays_whatever_flag_names_it(folder, command, action):
    for suffix in (".json", ".xml", ".jpg", ".mp4"):
        mine = folder / f"mine{suffix}"
        mine.write_bytes(MINE)
        run(command, words_for(COMMANDS[command][0], action, mine.name))
        assert mine.read_bytes() == MINE


def test_a_flag_that_writes_a_file_is_declared_to_do_so():
    """``Flag.output`` is what protects files."""
    for command, action in (param.values for param in FLAGS):
        writes = re.search(r"\b(write|append|draw)\b", str(action.help).partition(",")[0])
        is_file = re.fullmatch("FILE|PATH", str(action.metavar))
        assert bool(writes and is_file) <= names_output(action), (command, action.option_strings)


def test_the_flags_that_write_are_known():
    """An empty list would mean that the test below tries nothing."""
    assert len(OUTPUTS) > 10 and len(BESIDE_INPUTS) > 10


#: What flags of inputs require.
REQUIRED = {
    "--annotations": ["--images", "photos"],
    "--input": ["--pipeline"],
}


@pytest.mark.parametrize(("command", "action"), BESIDE_INPUTS)
@pytest.mark.parametrize(
    "link", [None, os.link, os.symlink], ids=["", "hard link", "symbolic link"]
)
def test_an_input_is_never_replaced(folder, capsys, command, action, link):
    parser = COMMANDS[command][0]
    name = "mine.json"
    (folder / name).write_bytes(MINE)
    named = name
    if link:
        named = f"linked{Path(name).suffix}"
        link(name, named)
    flag = inputs_of(command)[0].option_strings[-1]
    more = REQUIRED.get(flag, ()) if command not in ("run", "demo", "demo.py") else ()
    words = [*words_for(parser, action, named), flag, name, *more]
    assert run(command, words) == 1
    assert f"{named}: is an input of this command" in capsys.readouterr().err
    assert (folder / name).read_bytes() == MINE
