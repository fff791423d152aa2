"""A temporary folder beside the target, so that finished files only need a rename; it is locked, so
that the next conversion of the model can remove a killed one's.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Event, Thread

from posezoo.core.errors import DiskError, OutputError, os_reason
from posezoo.core.files.file_lock import ABANDONED_AFTER_S, lock_folder
from posezoo.core.operating_system import IS_WINDOWS, belongs_to_user

#: The prefix of the names of such folders, and the file that each has: a folder of the user may
#: have such a name.
PREFIX = ".posezoo-"
MARK = f"{PREFIX}staging"

# A folder that was copied or restored with its time is in use again after so many seconds.
_RENEWED_EACH_S = 5.0

_OTHER_FOLDER = (
    "choose a folder that can be written (--weights_dir, --cache_dir, --output); posezoo doctor"
    " shows those in use"
)

_FREE_SPACE = (
    "free some space there, or choose another folder; posezoo cache prune --all empties"
    " posezoo's cache"
)

#: What to do if something cannot be written, by the number of the system's error.
WRITE_HINTS = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: "free some of your quota there, or choose another folder",
    errno.EROFS: _OTHER_FOLDER,
    errno.EACCES: _OTHER_FOLDER,
    errno.EPERM: _OTHER_FOLDER,
    errno.ENOENT: _OTHER_FOLDER
    + (", with a path so short that no file's has more than 259 characters" if IS_WINDOWS else ""),
    errno.ENOTDIR: "move away the file that stands where a folder is needed",
    errno.EEXIST: "move away the file that stands where a folder is needed",
    errno.EISDIR: "move that folder away",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def output_error(problem: str, error: OSError) -> OutputError:
    """An error of the system as an OutputError with a hint; a DiskError if it concerns the whole
    disk.
    """
    concerns_disk = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    kind = DiskError if concerns_disk else OutputError
    return kind(f"{problem}: {os_reason(error)}", hint=WRITE_HINTS.get(error.errno or 0, ""))


def create_parent(path: Path) -> None:
    """Create the folder of a file, and those above it, if they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)


def prepare_target(path: Path) -> None:
    """As ``create_parent``; an IsADirectoryError if the path itself is a folder."""
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    create_parent(path)


@contextmanager
def staging_dir(parent: Path) -> Iterator[Path]:
    """An empty folder in ``parent``, which is created; removed on exit.

    Raises:
        OutputError: the folder cannot be created.
    """
    import tempfile

    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
            # Before it is locked, another process may treat it as stale, and lock or remove it.
            with suppress(BlockingIOError, FileNotFoundError):
                lock = lock_folder(folder)
                if folder.is_dir():
                    (folder / MARK).touch()
                    break
                if lock is not None:
                    os.close(lock)
    except OSError as error:
        raise output_error(f"{parent}: cannot be written to", error) from error
    try:
        with nullcontext() if lock is not None else _renewing(folder):
            yield folder
    finally:
        with suppress(OSError):
            remove_tree(folder)
        if lock is not None:
            os.close(lock)


@contextmanager
def _renewing(folder: Path) -> Iterator[None]:
    """Renew the time of a folder that cannot be locked, so that it does not seem abandoned."""
    is_ended = Event()

    def renew() -> None:
        while not is_ended.wait(min(_RENEWED_EACH_S, ABANDONED_AFTER_S / 4)):
            with suppress(OSError):
                os.utime(folder)

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_ended.set()
        thread.join()


@contextmanager
def temporary_dir() -> Iterator[Path]:
    """As ``staging_dir``, in the system's folder for temporary files; what killed runs left there
    is removed.
    """
    import tempfile

    parent = Path(tempfile.gettempdir())
    remove_stale_staging_dirs(parent)
    with staging_dir(parent) as folder:
        yield folder


def remove_stale_staging_dirs(parent: Path) -> None:
    """Remove this user's folders of conversions that were killed; links are not followed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if (
                folder.is_symlink()
                or not belongs_to_user(folder.lstat())
                or not _is_staging(folder)
            ):
                continue
            lock = lock_folder(folder)
            if lock is not None or time.time() - _last_change(folder) > ABANDONED_AFTER_S:
                remove_tree(folder)
            if lock is not None:
                os.close(lock)


def _last_change(folder: Path) -> float:
    """When something in a folder was written, in seconds since 1970: a video is for hours."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def _is_staging(folder: Path) -> bool:
    """Whether a folder is empty, as one whose process was killed at once, or has our mark."""
    names = [path.name for path in folder.iterdir()]
    return not names or MARK in names


def remove_tree(folder: Path) -> None:
    """Remove a folder, however deeply its folders are nested and whatever permissions they have.

    ``shutil.rmtree``, which opens a file for each level, fails with folders that code of a model
    can leave.

    Raises:
        OSError: something in it cannot be removed.
    """
    while children := list(folder.iterdir()):
        # The mark last: without it, the next run takes what a killed one leaves for the user's.
        for child in [each for each in children if each.name != MARK] or children:
            if child.is_symlink() or not child.is_dir():
                child.unlink()
                continue
            child.chmod(0o700)
            for path in child.iterdir():
                if path.is_symlink() or not path.is_dir():
                    path.unlink()
                else:
                    # In this way no path becomes too long for the system. Moving a folder needs the
                    # right to write to it.
                    path.chmod(0o700)
                    path.rename(folder / os.urandom(16).hex())
            child.rmdir()
    folder.rmdir()
