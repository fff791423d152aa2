"""What Git has to know beside a posezoo.lock: that it keeps the lines of both sides of a merge, and
ignores what is known of the files of one machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from posezoo.core.errors import OutputError, os_reason
from posezoo.core.files.result_files import RECORDS_DIR
from posezoo.core.registry import builtin_models_dir
from posezoo.core.regular_files import explain_link, read_regular_bytes


def plan_git_files(lock: Path) -> dict[Path, bytes]:
    """The new content of the .gitattributes and .gitignore that lack their line; none outside a
    repository, and in posezoo's own.

    Raises:
        OutputError: one of them cannot be read.
    """
    folder = lock.parent
    folders = lock.absolute().parents
    is_ours = builtin_models_dir().parent in folders
    if is_ours or not any((each / ".git").exists() for each in folders):
        return {}
    changed = {}
    for name, line in (
        (".gitattributes", f"{lock.name} merge=union".encode()),
        (".gitignore", RECORDS_DIR.encode()),
    ):
        path = folder / name
        content = read_kept(path) if os.path.lexists(path) else b""
        if line in content.splitlines():
            continue
        end = b"\r\n" if b"\r\n" in content else b"\n"
        if content and not content.endswith(b"\n"):
            content += end
        changed[path] = content + line + end
    return changed


def read_kept(path: Path) -> bytes:
    """The bytes of a file of the user; an OutputError if it is not a regular file that can be
    read.
    """
    try:
        return read_regular_bytes(path)
    except OSError as error:
        reason = explain_link(path) or f"cannot be read: {os_reason(error)}"
        raise OutputError(f"{path}: {reason}", hint="nothing was written") from error
