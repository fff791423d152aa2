"""What files of a registry declare, kept in the user's cache folder, so that an unchanged file is
not parsed again.

A kept value is a pickle, and its reader knows only the classes of these values: whatever else it
contains, it is not loaded. Nothing is kept if posezoo has no cache folder yet.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar
from zlib import crc32

from posezoo.user_folders import find_user_folder

ValueT = TypeVar("ValueT")

#: A file that changed later than this before it was read may change again within one tick of the
#: file system's clock, which its status would not show.
_SETTLED_NS = 2_000_000_000

#: Of a file: size, times of change and of status change, and inode; None if there is no file.
_State = tuple[int, int, int, int] | None

#: What this process has read: the key and the value by path.
_read_before: dict[Path, tuple[object, Any]] = {}


def read_parsed(
    path: Path, read: Callable[[], ValueT], modules: Collection[str], beside: Iterable[Path] = ()
) -> ValueT:
    """What ``read`` returns for a file, or what it returned before if nothing changed since.

    Args:
        path: the file.
        read: parses the file; what it raises is raised, and is not kept.
        modules: those that define the classes of the value; a value with others is not kept.
        beside: the other files that decide the value, which need not exist.
    """
    states = {str(each): _state(each) for each in (path, *beside)}
    key = (_code_state(), states)
    value: ValueT
    before, value = _read_before.get(path, (None, None))
    if before == key:
        return value
    kept = _kept_path(path)
    value = _load(kept, key, modules)
    if value is None:
        value = read()
        changed_ns = max(max(state[1:3]) for state in states.values() if state is not None)
        if time.time_ns() - changed_ns <= _SETTLED_NS:
            return value
        _save(kept, key, value, modules)
    _read_before[path] = (key, value)
    return value


def _kept_path(path: Path) -> Path | None:
    """Where the value of a file is kept; None for a user without a cache folder."""
    try:
        folder = find_user_folder("cache")
    except RuntimeError:  # there is no home folder
        return None
    return folder / "parsed" / f"{crc32(os.fsencode(path)):08x}" if folder.is_dir() else None


def _state(path: Path) -> _State:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@cache
def _code_state() -> int:
    """A number that differs if the code that parses has changed."""
    package = Path(__file__).parent
    files = sorted([*package.glob("*.*"), *(package / "spec").glob("*.*")])
    return crc32(repr([(str(file), _state(file)) for file in files]).encode())


class _KnownClasses(pickle.Unpickler):
    """A pickle calls what it names: here only the classes of some modules, and those of paths."""

    def __init__(self, stream: IO[bytes], modules: Collection[str]) -> None:
        super().__init__(stream)
        self.modules = modules

    def find_class(self, module: str, name: str) -> Any:
        if name in ("PosixPath", "WindowsPath") and module.startswith("pathlib"):
            return super().find_class(module, name)
        if module in self.modules and "." not in name:
            value_class = super().find_class(module, name)
            if isinstance(value_class, type) and value_class.__module__ == module:
                return value_class
        raise pickle.UnpicklingError(f"{module}.{name} is not a class of kept values")


def _load(kept: Path | None, key: object, modules: Collection[str]) -> Any:
    """A kept value; None if there is none for this key."""
    # Damaged pickles raise nearly anything, and so do those of another Python.
    with suppress(Exception):
        if kept:
            with open(kept, "rb") as stream:
                if _KnownClasses(stream, ()).load() == key:
                    return _KnownClasses(stream, modules).load()
    return None


def _save(kept: Path | None, key: object, value: object, modules: Collection[str]) -> None:
    if kept is None:
        return
    part = kept.with_name(f"{kept.name}.{os.getpid()}.{threading.get_ident()}")
    with suppress(Exception):  # a value with a plug-in's class, or a folder that is read-only
        content = pickle.dumps(value)
        if _KnownClasses(BytesIO(content), modules).load() != value:
            return
        kept.parent.mkdir(exist_ok=True)
        # An address in a model.yml may contain a password: only this user reads the kept value.
        with open(part, "wb", opener=partial(os.open, mode=0o600)) as stream:
            stream.write(pickle.dumps(key) + content)
        part.replace(kept)
