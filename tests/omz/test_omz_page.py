"""The README of tools/downloader is drawn from the parsers."""

import importlib.util
import shlex

import pytest

from fakes.checkout import ROOT

_SPEC = importlib.util.spec_from_file_location("omz_page", ROOT / "docs" / "omz_page.py")
omz_page = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(omz_page)


@pytest.mark.parametrize(
    "tool", omz_page.DIFFERENCES, ids=lambda tool: tool.__name__.rpartition(".")[2]
)
def test_differences_are_given_for_existing_flags(tool):
    flags = {
        flag for action in tool.COMMAND.create_parser()._actions for flag in action.option_strings
    }
    assert set(omz_page.DIFFERENCES[tool]) <= flags
    for flag in flags - {"-h", "--help", "--add-mo-arg", "--dry-run"}:
        assert flag in omz_page.render_readme()


def test_every_command_of_the_page_parses():
    tools = {
        tool.COMMAND.create_parser().prog: tool.COMMAND.create_parser()
        for tool in omz_page.DIFFERENCES
    }
    commands = [
        shlex.split(line)
        for line in omz_page.render_readme().splitlines()
        if line.startswith("python tools/")
    ]
    assert {command[1].rpartition("/")[2] for command in commands} == set(tools)
    for command in commands:
        tools[command[1].rpartition("/")[2]].parse_args(command[2:])
