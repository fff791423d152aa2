"""What users' scripts rely on in every one of Open Model Zoo's commands: words, lines, selection.

Its contract stands in the README of tools/downloader, drawn from these parsers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import run_main
from posezoo.cli.flags import HelpFormatter
from posezoo.errors import PosezooError, suggest
from posezoo.settings import Setting, read_settings

if TYPE_CHECKING:
    from posezoo.registry import Registry, Selection
    from posezoo.spec.model import ModelSpec

GROUP = "#" * 16 + "||"
SECTION = "=" * 10
ALARM = "#" * 10

#: What --precisions may say; a file belongs to one when its first folder has that name.
PRECISIONS = ("FP16", "FP16-INT1", "FP16-INT8", "FP32", "FP32-INT1", "FP32-INT8")

# A list of names is no book: what is longer is not one.
_MAX_LIST_BYTES = 1 << 20


class OmzError(PosezooError):
    """A failure in the very words that scripts look for."""


def create_omz_parser(
    prog: str, summary: str, verb: str, add_flags: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """The parser of a command: how it selects, and what else it takes."""
    parser = argparse.ArgumentParser(prog=prog, description=summary, formatter_class=HelpFormatter)
    _add_selection(parser, verb)
    add_flags(parser)
    return parser


def run_command(work: Callable[[], int]) -> int:
    """Do the work of a command, and return its exit code."""
    return run_main.run_main(work, report_error=print_omz_error)


def print_omz_error(error: PosezooError) -> None:
    """One failure on the standard error, decorated as Open Model Zoo does."""
    run_main.print_to_stderr(
        error.problem if isinstance(error, OmzError) else f"{ALARM} Error: {error.problem}"
    )
    if error.hint:
        run_main.print_to_stderr(f"  hint: {error.hint}")


def print_omz_warning(message: str) -> None:
    """One line of what is odd, on the standard error."""
    run_main.print_to_stderr(f"{ALARM} Warning: {message}")


def omz_settings_from_args(args: argparse.Namespace, **flags: object) -> dict[str, Setting]:
    """The settings in force, each with its origin; ``flags`` are those that are called otherwise here.

    Raises:
        SettingsError: a value cannot be used.
    """
    models_dir = tuple(args.models_dir) if args.models_dir else None
    return read_settings({"models_dir": models_dir, **flags})


def print_all(registry: Registry) -> None:
    """The names of all models: parts of composites, not the composites; no file is read for it."""
    _warn_of_emptiness(registry)
    for name in registry.names():
        print(name)


def _warn_of_emptiness(registry: Registry) -> None:
    if registry.empty_message:
        print_omz_warning(registry.empty_message)


def omz_patterns_from_args(args: argparse.Namespace, parser: argparse.ArgumentParser) -> list[str] | None:
    """What selects models; None for all of them; wrong usage ends with 2.

    Raises:
        ContractError: the file of --list cannot be read.
    """
    given = [args.all, args.name is not None, args.list is not None]
    if sum(given) > 1:
        parser.error('at most one of "--all", "--name" or "--list" can be specified')
    if not any(given):
        parser.error('one of "--print_all", "--all", "--name" or "--list" must be specified')
    if args.all:
        return None
    return args.name.split(",") if args.list is None else read_list_file(args.list)


def select_omz_models(registry: Registry, patterns: Sequence[str] | None) -> Selection:
    """The models that the patterns match; what is wrong with their files is told at once, others' in a line.

    Raises:
        ContractError: a pattern matches no name.
    """
    for pattern in patterns or ():
        if not registry.matches_any(pattern):
            near = suggest(pattern, registry.entries)
            hint = registry.empty_message or near or "--print_all names them all"
            raise OmzError(f'No matching models: "{_printable(pattern)}"', hint=hint)
    _warn_of_emptiness(registry)
    selection = registry.select(patterns)
    for problem in selection.problems:
        print_omz_error(problem)
    for warning in selection.warnings:
        print_omz_warning(warning)
    for composite in selection.composites:
        if composite.deprecated is not None:  # of models, the download tells
            print_omz_warning(f"{composite.name}: {composite.deprecated}")
    told = {problem.problem for problem in selection.problems}
    beside = [problem for problem in registry.problems() if problem.problem not in told]
    if beside:
        others = f" (and {len(beside) - 1} more)" if len(beside) > 1 else ""
        print_omz_warning(f"left out: {beside[0].problem}{others}")
    return selection


def names_of_unreadable(selection: Selection) -> list[str]:
    """The models whose files cannot be read, as FAILED: lists them."""
    return [_printable(Path(problem.file).parent.name) for problem in selection.problems]


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def precisions_from_args(args: argparse.Namespace) -> frozenset[str]:
    """The precisions that were asked for; all that are known where none was.

    Raises:
        ContractError: one is unknown.
    """
    if args.precisions is None:
        return frozenset(PRECISIONS)
    requested = frozenset(args.precisions.split(","))
    if unknown := requested.difference(PRECISIONS):
        raise OmzError(
            f"Unknown precisions specified: {', '.join(sorted(unknown))}.",
            hint=f"known: {', '.join(PRECISIONS)}",
        )
    return requested


def available_precisions(spec: ModelSpec) -> frozenset[str]:
    """What a model is to be had in: the folders of a published IR, else what a conversion makes."""
    if not spec.is_ir:
        return frozenset({"FP16", "FP32"})
    folders = frozenset(file.name.split("/")[0] for file in spec.files)
    return folders.intersection(PRECISIONS) or frozenset(PRECISIONS)  # files in no such folder go with all


def print_failures(names: Sequence[str], *, skipped: Sequence[str] = (), text: bool = True) -> int:
    """The exit code after a run, and in text the list of those that failed, on the standard output.

    Args:
        names: of the models that failed.
        skipped: of those among all that nothing pins.
        text: whether to list them.
    """
    if skipped and text:
        print("SKIPPED (no pin):", *skipped, sep="\n", flush=True)
    if names and text:
        print("FAILED:", *names, sep="\n", flush=True)
    return 1 if names or skipped else 0


def parse_positive(text: str) -> int:
    """An argparse type: a whole number of at least 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if text.isdecimal() and 0 < int(text) < 1 << 31:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a positive integer (got {text!r})")


def _add_selection(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "--name",
        metavar="PAT[,PAT...]",
        help=f"{verb} the models whose names match (case-sensitive globs); a composite stands for its parts",
    )
    parser.add_argument(
        "--list",
        type=Path,
        metavar="FILE.LST",
        help=f"{verb} the models whose names match a line of a file; # begins a comment",
    )
    parser.add_argument("--all", action="store_true", help=f"{verb} all models")
    parser.add_argument(
        "--print_all",
        action="store_true",
        help="print the names of all models and exit, whatever else is said",
    )
    parser.add_argument(
        "--models_dir",
        action="append",
        type=Path,
        metavar="DIR",
        help="a folder of model.yml files, ours or Open Model Zoo's, in place of posezoo's own; "
        "may be given several times",
    )


def read_list_file(path: Path) -> list[str]:
    """The first word of each line, as a shell would read it.

    Raises:
        PosezooError: the file cannot be read.
    """
    import shlex

    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(_MAX_LIST_BYTES + 1)
    except UnicodeDecodeError as error:
        raise PosezooError(f"{path}: is not UTF-8", hint="--list names a text file") from error
    except OSError as error:
        raise PosezooError(
            f"{path}: cannot be read: {error.strerror or error}", hint="check --list"
        ) from error
    if len(text) > _MAX_LIST_BYTES:
        raise PosezooError(f"{path}: is larger than {_MAX_LIST_BYTES} bytes", hint="check --list")
    patterns = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise PosezooError(f"{path}:{number}: {error}", hint="close the quotes") from error
        patterns += words[:1]
    return patterns
