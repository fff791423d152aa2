"""The file beside a target that bytes go to until they are known to be right.

It is locked while somebody writes, so two processes fetch a file once. The rename is the last step:
a file that has its name was verified. A part that was cut short stays for the next run, and a record of
what it is the beginning of beside it in ``.posezoo/``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import OutputError
from posezoo.files import CHUNK, STAMPS, cannot_write, publish, write_whole
from posezoo.spec.model import SourceFile

if TYPE_CHECKING:
    from hashlib import _Hash

# Where the system has them: never through a symbolic link, never with line ends translated.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Held:
    """The beginning of a file, as an earlier attempt or run left it.

    Attributes:
        size: how many bytes of it are here.
        source: who gave them.
        etag: what the source called the whole of it: a strong entity tag (RFC 9110, 8.8.3), or nothing.
    """

    size: int = 0
    source: str = ""
    etag: str = ""


#: No byte of it.
NOTHING = Held()


class Part:
    """An open part file that is ours alone."""

    def __init__(self, path: Path, target: Path, handle: int) -> None:
        self._path, self._target, self._handle = path, target, handle
        self._published = False
        # A name that nobody else would look for holds nothing for the next run.
        self._record = _record_of(target) if path == _part_of(target) else None

    @property
    def path(self) -> Path:
        """Where its bytes lie until it is published."""
        return self._path

    def held(self, file: SourceFile) -> Held:
        """What it holds of a file; what is the beginning of something else is dropped."""
        record = _read(self._record) if self._record is not None else {}
        size = os.fstat(self._handle).st_size
        known = file.checksum is not None and record.get(file.checksum.algorithm) == file.checksum.value
        if known and file.size is not None and 0 < size <= file.size:
            return Held(size, record.get("source", ""), record.get("etag", ""))
        self.restart()
        return NOTHING

    def begin(self, file: SourceFile, start: Held, *, resumable: bool) -> _Hash:
        """Make it ready for the bytes that follow; what it holds beyond the start is dropped.

        Args:
            file: what it will be.
            start: how much of what it holds is the beginning, and who gives the rest.
            resumable: whether another run could go on where this one ends.

        Returns:
            The digest of its bytes so far.

        Raises:
            OutputError: it cannot be written.
        """
        if start.size == 0:
            self.restart()
        if resumable and self._record is not None and file.checksum is not None and file.size is not None:
            said = {file.checksum.algorithm: file.checksum.value, "source": start.source, "etag": start.etag}
            with suppress(OutputError):  # without a record the next run simply starts anew
                write_whole(self._record, json.dumps(said).encode(), lasting=False)
        hasher = hashlib.new(file.checksum.algorithm if file.checksum is not None else "sha384")
        with _writing(self._target):
            os.lseek(self._handle, 0, os.SEEK_SET)
            for at in range(0, start.size, CHUNK):
                hasher.update(os.read(self._handle, min(CHUNK, start.size - at)))
            os.ftruncate(self._handle, start.size)
            os.lseek(self._handle, start.size, os.SEEK_SET)
        return hasher

    def restart(self) -> None:
        """Empty it, whatever an earlier attempt or an earlier run left in it."""
        self._forget()
        with _writing(self._target):
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.ftruncate(self._handle, 0)

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
        self._forget()

    def close(self) -> None:
        """Let go of the lock; a part that nobody could go on with is removed before that."""
        is_kept = (
            self._record is not None and os.path.exists(self._record) and os.fstat(self._handle).st_size > 0
        )
        if not self._published and not is_kept:
            self._forget()
            with suppress(OSError):
                self._path.unlink()
        os.close(self._handle)

    def _forget(self) -> None:
        if self._record is not None:
            with suppress(OSError):
                self._record.unlink(missing_ok=True)


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


def discard(target: Path) -> None:
    """Remove what a run left of a file that has come by another way since."""
    for path in (_part_of(target), _record_of(target)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _record_of(target: Path) -> Path:
    return target.parent / STAMPS / f"{target.name}.part"


def _read(record: Path) -> dict[str, str]:
    try:
        said = json.loads(record.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    is_ours = isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
    return said if is_ours else {}


def _open_locked(target: Path, waiting: Callable[[], None]) -> tuple[Path, int]:
    path = _part_of(target)
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
