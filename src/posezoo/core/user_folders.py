"""The user's folders for posezoo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from posezoo.core.operating_system import find_system_folder


def find_user_folder(kind: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for posezoo's ``config``, ``cache`` or ``data``, at the usual place of the
    operating system.

    Raises:
        RuntimeError: the user has no home folder.
    """
    named = Path(environ.get(f"XDG_{kind.upper()}_HOME", ""))
    if named.is_absolute():  # the XDG specification says: ignore a relative path
        return named / "posezoo"
    home = Path(environ.get("HOME") or Path.home())
    return find_system_folder(kind, home, environ)


def is_in_cache(path: Path) -> bool:
    """Whether a file is in the user's cache folder, where only posezoo writes."""
    with suppress(RuntimeError):  # there is no home folder
        return path.resolve().is_relative_to(find_user_folder("cache").resolve())
    return False
