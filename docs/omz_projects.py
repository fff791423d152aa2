"""Draws the page of public projects that call Open Model Zoo's commands, from the tables in docs/omz."""

from __future__ import annotations

import csv
import shlex
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from posezoo.cards.markdown import format_code, format_link_with_text, format_table
from posezoo.cli.omz import converter, downloader, info_dumper, quantizer
from posezoo.registry import open_registry

TABLES = Path(__file__).parent / "omz"
PARSERS = {
    "downloader": downloader.create_parser,
    "converter": converter.create_parser,
    "quantizer": quantizer.create_parser,
    "info_dumper": info_dumper.create_parser,
}

#: The releases whose models are in model_names.tsv.
RELEASES = ("2024.6", "2022.1", "2021.4")
OWN, UNNAMED, OPTIMIZER, CANNOT = "posezoo", "None named", "Model Optimizer", "Cannot"


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

    def obstacle(self, names: dict[str, frozenset[str]]) -> str:
        """Why a line of one of our commands cannot run; empty if it can."""
        if self.cannot:
            return self.cannot
        if missing := [model for model in self.models if not releases_of(model, names)]:
            return f"none of {', '.join(RELEASES)} has {', '.join(missing)}"
        return ""

    def source(self, names: dict[str, frozenset[str]]) -> str:
        """Where all models of the line are found: in ``OWN`` or a release; otherwise what hinders that."""
        if self.tool not in PARSERS:
            return OPTIMIZER
        if self.obstacle(names):
            return CANNOT
        if not self.models:
            return UNNAMED
        shared = frozenset.intersection(*(releases_of(model, names) for model in self.models))
        return next((release for release in (OWN, *RELEASES) if release in shared), CANNOT)


def read_lines() -> list[CommandLine]:
    """The command lines, in the order of their files."""
    return [CommandLine(models=tuple(row.pop("models").split()), **row) for row in _read("command_lines.tsv")]


def read_names() -> dict[str, frozenset[str]]:
    """The releases of Open Model Zoo that have a model, by its name; ``OWN`` for those of posezoo."""
    names = {row["name"]: frozenset(row["releases"].split()) for row in _read("model_names.tsv")}
    for name in open_registry().entries:
        names[name] = names.get(name, frozenset()) | {OWN}
    return names


def releases_of(pattern: str, names: dict[str, frozenset[str]]) -> frozenset[str]:
    """The releases that have a model of that name, or one that the pattern matches."""
    return frozenset[str]().union(*(names[name] for name in names if fnmatchcase(name, pattern)))


def draw_page() -> str:
    """The page, as Markdown."""
    lines, names = read_lines(), read_names()
    sources = {line: line.source(names) for line in lines}
    total = Counter(sources.values())
    columns = (OWN, *RELEASES, UNNAMED, OPTIMIZER, CANNOT)
    rows = []
    for project in sorted({line.project for line in lines}, key=str.casefold):
        counts = Counter(source for line, source in sources.items() if line.project == project)
        rows.append(
            (
                format_link_with_text(f"https://github.com/{project}", project),
                str(counts.total()),
                *(str(counts[each] or "") for each in columns),
            )
        )
    obstacles = [
        (line.project, line.path, format_code(line.line), line.obstacle(names))
        for line, source in sources.items()
        if source == CANNOT
    ]
    return PAGE.format(
        lines=len(lines),
        projects=len(rows),
        commands=sum(line.tool in PARSERS for line in lines),
        parsed=sum(line.tool in PARSERS and not line.cannot for line in lines),
        own=total[OWN],
        newest=total[RELEASES[0]],
        older=total[RELEASES[1]] + total[RELEASES[2]],
        unnamed=total[UNNAMED],
        optimizer=total[OPTIMIZER],
        cannot=total[CANNOT],
        table=format_table(["Project", "Lines", *columns], rows),
        obstacles=format_table(["Project", "Where", "Line", "Why"], obstacles),
    )


def _read(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


PAGE = """\
<!-- drawn by `make docs` from docs/omz/command_lines.tsv: change it there -->
# Public projects that call Open Model Zoo's commands

[omz/command_lines.tsv](omz/command_lines.tsv) has {lines} command lines of {projects} public projects, read
in November 2026: of scripts, Dockerfiles, notebooks, pages and issues. Its column `note` names the variables
that were replaced by values. {commands} of the lines call the downloader, the converter, the quantizer or the
information dumper, and {parsed} of these parse; a test checks each of them. This page says which models the
lines find, not whether each of these models converts.

- {own} lines find all their models in posezoo's own registry.
- {newest} lines need the models of Open Model Zoo 2024.6.
- {older} lines need models that only 2022.1 or 2021.4 has.
- {unnamed} lines name no model: `--all`, `--print_all`, or a list that was not read. The registry decides
  which models `--all` means.
- {cannot} lines cannot run; the last table says why.
- {optimizer} lines call Model Optimizer itself, which converts a file; posezoo converts a model by its name.

The commands look up a name that posezoo lacks in the metadata of these releases by themselves
([how](../tools/downloader/README.md)). `--models_dir DIR` makes them read any folder of model.yml files.

## Lines by project

The projects are repositories on GitHub. A column says where lines find all their models: in posezoo's own
registry, or in which release of Open Model Zoo.

{table}

## Lines that cannot run, and why

{obstacles}
"""
