"""The command lines of public projects that call Open Model Zoo's commands, and what a replay of them found."""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from posezoo.core.errors import PosezooError
from posezoo.core.registry import open_registry
from posezoo.omz.commands import converter, downloader, info_dumper, mo, quantizer

TABLES = Path(__file__).parent
PARSERS = {
    "downloader": downloader.COMMAND.create_parser,
    "converter": converter.COMMAND.create_parser,
    "quantizer": quantizer.COMMAND.create_parser,
    "info_dumper": info_dumper.COMMAND.create_parser,
}

#: The releases whose models are in model_names.tsv.
RELEASES = ("2024.6", "2022.1", "2021.4")
#: What posezoo's mo does with a line that it does not refuse.
CONVERTED = "Converted"


@dataclass(frozen=True)
class CommandLine:
    """A row of command_lines.tsv.

    Attributes:
        project: the owner and name of a repository on GitHub.
        path: the file, issue or pull request; empty if it is unknown.
        release: the release that the source names or that was the newest then; empty if it is unknown.
        line: the command line, without the interpreter and the folder of the script.
        models: the names or patterns of --name, or the names in the file of --list.
        note: what stands for a variable, and what else was changed.
        cannot: the flag that cannot be used here, and why; empty for a line that parses.
    """

    project: str
    path: str
    release: str
    line: str
    models: tuple[str, ...]
    note: str
    cannot: str

    @property
    def tool(self) -> str:
        """The name of the command, as in ``PARSERS``, or the command itself."""
        return shlex.split(self.line)[0].removeprefix("omz_").removesuffix(".py")

    @property
    def arguments(self) -> list[str]:
        """What follows the command."""
        return shlex.split(self.line)[1:]

    def can_run(self, names: dict[str, frozenset[str]]) -> bool:
        """Whether the command has each flag of the line, and a release each model."""
        return not self.cannot and all(releases_of(model, names) for model in self.models)

    @property
    def arguments_of_mo(self) -> list[str]:
        """The arguments of mo for a line of Model Optimizer, which may name the framework by its command."""
        framework = {"mo_caffe": "caffe", "mo_onnx": "onnx", "mo_tf": "tf"}.get(self.tool)
        return [*self.arguments, *(["--framework", framework] if framework else [])]

    def outcome_of_mo(self) -> str:
        """``CONVERTED`` if posezoo's mo carries out a line of Model Optimizer; otherwise its error."""
        try:
            mo.read_command_line(mo.parse_arguments(self.arguments_of_mo))
        except PosezooError as error:
            return error.problem
        return CONVERTED


@dataclass(frozen=True)
class ReplayedLine:
    """A row of replay.tsv: what test_replay.py found when it ran a command line.

    Attributes:
        outcome: same; differs; refused, by 2024.6 too; unconverted, if neither side converts what was generated;
            alone, if 2024.6 has no such command.
        needs: the settings and flags without which posezoo does less; empty if the line runs unchanged.
        differences: the allowed differences, each as a command and the flag that explains it in the README of
            tools/downloader.
        why: what differs, or why models need more, as ``posezoo info`` names it.
    """

    project: str
    path: str
    line: str
    outcome: str
    needs: str
    differences: str
    why: str


def read_results() -> dict[tuple[str, str, str], ReplayedLine]:
    """The replayed lines, by project, path and line."""
    rows = [ReplayedLine(**row) for row in read_table("replay.tsv")]
    return {(row.project, row.path, row.line): row for row in rows}


def read_lines() -> list[CommandLine]:
    """The command lines, in the order of their files."""
    return [
        CommandLine(models=tuple(row.pop("models").split()), **row)
        for row in read_table("command_lines.tsv")
    ]


def read_names() -> dict[str, frozenset[str]]:
    """The releases of Open Model Zoo that have a model, by its name; ``posezoo`` for those of posezoo."""
    names = {
        row["name"]: frozenset(row["releases"].split()) for row in read_table("model_names.tsv")
    }
    for name in open_registry().entries:
        names[name] = names.get(name, frozenset()) | {"posezoo"}
    return names


def releases_of(pattern: str, names: dict[str, frozenset[str]]) -> frozenset[str]:
    """The releases that have a model of that name, or one that the pattern matches."""
    return frozenset[str]().union(*(names[name] for name in names if fnmatchcase(name, pattern)))


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a table beside this file."""
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
