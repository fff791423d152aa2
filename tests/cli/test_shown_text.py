"""Text from files, servers and users, as the terminal gets it: no control characters, no passwords."""

from __future__ import annotations

import sys
from argparse import Action
from pathlib import Path

import pytest
from cli.test_output_files import COMMANDS, run, words_for

from posezoo.cli import main as verbs

#: Addresses with a password that no parser of addresses accepts, or not everywhere.
MALFORMED = (
    "oci://user:secret-word@host:port/a:b",
    "https:/user:secret-word@host",
    "user:secret-word@host:99999",
    "http://us er:secret-word/1#two@ho st",
    "mqtt://user:secret-word@",
    "https://user:secret-word@host:x/",
    "https:user:secret-word@host",
    "//user:secret-word@host",
    "://user:secret-word@host",
    "http://user:secret-word/1@host",
    "http://user:secret-word#@ho st",
    "s3://user:secret-word@@host",
    "mqtts://user:secret-word",
    "http://[user:secret-word@host",
    "http://us er:secret-word two@host",
)

VALUES = [
    pytest.param(command, action, id=f"{command} {(action.option_strings or [action.dest])[-1]}")
    for command, (parser, _) in COMMANDS.items()
    for action in parser._actions
    if action.nargs != 0
]


@pytest.mark.parametrize(("command", "action"), VALUES)
def test_no_command_shows_the_password_of_a_malformed_address(
    tmp_path: Path, monkeypatch, capsys, command: str, action: Action
):
    monkeypatch.chdir(tmp_path)
    some = MALFORMED if action.dest in ("mqtt", "mirror", "address", "source") else MALFORMED[:4]
    for address in some:
        words = words_for(COMMANDS[command][0], action, address)
        if action.option_strings:  # in the form that has the flag in the same word, too
            words.append(f"{action.option_strings[-1]}={address}")
        monkeypatch.setattr(sys, "argv", ["posezoo", command, *words])
        run(command, words)
        told = capsys.readouterr()
        assert "secret" not in told.out + told.err, address


def test_a_wrong_word_is_shown_without_its_password(monkeypatch, capsys):
    words = ["list", "--no-such-flag", "https://user:secret-word@host"]
    monkeypatch.setattr(sys, "argv", ["posezoo", *words])
    with pytest.raises(SystemExit):
        verbs.main(words)
    told = capsys.readouterr().err
    assert "--no-such-flag" in told and "secret" not in told
