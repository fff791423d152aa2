"""A temporary folder beside the target, so that finished files only need a rename.

It is locked while it is in use. If a conversion is killed, the system unlocks its folder, and the next
conversion of that model removes it.
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
from posezoo.files.file_lock import lock_folder

#: The prefix of the names of such folders.
PREFIX = ".posezoo-"

# If folders cannot be locked (Windows, some network shares), a folder of this age counts as unused.
ABANDONED_AFTER_S = 3600.0


@contextmanager
def staging_dir(parent: Path) -> Iterator[Path]:
    """An empty folder in ``parent``, which is created if it is missing; the folder is removed on exit.

    Raises:
        OutputError: the folder cannot be created.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
            # Before it is locked, another process may treat it as stale, and lock or remove it.
            with suppress(BlockingIOError, FileNotFoundError):
                lock = lock_folder(folder)
                if folder.is_dir():
                    break
                if lock is not None:
                    os.close(lock)
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
            lock = lock_folder(folder)
            if lock is not None or time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)
