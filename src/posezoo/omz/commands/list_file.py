"""The file of --list of Open Model Zoo's commands."""

from __future__ import annotations

import shlex
from pathlib import Path

from posezoo.core.errors import PosezooError, os_reason
from posezoo.core.regular_files import open_regular

_MAX_LIST_BYTES = 1 << 20


def read_list_file(path: Path) -> list[str]:
    """The patterns in a file for --list: the first word of each line, split as a shell does it."""
    try:
        with open_regular(path) as stream:
            text = stream.read(_MAX_LIST_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PosezooError(f"{path}: is not UTF-8", hint="--list takes a text file") from error
    except OSError as error:
        raise PosezooError(
            f"{path}: cannot be read: {os_reason(error)}", hint="check --list"
        ) from error
    if len(text) > _MAX_LIST_BYTES:
        raise PosezooError(f"{path}: is larger than {_MAX_LIST_BYTES} bytes", hint="check --list")
    patterns = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            patterns += shlex.split(line, comments=True)[:1]
        except ValueError as error:
            hint = "write a backslash twice" if "escaped" in str(error) else "close the quotes"
            raise PosezooError(f"{path}:{number}: {error}", hint=hint) from error
    return patterns
