"""Protects the inputs of a command from its flags that name results (``Flag.output``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from glob import has_magic
from pathlib import Path

from posezoo.cli.parsers import Args, NamedOutput
from posezoo.core.errors import OutputError
from posezoo.core.files.globs import expand_glob
from posezoo.core.files.result_files import has_signs, is_own
from posezoo.core.settings import SETTING_TYPES

#: Flags for folders that also have files which posezoo writes.
_MODEL_FOLDERS = {*SETTING_TYPES, "download_dir", "model_dir", "output_dir"}


def protect_inputs(outputs: Sequence[NamedOutput], args: Args) -> None:
    """Check the files of a command's results before it runs.

    Raises:
        OutputError: a result would replace an input or another result, or lines would be appended
            to a file that is not ours.
    """
    seen: dict[Path, str] = {}
    for output in outputs:
        path = output.path.resolve()
        is_file = path.is_file() or not path.exists()
        if is_file and path in seen:
            raise OutputError(
                f"{output.path}: both {seen[path]} and {output.flag} would write to it",
                hint="name two files",
            )
        seen[path] = output.flag
    for output in outputs:
        if not output.path.is_file():
            continue
        is_known = _is_known(output)
        _refuse_input(output, args, is_known=is_known)
        if output.kind.appends and not is_known:
            raise OutputError(
                f"{output.path}: exists, and its first line is not one that {output.flag} writes",
                hint="append to another file",
            )


def _refuse_input(output: NamedOutput, args: Args, *, is_known: bool) -> None:
    paths = [*filter(Path.exists, _input_paths(args))]
    where = ""
    if any(path.samefile(output.path) for path in paths):
        where = "is"
    elif not is_known:
        above = output.path.resolve().parents
        folder = next((path for path in paths if path.resolve() in above), None)
        where = f"is in {folder}," if folder else ""
    if where:
        raise OutputError(
            f"{output.path}: {where} an input of this command, and {output.flag} would"
            f" {'append to' if output.kind.appends else 'replace'} it",
            hint="write to another file",
        )


def _is_known(output: NamedOutput) -> bool:
    if output.kind.appends:
        return not output.path.stat().st_size or has_signs(output.path, output.kind.signs)
    return is_own(output.path, output.kind.signs)


def _input_paths(args: Args) -> Iterator[Path]:
    """The files and folders that the other flags name, without the folders of models and IR."""
    actions = args.parser._actions
    results = {
        action.dest for action in actions if (flag := getattr(action, "flag", None)) and flag.output
    }
    for name in {action.dest for action in actions} - results:
        for path in _paths_in(vars(args).get(name)):
            if name not in _MODEL_FOLDERS or path.is_file():
                yield path


def _paths_in(value: object) -> Iterator[Path]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _paths_in(each)
    elif isinstance(value, Path) or (isinstance(value, str) and os.path.exists(value)):
        yield Path(value)
    elif isinstance(value, str) and has_magic(value):
        yield from expand_glob(Path(value))
