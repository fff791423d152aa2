"""The parser, the help texts and the outputs of all commands; importing this is fast."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from posezoo.console.terminal import terminal_width
from posezoo.core.errors import printable
from posezoo.core.files.output_file import OutputFile

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

#: The maximum width of help texts; longer lines are hard to read.
MOST_COLUMNS = 100


class NamedOutput(NamedTuple):
    """The file or folder that a flag names for a result."""

    flag: str
    path: Path
    kind: OutputFile


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats help texts: a short usage, examples as they are written, and lines that fit the
    terminal.
    """

    def __init__(self, prog: str) -> None:
        # The help may go to a pager, by a pipe.
        columns = terminal_width(sys.__stderr__, sys.__stdin__) or MOST_COLUMNS
        width = min(shutil.get_terminal_size((columns, 24)).columns, MOST_COLUMNS)
        super().__init__(prog, max_help_position=width * 32 // 100, width=width)

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None,
    ) -> str:
        """One line: what must be given; the flags that may be given are listed below."""
        if usage is not None:
            return super()._format_usage(usage, actions, groups, prefix)
        needed = [action for action in actions if action.required or not action.option_strings]
        options = "[options]" if len(needed) < len([*actions]) else ""
        text = super()._format_usage(None, needed, [], prefix)
        return text.replace(self._prog, f"{self._prog} {options}".rstrip(), 1)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap a paragraph; a text of several lines has its own layout."""
        if "\n" not in text:
            return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
        return super()._fill_text(text, width, indent)


def list_in_help(title: str, text: str) -> argparse.Action:
    """What the help shows as an argument, and the command line does not have."""
    return argparse.Action([], title, nargs=0, help=text, metavar=title)


class SafeParser(argparse.ArgumentParser):
    """Quotes what the user gave in one line, and without passwords."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse, which leaves out the default of a flag if the namespace's class has one."""
        if namespace is not None:
            for action in self._actions:
                if argparse.SUPPRESS not in (action.dest, action.default):
                    namespace.__dict__.setdefault(action.dest, action.default)
        return super().parse_known_args(args, namespace)

    def _get_option_tuples(self, option_string: str) -> Any:
        """The flags that an abbreviation can mean; two spellings of a flag are one of them."""
        matches = super()._get_option_tuples(option_string)
        return list({match[0].dest: match for match in reversed(matches)}.values())

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        super().error(printable(message))


class Args:
    """The arguments of a command: the values here are of flags that it may lack.

    For the type checker: the class of a command adds its own flags, without values, and argparse
    sets all. It is no ``argparse.Namespace``, which has any name.
    """

    parser: argparse.ArgumentParser
    add_mo_arg: Sequence[str] = ()
    all: bool = False
    checkpoint: Path | None = None
    cluster: str | None = None
    decoder_options: Sequence[tuple[str, Any]] = ()
    download_dir: Path | None = None
    dry_run: bool = False
    dynamic: bool = False
    force: bool = False
    height: int | None = None
    layout: str | None = None
    log: Path | None = None
    mo: Path | None = None
    model: str | None = None
    models_dir: Sequence[Path] | None = None
    python: Path | None = None
    quiet: bool = False
    registries: Sequence[str] | None = None
    trust_on_first_use: bool = False
    verbose: bool = False
    words: Sequence[str] = ()  # as they were typed, after the verb


class CommandParser(SafeParser):
    """Shows a wrong flag and what to do next, without the usage, which would hide them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A guessed prefix means another flag as soon as a release adds one.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    full_help = ""  # the command that also explains the flags of folded groups; empty: --help does

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; of folded groups, only the names of the flags."""
        short = copy(self)
        if self.full_help:
            folded = [group for group in self._action_groups if getattr(group, "folded", False)]
            rest = argparse._ArgumentGroup(self, f"more flags; {self.full_help} explains them")
            for group in folded:
                actions = [each for each in group._group_actions if each.help != argparse.SUPPRESS]
                names = ", ".join(action.option_strings[-1] for action in actions)
                rest._group_actions.append(list_in_help(group.title or "", names))
            shown = [group for group in self._action_groups if group not in folded]
            short._action_groups = [*shown, rest]
        super(CommandParser, short).print_help(file)

    def error(self, message: str, hint: str = "") -> NoReturn:
        """Exit with code 2."""
        hint = hint or f"{self._lacking_values(message)}{self.prog} --help shows its usage"
        self.exit(2, f"{self.prog}: error: {printable(message)}\n  hint: {printable(hint)}\n")

    def _lacking_values(self, message: str) -> str:
        """What flags in argparse's message take: ``--to TARGET DIR; ``; empty if no flag lacks
        values.
        """
        if not re.search(r"expected .* arguments?$|arguments are required", message):
            return ""
        names = re.findall(r"(?<![\w-])--?[\w-]+", message)
        actions = dict.fromkeys(self._option_string_actions[name] for name in names)
        formatter = self._get_formatter()
        return "".join(f"{formatter._format_action_invocation(each)}; " for each in actions)
