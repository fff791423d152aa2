"""Locks on files and folders; the system releases a lock when its process ends, even if it is
killed.

docs/decisions/README.md (0022) says why this is not the package filelock.
"""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from posezoo.core.errors import OutputError
from posezoo.core.operating_system import IS_WINDOWS, READ_FLAGS, WRITE_FLAGS, lock_byte, try_lock

#: Replacing a small file takes milliseconds; a longer lock means a stopped process or a stalled
#: disk.
WAIT_S = 10.0
_PAUSE_S = 0.01

#: If files cannot be locked (Windows, some network shares), one of this age counts as unused.
ABANDONED_AFTER_S = 3600.0

_PART = re.compile(r"\.\d+-[0-9a-f]{8}\.part$")


@contextmanager
def exclusive(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Lock a file against other processes and threads that use this lock, while it is read and
    replaced.

    A hidden guard file beside it is locked, because the file itself is replaced; without locks in
    the file system, this does not wait. Windows has this lock.

    Args:
        wait_s: how long to wait.

    Raises:
        OutputError: the lock was not released within ``wait_s``.
        OSError: the guard file cannot be created.
    """
    guard = guard_of(path)
    try:
        handle = lock_guard(guard, wait_s=wait_s)
    except BlockingIOError as error:
        raise OutputError(
            f"{path}: another run keeps it locked", hint="end that run, or try again later"
        ) from error
    try:
        yield
    finally:
        release_guard(guard, handle)


def _do_nothing() -> None:
    """For a caller that needs no report while a lock is waited for."""


def lock_file(
    path: Path, on_wait: Callable[[], None] = _do_nothing, *, wait_s: float = math.inf
) -> int | None:
    """Open a file with an exclusive lock, and create it if it is missing.

    If the path is a symbolic link, a hard link or not a regular file, it is removed first, because
    the bytes would be written elsewhere.

    Args:
        path: the file; missing parent folders are created.
        on_wait: called once if another process or thread has the lock.
        wait_s: how long to wait for it.

    Returns:
        The handle; closing it releases the lock. None if the system or the file system has no
        locks; then the file does not exist.

    Raises:
        BlockingIOError: the lock was not released within ``wait_s``.
        OSError: the file cannot be opened.
    """
    if IS_WINDOWS:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return None
    deadline = time.monotonic() + wait_s
    while True:
        if path.is_symlink():
            path.unlink()
        handle = _open_or_create(path)
        is_ours = False
        try:
            is_locked = try_lock(handle)
            is_ours = bool(is_locked) and _still_has_its_name(path, handle)
        finally:
            if not is_ours:
                os.close(handle)
        if is_ours:
            return handle
        if is_locked is None:
            path.unlink(missing_ok=True)
            return None
        if is_locked:  # its last owner renamed or removed it: open the file that has the name now
            continue
        on_wait()
        on_wait = _do_nothing  # it is called once
        if time.monotonic() >= deadline:
            raise _blocked(path)
        time.sleep(_PAUSE_S)


def _open_or_create(path: Path) -> int:
    try:
        return os.open(path, WRITE_FLAGS, 0o666)
    except (FileNotFoundError, NotADirectoryError):
        path.parent.mkdir(parents=True, exist_ok=True)  # names the file that is in the way
        return os.open(path, WRITE_FLAGS, 0o666)


def unique_part(target: Path) -> Path:
    """A name beside a file for new bytes, which no other process or thread has."""
    return target.with_name(f".{target.name[:64]}.{os.getpid()}-{secrets.token_hex(4)}.part")


def is_part_of(part: Path, target: Path) -> bool:
    """Whether a file has the name of a partial download, or of new bytes, of a file beside it."""
    if part.parent != target.parent:
        return False
    rest = _PART.sub(".part", part.name)
    is_cut = rest != part.name and rest == f".{target.name[:64]}.part"
    return is_cut or part.name == f".{target.name}.part"


@cache  # a run may write thousands of files into one folder
def remove_stale_parts(folder: Path) -> None:
    """Remove what killed writers left in a folder under names of ``unique_part``: unlocked parts,
    or without locks those older than an hour.
    """
    for part in folder.glob(".*-*.part"):
        if not _PART.search(part.name):
            continue
        with suppress(OSError):
            age_s = time.time() - part.stat().st_mtime
            handle = lock_open_file(part)
            if handle is None and age_s < ABANDONED_AFTER_S:
                continue
            part.unlink()
            if handle is not None:
                os.close(handle)


def lock_open_file(path: Path) -> int | None:
    """Lock an existing file until the returned handle is closed; None if there are no locks.

    Raises:
        BlockingIOError: another process or thread has the lock.
        OSError: the file cannot be opened.
    """
    handle = os.open(path, READ_FLAGS)
    is_locked = try_lock(handle)
    if is_locked:
        return handle
    os.close(handle)
    if is_locked is None:
        return None
    raise _blocked(path)


def discard(path: Path) -> None:
    """Remove a file that is not needed any more, if that is possible."""
    with suppress(OSError):
        path.unlink()


def remove_lock(path: Path, handle: int | None) -> None:
    """Remove a file that ``lock_file`` locked, and only then release its lock."""
    if handle is not None:
        discard(path)
        os.close(handle)


def lock_folder(folder: Path) -> int | None:
    """Lock a folder until the returned handle is closed; None if folders cannot be locked.

    Raises:
        BlockingIOError: another process or thread has the lock.
        FileNotFoundError: the folder does not exist any more.
    """
    try:
        return lock_open_file(folder)
    except PermissionError:  # Windows cannot open folders
        return None


def _blocked(path: Path) -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))


def _still_has_its_name(path: Path, handle: int) -> bool:
    status = os.fstat(handle)
    try:
        if not os.path.samestat(os.lstat(path), status):
            return False
    except FileNotFoundError:
        return False
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return True
    path.unlink()
    return False


def guard_of(path: Path) -> Path:
    """The hidden file beside a path that ``lock_guard`` can lock."""
    return path.with_name(f".{path.name}.guard")


def lock_guard(
    guard: Path, on_wait: Callable[[], None] = _do_nothing, *, wait_s: float = math.inf
) -> int | None:
    """As ``lock_file``, for a file that is never written or renamed: Windows has this lock, too.

    ``release_guard`` releases it.
    """
    if not IS_WINDOWS:
        return lock_file(guard, on_wait, wait_s=wait_s)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            handle = _open_or_create(guard)
        except PermissionError:
            # Windows refuses the name of a removed file until its last user has closed it.
            if not os.access(guard.parent, os.W_OK):
                raise
        else:
            with suppress(OSError):
                lock_byte(handle, locked=True)
                if _still_has_its_name(guard, handle):
                    return handle
            os.close(handle)
        on_wait()
        on_wait = _do_nothing
        if time.monotonic() >= deadline:
            raise _blocked(guard)
        time.sleep(_PAUSE_S)


def release_guard(guard: Path, handle: int | None) -> None:
    """Remove a file that ``lock_guard`` locked, and release its lock."""
    if IS_WINDOWS and handle is not None:
        lock_byte(handle, locked=False)
        os.close(handle)
        discard(guard)  # fails if the next owner has already opened it, and removes it
    else:
        remove_lock(guard, handle)
