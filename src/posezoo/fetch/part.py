"""The file beside a target that bytes go to until they are known to be right.

It is locked while somebody writes, so two processes fetch a file once. The rename is the last step:
a file that has its name was verified.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.files import cannot_write, publish

# Where the system has them: never through a symbolic link, never with line ends translated.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Part:
    """An open part file that is ours alone."""

    def __init__(self, path: Path, target: Path, handle: int) -> None:
        self._path, self._target, self._handle = path, target, handle
        self._published = False
        self._kept = False

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return os.fstat(self._handle).st_size

    def keep(self) -> None:
        """Leave it where it lies if it is not published: the next run goes on with it."""
        self._kept = True

    @property
    def path(self) -> Path:
        """Where its bytes lie until it is published."""
        return self._path

    def restart(self, size: int = 0) -> None:
        """Go on behind so many of its bytes; with 0, empty what an earlier attempt or run left in it."""
        with _writing(self._target):
            os.lseek(self._handle, size, os.SEEK_SET)
            os.ftruncate(self._handle, size)

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            OutputError: the disk is full, or gone.
        """
        rest = memoryview(piece)
        with _writing(self._target):
            while rest:
                rest = rest[os.write(self._handle, rest) :]

    def publish(self, *, lasting: bool = True) -> None:
        """Give it the target's name; a symbolic link of that name is replaced, not followed.

        Args:
            lasting: whether to wait until no loss of power can take it any more.

        Raises:
            OutputError: it cannot be renamed; what was there before is untouched.
        """
        with _writing(self._target):
            if lasting:
                publish(self._path, self._target)
            else:
                os.replace(self._path, self._target)
        self._published = True

    def close(self) -> None:
        """Let go of the lock; a part that was neither published nor is to be kept is removed before that."""
        if not self._published and not self._kept:
            with suppress(OSError):
                self._path.unlink()
        os.close(self._handle)


@contextmanager
def claim(target: Path, waiting: Callable[[], None]) -> Iterator[Part]:
    """The part of a target, locked; folders on the way to it are made.

    Args:
        target: the final name.
        waiting: called once when another process or thread holds the part.

    Raises:
        OutputError: it cannot be written there.
    """
    with _writing(target):
        if target.is_dir() and not target.is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        path, handle = _open_locked(target, waiting)
    part = Part(path, target, handle)
    try:
        yield part
    finally:
        part.close()


def _open_locked(target: Path, waiting: Callable[[], None]) -> tuple[Path, int]:
    path = target.with_name(f".{target.name}.part")
    while True:
        if path.is_symlink():
            path.unlink()
        handle = os.open(path, _FLAGS, 0o666)
        try:
            locked = _lock(handle, waiting)
            if locked and _is_ours(path, handle):
                return path, handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked:
            path.unlink(missing_ok=True)
            path = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
            return path, os.open(path, _FLAGS | os.O_EXCL, 0o666)


def _lock(handle: int, waiting: Callable[[], None]) -> bool:
    """Whether the lock is ours; False where the system or the file system knows no locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
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


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(target, error) from error
