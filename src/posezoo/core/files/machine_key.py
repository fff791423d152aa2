"""Tells what this user wrote on this machine from what came from elsewhere.

A record beside a file can come with the file: from an archive, or from another user of a shared
folder. So posezoo adds an authentication code (HMAC, RFC 2104) to what it states of files. Its key
is in the user's data folder and never leaves it. Without the key nobody can write a code that fits,
and who loses the key loses time only: files are hashed and IR are checked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from posezoo.core.errors import OutputError
from posezoo.core.files.file_lock import exclusive, unique_part
from posezoo.core.operating_system import replace_file
from posezoo.core.user_folders import find_user_folder

_SIZE = 32  # bytes: as SHA-256 puts out


def authentication_code(facts: Mapping[str, object]) -> str:
    """The code of facts in JSON's types, in hexadecimal digits; the order of keys is irrelevant."""
    return _code(_find_key(_open_key), facts)


def is_authentic(facts: Mapping[str, object], code: object) -> bool:
    """Whether this user's key made the code for these facts; no key is made."""
    import hmac  # not needed by commands without records

    if not isinstance(code, str):
        return False
    return hmac.compare_digest(_code(_find_key(_read_key), facts).encode(), code.encode())


def _code(key: bytes, facts: Mapping[str, object]) -> str:
    import hmac

    content = json.dumps(facts, sort_keys=True).encode()
    return hmac.digest(key, content, "sha256").hex()


def _find_key(read: Callable[[Path], bytes]) -> bytes:
    """The user's key; one for this process if it cannot be kept, or is not read."""
    with suppress(OSError, OutputError, RuntimeError):  # RuntimeError: there is no home folder
        return read(find_user_folder("data") / "machine.key") or _key_of_process()
    return _key_of_process()


@cache
def _key_of_process() -> bytes:
    return os.urandom(_SIZE)


@cache
def _open_key(path: Path) -> bytes:
    key = _read_key(path)
    if key:
        return key
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path):
        _read_key.cache_clear()  # another process may have made it
        key = _read_key(path)
        if not key:
            key = os.urandom(_SIZE)
            part = unique_part(path)
            part.touch(mode=0o600)
            part.write_bytes(key)
            replace_file(part, path)
        _read_key.cache_clear()
    return key


@cache
def _read_key(path: Path) -> bytes:
    """The key in a file; empty if there is none."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return b""
    return key if len(key) == _SIZE else b""
