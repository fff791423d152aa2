"""Draws the page of public projects that call Open Model Zoo's commands, from the tables in
docs/omz.
"""

from __future__ import annotations

import csv
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from posezoo.core.errors import PosezooError
from posezoo.core.registry import open_registry
from posezoo.omz.commands import converter, downloader, info_dumper, mo, quantizer
from posezoo.pages.cards.markdown import format_code, format_link_with_text, format_table

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

#: What posezoo's mo does with a line that it does not refuse.
CONVERTED = "Converted"

#: How posezoo runs a line, as the replay found.
UNCHANGED, MORE, DIFFERENT, ALONE = "Unchanged", "Needs more", "Differs", "Not compared"
VERDICTS = (UNCHANGED, MORE, DIFFERENT, CANNOT, ALONE)


@dataclass(frozen=True)
class CommandLine:
    """A row of command_lines.tsv.

    Attributes:
        project: the owner and name of a repository on GitHub.
        path: the file, issue or pull request; empty if it is unknown.
        release: the release that the source names or that was the newest then; empty if it is
            unknown.
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

    @property
    def arguments_of_mo(self) -> list[str]:
        """The arguments of mo for a line of Model Optimizer, which may name the framework by its
        command.
        """
        framework = {"mo_caffe": "caffe", "mo_onnx": "onnx", "mo_tf": "tf"}.get(self.tool)
        return [*self.arguments, *(["--framework", framework] if framework else [])]

    def outcome_of_mo(self) -> str:
        """``CONVERTED`` if posezoo's mo carries out a line of Model Optimizer; otherwise its
        error.
        """
        try:
            mo.read_command_line(mo.parse_arguments(self.arguments_of_mo))
        except PosezooError as error:
            return error.problem
        return CONVERTED

    def source(self, names: dict[str, frozenset[str]]) -> str:
        """Where all models of the line are found: in ``OWN`` or a release; otherwise what hinders
        that.
        """
        if self.tool not in PARSERS:
            return OPTIMIZER
        if self.obstacle(names):
            return CANNOT
        if not self.models:
            return UNNAMED
        shared = frozenset.intersection(*(releases_of(model, names) for model in self.models))
        return next((release for release in (OWN, *RELEASES) if release in shared), CANNOT)


@dataclass(frozen=True)
class ReplayedLine:
    """A row of replay.tsv: what tests/omz/test_replay.py found when it ran a command line.

    Attributes:
        outcome: same; differs; refused, by 2024.6 too; unconverted, if neither side converts what
            was generated; alone, if 2024.6 has no such command.
        needs: the settings and flags without which posezoo does less; empty if the line runs
            unchanged.
        differences: the allowed differences, each as a command and the flag that explains it in the
            README of tools/downloader.
        why: what differs, or why models need more, as ``posezoo info`` names it.
    """

    project: str
    path: str
    line: str
    outcome: str
    needs: str
    differences: str
    why: str

    @property
    def verdict(self) -> str:
        """How posezoo runs the line: one of ``VERDICTS``."""
        if self.outcome in ("refused", "alone", "differs"):
            return {"refused": CANNOT, "alone": ALONE, "differs": DIFFERENT}[self.outcome]
        return MORE if self.needs or self.outcome == "unconverted" else UNCHANGED


def read_results() -> dict[tuple[str, str, str], ReplayedLine]:
    """The replayed lines, by project, path and line."""
    rows = [ReplayedLine(**row) for row in _read("replay.tsv")]
    return {(row.project, row.path, row.line): row for row in rows}


def read_lines() -> list[CommandLine]:
    """The command lines, in the order of their files."""
    return [
        CommandLine(models=tuple(row.pop("models").split()), **row)
        for row in _read("command_lines.tsv")
    ]


def read_names() -> dict[str, frozenset[str]]:
    """The releases of Open Model Zoo that have a model, by its name; ``OWN`` for those of
    posezoo.
    """
    names = {row["name"]: frozenset(row["releases"].split()) for row in _read("model_names.tsv")}
    for name in open_registry().entries:
        names[name] = names.get(name, frozenset()) | {OWN}
    return names


def releases_of(pattern: str, names: dict[str, frozenset[str]]) -> frozenset[str]:
    """The releases that have a model of that name, or one that the pattern matches."""
    return frozenset[str]().union(*(names[name] for name in names if fnmatchcase(name, pattern)))


def render_page() -> str:
    """The page, as Markdown."""
    lines = read_lines()
    names = read_names()
    return PAGE.format(
        lines=len(lines),
        commands=sum(line.tool in PARSERS for line in lines),
        parsed=sum(line.tool in PARSERS and not line.cannot for line in lines),
        found=len({model for line in lines for model in line.models if releases_of(model, names)}),
        **_describe_sources(lines, names),
        **_describe_replay(list(read_results().values())),
    )


def _describe_sources(
    lines: Sequence[CommandLine], names: dict[str, frozenset[str]]
) -> dict[str, object]:
    """Where the models of the lines are found, and which lines cannot be run."""
    sources = {line: line.source(names) for line in lines}
    total = Counter(sources.values())
    columns = (OWN, *RELEASES, UNNAMED, OPTIMIZER, CANNOT)
    rows = []
    for project in sorted({line.project for line in lines}, key=str.casefold):
        counts = Counter(source for line, source in sources.items() if line.project == project)
        link = format_link_with_text(f"https://github.com/{project}", project)
        rows.append((link, str(counts.total()), *_cells(counts, columns)))
    obstacles = []
    by_mo = []
    for line, source in sources.items():
        row = (line.project, line.path, format_code(line.line))
        if source == CANNOT:
            obstacles.append((*row, line.obstacle(names)))
        elif source == OPTIMIZER:
            by_mo.append((*row, line.outcome_of_mo()))
    return {
        "projects": len(rows),
        "own": total[OWN],
        "newest": total[RELEASES[0]],
        "older": total[RELEASES[1]] + total[RELEASES[2]],
        "unnamed": total[UNNAMED],
        "optimizer": total[OPTIMIZER],
        "cannot": total[CANNOT],
        "converted": sum(row[-1] == CONVERTED for row in by_mo),
        "by_mo": format_table(["Project", "Where", "Line", "Outcome"], by_mo),
        "table": format_table(["Project", "Lines", *columns], rows),
        "obstacles": format_table(["Project", "Where", "Line", "Why"], obstacles),
    }


def _describe_replay(results: Sequence[ReplayedLine]) -> dict[str, object]:
    """What the lines did in the replay."""
    outcomes = Counter(row.outcome for row in results)
    compared = outcomes["same"] + outcomes["differs"]
    verdicts = []
    for project in sorted({row.project for row in results}, key=str.casefold):
        of_project = [row for row in results if row.project == project]
        counts = Counter(row.verdict for row in of_project)
        needs = dict.fromkeys(each for row in of_project for each in row.needs.split(", ") if each)
        verdicts.append((project, *_cells(counts, VERDICTS), format_code(", ".join(needs))))
    more = [
        (row.project, format_code(row.line), format_code(row.needs), row.why)
        for row in results
        if row.verdict in (MORE, DIFFERENT)
    ]
    return {
        "replayed": len(results),
        "compared": compared,
        "same": outcomes["same"],
        "percent": f"{100 * outcomes['same'] / compared:.1f}",
        "unconverted": outcomes["unconverted"],
        "refused": outcomes["refused"],
        "alone": outcomes["alone"],
        "unchanged": sum(row.verdict == UNCHANGED for row in results),
        "verdicts": format_table(["Project", *VERDICTS, "What it needs"], verdicts),
        "more": format_table(["Project", "Line", "Needs", "Why"], more),
    }


def _cells(counts: Counter[str], names: Iterable[str]) -> Iterator[str]:
    return (str(counts[name] or "") for name in names)


def _read(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


PAGE = """\
<!-- drawn by `make docs` from docs/omz/command_lines.tsv: change it there -->
# Public projects that call Open Model Zoo's commands

[omz/command_lines.tsv](omz/command_lines.tsv) has {lines} command lines of {projects} public projects, read
in November 2026: of scripts, Dockerfiles, notebooks, pages and issues. Its column `note` names the variables
that were replaced by values. {commands} of the lines call the downloader, the converter, the quantizer or the
information dumper, and {parsed} of these parse; a test checks each line. The first tables show which models
the lines find. In the last section, the lines ran with posezoo and with openvino-dev 2024.6.

- {own} lines find all their models in posezoo's own registry.
- {newest} lines need the models of Open Model Zoo 2024.6.
- {older} lines need models that only 2022.1 or 2021.4 has.
- {unnamed} lines name no model: `--all`, `--print_all`, or a list that was not read. The registry decides
  which models `--all` means.
- {cannot} lines cannot run; [a table](#lines-that-cannot-run-and-why) says why.
- {optimizer} lines call Model Optimizer itself, which converts a file; posezoo's `mo` runs {converted} of them.

If posezoo lacks a name, the commands look it up in the metadata of these releases
([how](../tools/downloader/README.md)). `--models_dir DIR` makes them read any folder of model.yml files.

## Lines by project

The projects are repositories on GitHub. The columns give the registry in which lines find all their models:
posezoo's own, or a release of Open Model Zoo.

{table}

## Lines that call Model Optimizer

The stand-in wheel of `posezoo shims --wheel DIR` has a command `mo`, which converts all
[formats that posezoo reads](migrating.md#formats-that-posezoo-converts) with current OpenVINO. If it does not
support a format or an argument, the error names it. The test reads the scripts `mo_onnx.py`, `mo_tf.py` and
`mo_caffe.py` of old releases as `mo --framework`, and runs each line with generated files of these names and
shapes.

{by_mo}

## Lines that cannot run, and why

{obstacles}

## What a replay found

`make judge` runs each of the {replayed} lines with `sh`, the lines of a script in their order and in one
folder. It runs them with the commands of openvino-dev 2024.6, and in a fresh environment in which pip
installed the wheel of `posezoo shims --wheel DIR`. Both download from a local server. Its models have the
published names, file trees and arguments, but small generated files. The models of a converter are downloaded
first, and a list that was not read has two models. The test changes openvino-dev in two places: it accepts
the frameworks of older releases, and finds a module named tensorflow, which its Model Optimizer imports only
to ask for the type of a path.

The test compares folders, file names, digests of downloads, the inputs of each IR, exit codes, and the
printed names of models. The column `differences` of [omz/replay.tsv](omz/replay.tsv) names flags; the
[README](../tools/downloader/README.md) explains what may differ for each flag. `STORE_REPLAY=1` writes that
table; the test compares every run with it.

- posezoo knows every flag of a release since 2019, and finds each of the {found} names and patterns of models
  of a release.
- {same} of {compared} compared lines ({percent} %) have the same result.
- {unchanged} of all {replayed} lines run unchanged.
- {unconverted} lines convert models that neither side can convert from generated files: PyTorch models and
  those with a pre-convert.py need the code of their authors, and Model Optimizer rewrites only the real
  networks of TensorFlow's object detection and of YOLO. Both sides end with exit code 1 and write no IR.
- Both refuse {refused} lines, for a flag or a name that 2024.6 does not know.
- {alone} lines call the quantizer, which 2024.6 no longer has.

Some lines need more. `POSEZOO_MO` names a Model Optimizer of 2024.6, for graphs that only a program inside it
rewrites. `POSEZOO_REGISTRIES=omz` makes `--all` and `--print_all` include Open Model Zoo's models; the replay
runs `--all` with a zoo of three models. `--allow_upstream_code`, or the variable
`POSEZOO_ALLOW_UPSTREAM_CODE=sandboxed`, lets the authors' code run, in a sandbox.

{verdicts}

### Lines that need more, and why

The last column has the reasons as `posezoo info` names them.

{more}
"""
