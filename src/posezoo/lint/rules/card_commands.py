"""Rules on the commands that a card shows."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Protocol, runtime_checkable

from posezoo.cli.main import VERBS, create_parser, verb_parsers
from posezoo.cli.verbs import find_verb
from posezoo.core.errors import suggest
from posezoo.core.plugins import LazyTable
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule


@runtime_checkable
class Command(Protocol):
    """A command beside posezoo's own."""

    def create_parser(self) -> ArgumentParser:
        """The parser of its flags."""


#: Open Model Zoo's commands, by the names of their programs.
_COMMANDS = LazyTable("card_commands", object, {})
POSEZOO = "posezoo"
#: Another program of the package openvino-dev, which posezoo does not have.
OTHER_COMMANDS = ("omz_data_downloader",)
#: What may stand before a program: python3, a setting of the environment, the mark of a prompt.
_BEFORE = re.compile(r"python[0-9.]*|-m|[A-Za-z_]\w*=\S*|[$!%>]|sudo|time")
#: The values of these flags are names of models.
_NAME_FLAGS = ("--name", "--model", "-m")
#: A name or a glob, and not a placeholder, such as <model_name>, or a path.
_NAME = re.compile(r"[\w.*?@+-]+")


@rule()
def card_command(view: ModelView) -> Violations:
    """A command that a card shows has flags that exist, and names the card's own model.

    Example: downloader.py --nmae my-pose, or --name other-pose on the card of my-pose
    """
    if view.card_path in view.zoo.drawn_pages:
        return  # they are drawn from model.yml
    for number, line in _list_commands(view):
        problem = _explain_command(line, view)
        if problem:
            yield RuleViolation(view.card_line(number), problem, "command", line)


def _list_commands(view: ModelView) -> Iterator[tuple[int, str]]:
    """The lines of code with their numbers; what continues a line is joined with it."""
    for section in view.own_sections:
        for fence, _, text in section.code:
            joined = ""
            start = fence + 1
            for number, line in enumerate(text.split("\n"), fence + 1):
                start = start if joined else number
                joined += line.removesuffix("\\")
                if not line.endswith("\\"):
                    yield start, joined
                    joined = ""


def _explain_command(line: str, view: ModelView) -> str:
    """What is wrong in a command; empty if nothing is, or if it is another program's."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # the line is code in a programming language
        return ""
    while words and _BEFORE.fullmatch(words[0]):
        del words[0]
    if not words:
        return ""
    program = words[0].replace("\\", "/").rpartition("/")[2]
    if program == POSEZOO:
        return _explain_verb(words[1:], view)
    command = _COMMANDS.find(program)
    if isinstance(command, Command):
        parser = view.zoo.once(program, command.create_parser)
        return _explain_words(program, words[1:], parser, view)
    names = _COMMANDS.names()
    is_omz = "tools/downloader/" in words[0] or program.startswith("omz_")
    is_near = bool(get_close_matches(program, names, 1, cutoff=0.8))
    if is_omz and is_near and program not in OTHER_COMMANDS:
        return f"no command of Open Model Zoo is called {program}; {suggest(program, names)}"
    return ""


def _explain_verb(words: Sequence[str], view: ModelView) -> str:
    if not words or not words[0][0].isalpha():
        return ""
    verb = words[0]
    if find_verb(verb) is None:
        hint = suggest(verb, VERBS)
        return f"posezoo has no verb {verb}" + (f"; {hint}" if hint else "")
    if verb not in VERBS:
        return ""  # a plug-in's
    parser = view.zoo.once((POSEZOO, verb), lambda: verb_parsers(create_parser((verb,)))[verb])
    return _explain_words(f"posezoo {verb}", words[1:], parser, view)


def _explain_words(
    command: str, words: Sequence[str], parser: ArgumentParser, view: ModelView
) -> str:
    takes_value = {
        flag: action.nargs != 0 for action in parser._actions for flag in action.option_strings
    }
    names = []
    flag = ""  # whose value is next
    for word in words:
        if word in ("|", ">", "&&", ";", "||"):
            break
        if word.startswith("-") and not re.fullmatch(r"-(?:[0-9.]+)?", word):
            flag, equals, value = word.partition("=")
            if not _is_known(flag, takes_value):
                hint = suggest(flag, takes_value)
                return f"{command} has no flag {flag}" + (f"; {hint}" if hint else "")
            names += value.split(",") if flag in _NAME_FLAGS else []
            flag = "" if equals or not takes_value.get(flag, True) else flag
            continue
        names += word.split(",") if flag in ("", *_NAME_FLAGS) else []
        flag = ""
    return _explain_names(command, names, view)


def _is_known(flag: str, flags: Mapping[str, bool]) -> bool:
    """Whether a flag exists; it may be the beginning of a long one, as argparse allows."""
    return flag in flags or (flag.startswith("--") and any(each.startswith(flag) for each in flags))


def _explain_names(command: str, names: Sequence[str], view: ModelView) -> str:
    """Whether a command names other models, but not the card's own."""
    given = [name.partition("@")[0] for name in names if _NAME.fullmatch(name)]
    own = view.related_names
    if any(fnmatchcase(name, pattern) for name in own for pattern in given):
        return ""
    entries = view.zoo.registry.entries
    for name in given:
        if name in entries or get_close_matches(name, own, 1, cutoff=0.85):
            return f"{command} names {name}, and not {view.name}"
    return ""
