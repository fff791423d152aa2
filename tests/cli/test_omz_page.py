"""The README of tools/downloader is drawn from the parsers."""

from __future__ import annotations

import shlex

import pytest

from posezoo.cli.omz import readme_page


@pytest.mark.parametrize("tool", readme_page.TOOLS, ids=lambda tool: tool.__name__.rpartition(".")[2])
def test_differences_are_given_for_existing_flags(tool):
    flags = {flag for action in tool.create_parser()._actions for flag in action.option_strings}
    assert set(tool.DIFFERENCES) <= flags
    for flag in flags - {"-h", "--help", "--add-mo-arg", "--dry-run"}:
        assert flag in readme_page.draw_readme()


def test_every_command_of_the_page_parses():
    tools = {tool.create_parser().prog: tool.create_parser() for tool in readme_page.TOOLS}
    commands = [
        shlex.split(line)
        for line in readme_page.draw_readme().splitlines()
        if line.startswith("python tools/")
    ]
    assert {command[1].rpartition("/")[2] for command in commands} == set(tools)
    for command in commands:
        tools[command[1].rpartition("/")[2]].parse_args(command[2:])
