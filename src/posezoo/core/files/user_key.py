"""The user's key: what posezoo writes beside other files has an authentication code made with it
(HMAC, RFC 2104), which tells it from what came with a folder.

Without the key, nothing but time is lost: files are hashed, and images done, once more.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from posezoo.core.errors import OutputError, SettingsError
from posezoo.core.files.file_lock import discard, exclusive, unique_part
from posezoo.core.operating_system import replace_file
from posezoo.core.regular_files import read_small
from posezoo.core.settings import user_folder

_SIZE = 32


def user_key() -> bytes:
    """The user's key in the cache folder, made on first use; if it cannot be kept there, one that
    only this process has.
    """
    try:
        return _find_key(user_folder("cache") / "records.key")
    except SettingsError:  # there is no home folder
        return _find_key(None)


@cache
def _find_key(path: Path | None) -> bytes:
    new = secrets.token_bytes(_SIZE)
    if path is None:
        return new
    with suppress(OSError, OutputError):
        return _read_key(path) or _keep_key(path, new)
    return new


def _read_key(path: Path) -> bytes:
    """The key in a file; empty if there is none."""
    try:
        key = read_small(path)
    except OSError:
        return b""
    return key if len(key) == _SIZE else b""


def _keep_key(path: Path, new: bytes) -> bytes:
    """Write a new key, unless another process has just done so; returns the one in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path):
        if key := _read_key(path):
            return key
        part = unique_part(path)
        try:
            part.touch(mode=0o600, exist_ok=False)
            part.write_bytes(new)
            replace_file(part, path)
        finally:
            discard(part)
    return new
