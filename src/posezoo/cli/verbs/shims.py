"""posezoo shims: write commands with Open Model Zoo's names, so that old scripts find them."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from posezoo.cli.flags import Flag
from posezoo.errors import OutputError

EXAMPLES = """
posezoo shims ~/.local/bin
posezoo shims ./bin && PATH=$PWD/bin:$PATH omz_downloader --print_all
"""

#: The module of each command, by the command's name.
COMMANDS = {
    "omz_downloader": "posezoo.cli.omz.downloader",
    "omz_converter": "posezoo.cli.omz.converter",
    "omz_quantizer": "posezoo.cli.omz.quantizer",
    "omz_info_dumper": "posezoo.cli.omz.info_dumper",
}

SUMMARY = "write Open Model Zoo's commands, such as omz_downloader, which then run posezoo"

FLAGS = (
    Flag("folder DIR", f"the folder to write {', '.join(COMMANDS)} to; it should be on PATH"),
    Flag(
        "--force",
        "also replace commands that run another posezoo or another Python; other programs are never replaced",
    ),
)


def run(args: argparse.Namespace) -> int:
    """Write the commands and print their paths; if one cannot be replaced, none is written.

    Raises:
        OutputError: another program has one of the names, or the folder cannot be written.
    """
    from posezoo.files.verified_files import write_atomically

    requested = {args.folder / name: shim_script(module) for name, module in COMMANDS.items()}
    for path, content in requested.items():
        if not os.path.lexists(path):
            continue
        if not _is_ours(path):
            raise OutputError(
                f"{path}: exists already, and is not from posezoo",
                hint="choose another folder, and put it first on PATH",
            )
        if not args.force and path.read_text("utf-8") != content:
            raise OutputError(f"{path}: runs another Python or another posezoo", hint="--force replaces it")
    for path, content in requested.items():
        write_atomically(path, content.encode())
        try:
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as error:
            raise OutputError(f"{path}: cannot be made executable: {error.strerror or error}") from error
        print(path)
    for name in COMMANDS:
        for place in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
            other = shutil.which(name, path=place)
            if other and Path(other).resolve().parent != args.folder.resolve() and not _is_ours(Path(other)):
                text = "is on your PATH too, and not from posezoo: the first of the two is run"
                print(f"warning: {other} {text}", file=sys.stderr)
                break
    return 0


def shim_script(module: str) -> str:
    """A shell script that runs a module's ``main`` with this Python, from any working folder.

    The shell starts Python, since a ``#!`` line can contain neither spaces nor long paths. The script imports
    nothing from the working folder.
    """
    source = Path(__file__).resolve().parents[3]  # the folder that contains the package posezoo
    code = f"import sys; sys.path[:1] = []; sys.path.append({str(source)!r}); "
    code += f"from posezoo.__main__ import main; sys.exit(main({module!r}))"
    return f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'


def _is_ours(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
    except OSError:
        return False
    return head.startswith(b"#!/bin/sh\nexec ") and b" -c 'import sys; sys.path[:1] = []; " in head
