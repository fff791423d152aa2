"""A folder to work in beside the target, so that finished files only have to be renamed.

Whoever works in it keeps it locked. When a conversion is killed the system unlocks its folder, and the
next conversion of that model removes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from posezoo.errors import OutputError

#: How such folders begin.
PREFIX = ".posezoo-"

# Where folders cannot be locked (Windows, some network shares), one of this age has no owner any more.
ABANDONED_AFTER_S = 3600.0


@contextmanager
def staging_dir(parent: Path) -> Iterator[Path]:
    """An empty folder below ``parent``, which is made where it is missing; gone afterwards, whatever happens.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder, lock = _locked_folder(parent)
    except OSError as error:
        raise OutputError(f"{parent}: cannot be written to: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_stale_staging_dirs(parent: Path) -> None:
    """Remove the folders of conversions that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _lock(folder)
            if lock is not None or time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _locked_folder(parent: Path) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
        # Between the two lines somebody may take it for abandoned: then it is locked, or gone already.
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(folder)
            if folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for as long as the descriptor stays open; None where folders cannot be locked.

    Raises:
        BlockingIOError: somebody works in it.
        FileNotFoundError: it is gone.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
