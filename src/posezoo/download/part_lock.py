"""Files that one process or thread at a time may work on; the system lets go of a lock whose holder ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

# Where the system has them: never through a symbolic link, never with line ends translated.
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def acquire_file_lock(path: Path, on_wait: Callable[[], None]) -> int | None:
    """A handle of a file that is ours alone, made where it is not there; None where there are no locks.

    Args:
        path: the file; its folder is there.
        on_wait: called once when another process or thread holds it; raises where nobody wants to wait.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        if path.is_symlink():
            path.unlink()
        handle = os.open(path, FLAGS, 0o666)
        try:
            locked = _try_lock(handle, on_wait)
            if locked and _is_ours(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked:
            path.unlink(missing_ok=True)
            return None


def _try_lock(handle: int, on_wait: Callable[[], None]) -> bool:
    """Whether the lock is ours; False where the system or the file system knows no locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _is_ours(path: Path, handle: int) -> bool:
    """Whether the name still belongs to the file that we opened, and to no other file's name.

    Whoever held the lock before has renamed or removed it. A hard link or something that is no regular
    file would carry our bytes elsewhere: the name is freed and the next round makes a file of its own.
    """
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
