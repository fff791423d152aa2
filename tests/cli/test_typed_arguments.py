"""Each command has a class of arguments, which says to the type checker what its flags give."""

import argparse
import functools
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from posezoo.cli.main import VERBS, create_parser, verb_parsers
from posezoo.cli.parsers import Args
from posezoo.cli.verbs import find_verb
from posezoo.core.settings import SETTING_TYPES, Settings
from posezoo.omz.commands import converter, downloader, info_dumper, mo, quantizer
from posezoo.run.subject import Statement

OMZ = (converter, downloader, info_dumper, quantizer)

#: What argparse and the commands set themselves.
NO_FLAGS = {"parser", "release"}

#: Verbs that print only their result do not read it.
OF_EACH_VERB = {"quiet"}


def class_of_command(command):
    """The class of the arguments that the function of a verb or command takes."""
    run = command.run
    return eval(run.__annotations__["args"], run.__globals__)


def attributes(cls):
    """The types of the attributes, as they are written, by name."""
    found = {}
    for each in reversed(cls.__mro__):
        found |= inspect.get_annotations(each)
    return found


def value_type(action):
    """The type that a flag's parser returns, as it is written."""
    parse = action.type
    while isinstance(parse, functools.partial):
        parse = parse.args[0] if parse.args else parse.func
    if inspect.isclass(parse):
        return parse.__name__
    returns = getattr(parse, "__annotations__", {}).get("return", "str")
    if returns != "object":
        return returns
    return Settings.__annotations__[action.dest]


def type_of(action):
    """The type of a flag's value, as it is written."""
    if isinstance(action, argparse._StoreTrueAction):
        return "bool"
    text = value_type(action)
    is_list = isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+", 2)
    if is_list:
        text = f"list[{text}]"
    is_optional = action.option_strings or action.nargs == "?"
    has_no_default = action.default in (None, argparse.SUPPRESS)
    if is_optional and not action.required and has_no_default:
        text += " | None"
    return text


def flags_of(parser):
    """The types of the values of a parser's flags, by name; settings are read as ``Settings``."""
    return {
        action.dest: type_of(action)
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._VersionAction)
        and action.help != argparse.SUPPRESS
    }


def place_of(cls):
    """A class, and the file to edit."""
    path = Path(inspect.getsourcefile(cls))
    return f"{cls.__name__} in {path.parent.parent.name}/{path.parent.name}/{path.name}"


def assert_fits(parser, cls):
    flags = flags_of(parser)
    typed = {name: text.replace("Sequence[", "list[") for name, text in attributes(cls).items()}
    place = place_of(cls)
    lacking = {name: flags[name] for name in flags.keys() - typed.keys() - SETTING_TYPES.keys()}
    assert not lacking, f"add to {place} an attribute for each of these flags: {lacking}"
    unused = sorted(typed.keys() - attributes(Args).keys() - NO_FLAGS - flags.keys())
    assert not unused, f"remove from {place}, or add to FLAGS: {unused}"
    for name in flags.keys() & typed.keys():
        assert typed[name] == flags[name], (
            f"{place} says {name}: {typed[name]}, and its flag gives {flags[name]}: change one"
        )


@pytest.mark.parametrize("name", VERBS)
def test_the_class_of_a_verb_has_its_flags_and_no_others(name):
    parser = verb_parsers(create_parser([name]))[name]
    assert_fits(parser, class_of_command(find_verb(name)))


@pytest.mark.parametrize("module", OMZ, ids=lambda module: module.__name__)
def test_the_class_of_open_model_zoos_command_has_its_flags_and_no_others(module):
    assert_fits(module.COMMAND.create_parser(), class_of_command(module.COMMAND))


def test_each_attribute_of_mo_has_a_flag():
    own = attributes(mo.MoArgs).keys() - attributes(Args).keys() - NO_FLAGS
    assert own <= flags_of(mo.create_parser()).keys()


@functools.cache
def readings():
    """The modules that read each argument of a command: as ``args.NAME``, or in a module of shared flags by its name."""
    found = {}
    for path in (ROOT / "src" / "posezoo").rglob("*.py"):
        text = path.read_text("utf-8")
        names = re.findall(r"\bargs\.(\w+)", text)
        if path.name.endswith("flags.py"):
            names += re.findall(r"""\.get\("(\w+)\"""", text)
        if "def statement_from_args" in text:  # it reads each of them that a verb has
            names += [each.name for each in fields(Statement)]
        for name in names:
            found.setdefault(name, set()).add(path)
    return found


@functools.cache
def modules_of_commands():
    commands = (*map(find_verb, VERBS), *(module.COMMAND for module in OMZ))
    return {Path(inspect.getsourcefile(class_of_command(each))) for each in commands}


def assert_read(parser, command):
    """No flag is accepted and then forgotten; another command that reads one of its name does not count."""
    cls = class_of_command(command)
    classes = [each for each in cls.__mro__ if each.__module__.startswith("posezoo.")]
    others = modules_of_commands() - {Path(inspect.getsourcefile(each)) for each in classes}
    flags = {action.dest for action in parser._actions if action.option_strings} & flags_of(
        parser
    ).keys()
    for name in sorted(flags - SETTING_TYPES.keys() - OF_EACH_VERB):
        is_read = bool(readings().get(name, set()) - others)
        assert is_read, (
            f"read args.{name} in run() of {place_of(cls)}, or remove the flag: no code reads its value"
        )


#: Their verbs tell whether they were given, and take their default otherwise.
FILLED_IN = {"detect_every", "wheel_version"}


@pytest.mark.parametrize("name", VERBS)
def test_each_flag_of_a_verb_is_read_and_its_help_has_its_default(name):
    parser = verb_parsers(create_parser([name]))[name]
    assert_read(parser, find_verb(name))
    for action in parser._actions:
        if argparse.SUPPRESS not in (action.help, action.default) and action.option_strings:
            has_default = not action.default or "default" in action.help
            assert has_default, (
                f"add '(default: {action.default})' to the help of {action.option_strings[-1]} of posezoo {name}"
            )
        number = re.search(r"\(default: ([\d.]+)[;)]", str(action.help))
        is_set = action.dest in SETTING_TYPES.keys() | FILLED_IN or action.default not in (
            None,
            argparse.SUPPRESS,
        )
        assert is_set or not number, (
            f"the help of {action.option_strings[-1]} of posezoo {name} says default {number[1]}, which it has not"
        )
        for word in action.option_strings:
            usual = f"--{word.lstrip('-').replace('-', '_')}"
            assert "-" not in word.lstrip("-") or usual in action.option_strings, (
                f"name {word} of posezoo {name} {usual}, as the other flags"
            )


@pytest.mark.parametrize("module", OMZ, ids=lambda module: module.__name__)
def test_each_flag_of_open_model_zoos_command_is_read(module):
    assert_read(module.COMMAND.create_parser(), module.COMMAND)


def test_a_flag_that_is_not_given_has_the_value_of_a_command_without_it():
    for parser in (
        *verb_parsers(create_parser()).values(),
        *(each.COMMAND.create_parser() for each in OMZ),
    ):
        for action in parser._actions:
            is_shown = argparse.SUPPRESS not in (action.help, action.default)
            if hasattr(Args, action.dest) and is_shown:
                without = getattr(Args, action.dest)
                assert action.default == without or not (action.default or without), action.dest
