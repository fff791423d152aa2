"""One at a time: processes and threads that change the same file take turns.

The system holds the lock and lets go of it when its holder ends, however that ends: there is no stale one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.errors import OutputError

#: A turn takes milliseconds: whoever holds it for longer is stopped, or hangs on a disk.
WAIT_S = 10.0
_PAUSE_S = 0.005

# Never through a symbolic link, where the system can refuse to.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def exclusive(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Keep all others who come this way from a file for as long as we read and replace it.

    A hidden neighbour of the file is locked, since the file itself is replaced, and removed again. Where the
    file system knows no locks there is no waiting.

    Args:
        path: the file; it need not be there, its folder must.
        wait_s: how long to wait for our turn.

    Raises:
        OutputError: our turn did not come in time.
        OSError: the neighbour cannot be made.
    """
    neighbour = path.with_name(f".{path.name}.guard")
    handle = _locked(neighbour, path, time.monotonic() + wait_s)
    try:
        yield
    finally:
        _unlock(neighbour, handle)


def _locked(neighbour: Path, path: Path, deadline: float) -> int:
    while True:
        handle = _open_lock_file(neighbour)
        if handle is not None:
            try:
                if _lock(handle) and _still_has_its_name(neighbour, handle):
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
        if time.monotonic() > deadline:
            raise OutputError(f"{path}: another run keeps it locked", hint="end that run, or try again later")
        time.sleep(_PAUSE_S)


def _open_lock_file(neighbour: Path) -> int | None:
    """None where it is just being removed: Windows refuses a name until its last holder closed it."""
    try:
        return os.open(neighbour, _FLAGS, 0o666)
    except PermissionError:
        if sys.platform != "win32" or not os.access(neighbour.parent, os.W_OK):
            raise
        return None


def _still_has_its_name(neighbour: Path, handle: int) -> bool:
    """Whoever had the lock before us removed the name before letting go; another may have made a new one."""
    try:
        return os.path.samestat(os.lstat(neighbour), os.fstat(handle))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(neighbour: Path, handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)
        with suppress(OSError):  # the next one has opened it already, and will remove it
            neighbour.unlink()

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks on this file system
            return True
        return True

    def _unlock(neighbour: Path, handle: int) -> None:
        with suppress(OSError):
            neighbour.unlink()
        os.close(handle)
